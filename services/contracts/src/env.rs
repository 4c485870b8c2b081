//! Every environment variable of the services, in one table. The services read it through the kit, the harness sets it for its stacks, and a
//! test keeps the operations manual equal to it.

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: &'static str,
    /// Value if the variable is not set; `None` means there is no default.
    pub default: Option<&'static str>,
    /// Its effect, in one sentence.
    pub about: &'static str,
}

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
    /// Address to listen on; each service has its own default port on 127.0.0.1.
    LISTEN_ADDR = None;
    /// Key of HS256 tokens, at least 32 bytes.
    JWT_SECRET = None;
    /// The previous key; its tokens stay valid during a rotation.
    JWT_SECRET_PREVIOUS = None;
    /// Redis for quotas, such as `redis://127.0.0.1:6379`; if unset, each instance counts for itself.
    REDIS_URL = None;
    /// Deadline of a call to Redis, in milliseconds.
    REDIS_DEADLINE_MS = Some("50");
    /// Behaviour if Redis does not answer: `local`, `closed` or `open` (development only).
    RATE_LIMIT_FALLBACK = Some("local");
    /// Number of instances that share a limit; the local fallback of each admits its share.
    RATE_LIMIT_INSTANCES = Some("1");
    /// Daily calls of an organisation on the free plan.
    QUOTA_FREE_DAILY = Some("100");
    /// Daily calls of an organisation on the pro plan.
    QUOTA_PRO_DAILY = Some("3000");
    /// Daily calls of an organisation on the team plan.
    QUOTA_TEAM_DAILY = Some("10000");
    /// Daily calls of an organisation on the enterprise plan.
    QUOTA_ENTERPRISE_DAILY = Some("1000000");
    /// Most calls of an organisation per second.
    QUOTA_BURST_PER_SECOND = Some("100");
    /// Host names accepted in `Host` besides loopback, separated by commas.
    ALLOWED_HOSTS = None;
    /// Origins accepted besides loopback, separated by commas.
    ALLOWED_ORIGINS = None;
    /// URL under which clients reach the service; used in RFC 9728 metadata.
    PUBLIC_URL = None;
    /// Issuer of tokens, named in RFC 9728 metadata.
    AUTHORIZATION_SERVER_URL = None;
    /// Log level, such as `info` or `mcp_memory=debug,info`.
    LOG_LEVEL = Some("info");
    /// Folder for log files in addition to stdout; if unset, no files are written.
    LOG_DIR = None;
    /// OTLP endpoint for traces (HTTP, protobuf); if unset, no traces are sent.
    OTEL_EXPORTER_OTLP_ENDPOINT = None;
    /// Deadline of a request, in milliseconds.
    REQUEST_DEADLINE_MS = Some("10000");
    /// Most concurrent requests; further ones get 503.
    MAX_CONCURRENT_REQUESTS = Some("1024");
    /// Deadline for receiving a request head, and longest idle time of a connection, in milliseconds.
    HEADER_READ_DEADLINE_MS = Some("15000");
    /// Time after SIGTERM in which new requests are still served while `/readyz` returns 503, so that a load balancer can react, in milliseconds.
    DRAIN_NOTICE_MS = Some("0");
    /// Time for running requests to finish after that, in milliseconds.
    DRAIN_DEADLINE_MS = Some("5000");
    /// Number of worker threads; if unset, one per core.
    WORKER_THREADS = None;
    /// Database of memory, patterns or the orchestrator: a SQLite file such as `sqlite:///data/memory.db`; if unset, `data/<service>.db`.
    DATABASE_URL = None;
    /// Guardrails: folder of rule files in addition to the built-in ones, reloaded on change; its `organisations/<orgId>.yaml` changes the rules of one organisation.
    RULES_DIR = None;
    /// Patterns: folder of catalogue files instead of the built-in ones, reloaded on change.
    CATALOG_DIR = None;
    /// Orchestrator and clients: base URL of memory, or of several instances separated by commas.
    MCP_MEMORY_URL = Some("http://127.0.0.1:7420");
    /// Orchestrator and clients: base URL of guardrails, or of several instances separated by commas.
    MCP_GUARDRAILS_URL = Some("http://127.0.0.1:7421");
    /// Orchestrator and clients: base URL of patterns, or of several instances separated by commas.
    MCP_PATTERNS_URL = Some("http://127.0.0.1:7422");
    /// Clients: base URL of the orchestrator.
    MCP_ORCHESTRATOR_URL = Some("http://127.0.0.1:7410");
    /// Orchestrator: deadline of one attempt to call a peer, in milliseconds.
    PEER_DEADLINE_MS = Some("300");
    /// Orchestrator: deadline of a workflow, the time of a model included, in milliseconds.
    WORKFLOW_DEADLINE_MS = Some("5000");
    /// Orchestrator: base URL of an OpenAI-compatible endpoint that completes drafts, such as `http://127.0.0.1:11434/v1`; if unset, templates are used.
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
    /// Daily budgets of an organisation for models by plan, in micro-dollars: free, pro, team, enterprise, separated by commas.
    LLM_DAILY_BUDGETS = Some("0,500000,2000000,50000000");
}
