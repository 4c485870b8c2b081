# Images of the services and of the harness. `--build-arg PROGRAM=mcp-memory` selects the program; the image of the harness is the target `harness`.
# By default the `build` stage compiles the programs. With `--build-arg BIN_FROM=host` they come from dist/, where `make images` puts the static
# programs that it built on the host.
ARG BIN_FROM=build

FROM rust:1.95-bookworm AS chef
RUN cargo install --locked --version 0.1.78 cargo-chef
WORKDIR /src

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path /recipe.json

# This layer depends on the recipe and not on the sources, so it is rebuilt only when a dependency changes.
FROM chef AS dependencies
ENV CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
COPY --from=plan /recipe.json /recipe.json
RUN cargo chef cook --release --locked --target x86_64-unknown-linux-gnu --recipe-path /recipe.json

# Builds all programs at once, so that five images share one build.
FROM dependencies AS build
COPY . .
RUN cargo build --release --locked --bins --target x86_64-unknown-linux-gnu && \
    mkdir -p /out/data /out/work && \
    cp target/x86_64-unknown-linux-gnu/release/mcp-* target/x86_64-unknown-linux-gnu/release/liar /out/ && \
    cp target/x86_64-unknown-linux-gnu/release/harness /out/mcp-harness && \
    strip /out/mcp-harness && \
    cp /etc/ssl/certs/ca-certificates.crt /out/

FROM scratch AS host
COPY dist/ /out/

#checkov:skip=CKV_DOCKER_7:the name of a stage of this file
FROM ${BIN_FROM} AS programs

FROM scratch AS base
ARG PROGRAM
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="$PROGRAM" \
      org.opencontainers.image.description="A program of the MCP stack or its harness: one static binary and a bundle of CA certificates" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# Without a CA bundle the HTTP client does not start, even for plain HTTP.
COPY --from=programs /out/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532

# The harness writes runs to /work; mount a folder there to keep them.
FROM base AS harness
ARG PROGRAM
COPY --from=programs /out/${PROGRAM} /harness
COPY --from=programs --chown=65532:65532 /out/work/ /work/
WORKDIR /work
VOLUME /work
HEALTHCHECK --interval=5s --timeout=3s CMD ["/harness", "--version"]
ENTRYPOINT ["/harness"]
CMD ["--help"]

# The last stage is the default target.
FROM base AS service
ARG PROGRAM
COPY --from=programs /out/${PROGRAM} /service
COPY --from=programs --chown=65532:65532 /out/data/ /data/
VOLUME /data
HEALTHCHECK --interval=2s --timeout=2s --start-period=5s --retries=5 CMD ["/service", "healthcheck"]
ENTRYPOINT ["/service"]
CMD ["serve"]
