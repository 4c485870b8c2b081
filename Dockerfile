# One image for each service (--build-arg SERVICE=mcp-memory). The binary comes from the `build` stage, or with
# --build-arg BIN_FROM=host from dist/, where `make images` puts a static binary that the host has built.
ARG BIN_FROM=build

FROM rust:1.95-bookworm AS build
ARG SERVICE
WORKDIR /src
COPY . .
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin "$SERVICE" --target x86_64-unknown-linux-gnu && \
    mkdir -p /out/data && \
    cp "target/x86_64-unknown-linux-gnu/release/$SERVICE" /etc/ssl/certs/ca-certificates.crt /out/

FROM scratch AS host
COPY dist/ /out/

FROM ${BIN_FROM} AS bin

FROM scratch
ARG SERVICE
LABEL org.opencontainers.image.title="$SERVICE"
# Without a CA bundle the HTTP client does not start, not even for plain HTTP.
COPY --from=bin /out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=bin /out/${SERVICE} /service
COPY --from=bin --chown=65532:65532 /out/data/ /data/
USER 65532:65532
VOLUME /data
HEALTHCHECK --interval=2s --timeout=2s --start-period=5s --retries=5 CMD ["/service", "healthcheck"]
ENTRYPOINT ["/service"]
CMD ["serve"]
