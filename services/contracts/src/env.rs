//! The table of every environment variable of the services. The kit reads them, the topology of the harness sets them, and a test
//! compares the table with the documents.

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// Value if the variable is not set.
    pub default: Option<&'static str>,
    /// Its effect, in one sentence.
    pub about: &'static str,
}

// A macro, so that each variable is written once: its doc comment is also the `about` of the table.
macro_rules! variables {
    ($($(#[doc = $doc:literal])+ $ident:ident = $default:expr;)+) => {
        $($(#[doc = $doc])+ pub const $ident: &str = stringify!($ident);)+
        /// Every variable, in the order of the documentation.
        pub const ALL: &[Variable] = &[$(Variable {
            name: stringify!($ident), default: $default, about: concat!($($doc),+).trim_ascii(),
        }),+];
    };
}

variables! {
    /// `development` (default) or `production`, which refuses default, short or missing secrets and `RATE_LIMIT_FALLBACK=open`.
    APP_ENV = Some("development");
    /// Address to listen on. If omitted, the service listens on its own default port of 127.0.0.1.
    LISTEN_ADDR = None;
    /// Key that signs HS256 tokens; at least 32 bytes. If omitted, a published key is used, but only on loopback and not in production.
    JWT_SECRET = None;
    /// Key that the next rotation will sign with; tokens signed with it are accepted already.
    JWT_SECRET_NEXT = None;
    /// Key used before the last rotation; tokens signed with it are still accepted.
    JWT_SECRET_PREVIOUS = None;
    /// Day on which `JWT_SECRET` became the key, such as `2026-11-24`. It is published as a metric, so that an alert can watch the age of the key.
    JWT_SECRET_SINCE = None;
    /// Redis that counts quotas, such as `redis://127.0.0.1:6379`, `rediss://…` with TLS or `redis+sentinel://host1,host2/name`. If omitted, each process counts alone.
    REDIS_URL = None;
    /// File with the certificate, in PEM form, of the issuer of Redis' certificate. If omitted, the roots of the system are used.
    REDIS_CA_FILE = None;
    // A Redis on the same machine answers a script in 0.1 ms (measured), so only one that stalls exceeds this.
    /// Deadline of a Redis command, in milliseconds.
    REDIS_DEADLINE_MS = Some("50");
    /// What the quota does when Redis does not answer: `local`, `closed` or `open` (development only).
    RATE_LIMIT_FALLBACK = Some("local");
    /// Number of instances that share a limit; with the `local` fallback each instance admits an equal share.
    RATE_LIMIT_INSTANCES = Some("1");
    /// Daily calls of an organisation on the free plan.
    QUOTA_FREE_DAILY = Some("100");
    /// Daily calls of an organisation on the pro plan.
    QUOTA_PRO_DAILY = Some("3000");
    /// Daily calls of an organisation on the team plan.
    QUOTA_TEAM_DAILY = Some("10000");
    /// Daily calls of an organisation on the enterprise plan.
    QUOTA_ENTERPRISE_DAILY = Some("1000000");
    /// Maximum number of calls of an organisation per second.
    QUOTA_BURST_PER_SECOND = Some("100");
    // 50 MiB is half of what the 100 daily calls of this plan could import, at 1 MiB each.
    /// Memory: MiB that an organisation on the free plan may store. The database needs about two and a half times as much.
    STORAGE_QUOTA_FREE_MIB = Some("50");
    /// Memory: MiB that an organisation on the pro plan may store.
    STORAGE_QUOTA_PRO_MIB = Some("500");
    /// Memory: MiB that an organisation on the team plan may store.
    STORAGE_QUOTA_TEAM_MIB = Some("5000");
    /// Memory: MiB that an organisation on the enterprise plan may store.
    STORAGE_QUOTA_ENTERPRISE_MIB = Some("100000");
    /// Host names accepted in `Host` besides loopback, separated by commas.
    ALLOWED_HOSTS = None;
    /// Origins accepted besides loopback, separated by commas.
    ALLOWED_ORIGINS = None;
    /// URL under which clients reach the service; published in its RFC 9728 metadata.
    PUBLIC_URL = None;
    /// URL of the token issuer; published in the RFC 9728 metadata.
    AUTHORIZATION_SERVER_URL = None;
    /// Token that `/metrics` requires as a bearer token. If omitted, every client that reaches the port can read the metrics.
    METRICS_TOKEN = None;
    /// URL of the keys (JWKS) of an identity provider whose tokens are accepted besides those of `JWT_SECRET`. Requires `JWT_ISSUER`, `JWT_AUDIENCE` and `JWT_MAX_LIFETIME_SECS`.
    JWKS_URL = None;
    /// Issuer (`iss`) that the tokens of the identity provider must have, exactly.
    JWT_ISSUER = None;
    /// Audience (`aud`) that the tokens of the identity provider must have, alone or in a list.
    JWT_AUDIENCE = None;
    /// Longest accepted time from `iat` to `exp` in tokens of the identity provider, in seconds, at most 86400.
    JWT_MAX_LIFETIME_SECS = None;
    /// Claim with the organisation in tokens of the identity provider: a name, or a path such as `tenant.id`.
    JWT_CLAIM_ORGANISATION = Some("orgId");
    /// Claim with the workspace; `default` if a token has none.
    JWT_CLAIM_WORKSPACE = Some("workspaceSlug");
    /// Claim with the user.
    JWT_CLAIM_USER = Some("sub");
    /// Claim with the scopes: a list, or a text with spaces between them.
    JWT_CLAIM_SCOPES = Some("scope");
    /// Claim with the plan; `free` if a token has none.
    JWT_CLAIM_PLAN = Some("plan");
    /// Log level: off, error, warn, info, debug or trace, also for single modules, such as `mcp_memory=debug,info`.
    LOG_LEVEL = Some("info");
    /// Folder for log files, in addition to stdout. If empty, no files are written.
    LOG_DIR = None;
    /// Largest total size of the log files of a service in `LOG_DIR`, in MiB. The oldest are removed.
    LOG_DIR_MAX_MIB = Some("512");
    /// OTLP endpoint for traces (HTTP, protobuf). If omitted, no traces are sent.
    OTEL_EXPORTER_OTLP_ENDPOINT = None;
    /// Deadline of a request, in milliseconds.
    REQUEST_DEADLINE_MS = Some("10000");
    /// Maximum number of concurrent requests; the service answers further ones with 503. One organisation gets at most three quarters of them, then 429.
    MAX_CONCURRENT_REQUESTS = Some("1024");
    /// Maximum number of connections of one address; further ones are closed at once. If omitted, three quarters of all connections. Behind a load balancer, all clients share the address of the load balancer.
    MAX_CONNECTIONS_PER_ADDRESS = None;
    /// Deadline for receiving a request head, in milliseconds. It starts with the first byte, and on a new connection at once.
    HEADER_READ_DEADLINE_MS = Some("15000");
    /// Time that a connection may be idle between two requests, in milliseconds. It must be longer than that of the load balancer in front, which otherwise sends requests on connections that the service has closed.
    KEEP_ALIVE_MS = Some("620000");
    /// Time within which a client must read 64 KiB of a reply, or all of it, in milliseconds; then its connection is closed.
    WRITE_DEADLINE_MS = Some("15000");
    /// Time after SIGTERM in which `/readyz` already returns 503 and new requests are still answered, in milliseconds. A load balancer needs it to react.
    DRAIN_NOTICE_MS = Some("0");
    /// Time that running requests have to finish after that, in milliseconds.
    DRAIN_DEADLINE_MS = Some("5000");
    /// Number of worker threads. If omitted, one per core.
    WORKER_THREADS = None;
    /// SQLite file in which memory, patterns or the orchestrator keeps its data, such as `sqlite:///data/memory.db`. If omitted, `data/<service>.db`. Memory also accepts a Postgres server that its instances share: `postgres://user:password@host:5432/database`, with several hosts separated by commas, and with TLS beyond loopback.
    DATABASE_URL = None;
    /// Memory: file with the certificate, in PEM form, of the issuer of the Postgres server's certificate. If omitted, the roots of the system are used.
    DATABASE_CA_FILE = None;
    /// Memory: maximum number of connections of an instance to the Postgres server; half of them serve reads.
    DATABASE_CONNECTIONS = Some("12");
    /// Guardrails: folder of rule files that are added to the built-in ones and watched for changes. `organisations/<orgId>.yaml` in it changes the rules of one organisation. If the folder becomes empty, the last rules stay in force and `/readyz` reports the fallback `rules`.
    RULES_DIR = None;
    /// Patterns: folder of catalogue files that replace the built-in ones and are watched for changes.
    CATALOG_DIR = None;
    /// Orchestrator and clients: base URL of memory, or the URLs of several instances, separated by commas.
    MCP_MEMORY_URL = Some("http://127.0.0.1:7420");
    /// Orchestrator and clients: base URL of guardrails, or the URLs of several instances, separated by commas.
    MCP_GUARDRAILS_URL = Some("http://127.0.0.1:7421");
    /// Orchestrator and clients: base URL of patterns, or the URLs of several instances, separated by commas.
    MCP_PATTERNS_URL = Some("http://127.0.0.1:7422");
    /// Clients: base URL of the orchestrator.
    MCP_ORCHESTRATOR_URL = Some("http://127.0.0.1:7410");
    /// Deadline of one attempt to call a peer, in milliseconds.
    PEER_DEADLINE_MS = Some("300");
    /// Deadline of a whole workflow, in milliseconds; it includes the time of the model.
    WORKFLOW_DEADLINE_MS = Some("5000");
    /// Base URL of an OpenAI-compatible endpoint that completes the drafts of agents, such as `http://127.0.0.1:11434/v1`. If omitted, templates answer.
    LLM_BASE_URL = None;
    /// API key of that endpoint.
    LLM_API_KEY = None;
    /// Name of the model.
    LLM_MODEL = Some("default");
    /// Deadline of a call to the model, in milliseconds.
    LLM_DEADLINE_MS = Some("3000");
    /// Price of a million prompt tokens, in micro-dollars.
    LLM_PROMPT_PRICE = Some("500000");
    /// Price of a million completion tokens, in micro-dollars.
    LLM_COMPLETION_PRICE = Some("1500000");
    /// Daily model budget of each plan, in micro-dollars: free, pro, team, enterprise, separated by commas.
    LLM_DAILY_BUDGETS = Some("0,500000,2000000,50000000");
}
