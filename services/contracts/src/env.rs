//! Every environment variable of the services: one table, read by the kit's settings, set by the harness's topology,
//! and held equal to the documents by a test.

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Value where it is absent; `None` means unset.
    pub default: Option<&'static str>,
    /// What it does, in one sentence.
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
    /// The key before the last rotation; still accepted.
    JWT_SECRET_PREVIOUS = None;
    /// Redis for quotas, such as `redis://127.0.0.1:6379`; absent, the limiter runs in process.
    REDIS_URL = None;
    /// How long Redis may take to answer, in milliseconds.
    REDIS_DEADLINE_MS = Some("50");
    /// What happens when Redis does not answer: `local`, `closed` or `open` (development only).
    RATE_LIMIT_FALLBACK = Some("local");
    /// How many instances share a limit; the local fallback admits one share.
    RATE_LIMIT_INSTANCES = Some("1");
    /// Daily calls of an organisation on the free plan.
    QUOTA_FREE_DAILY = Some("100");
    /// Daily calls of an organisation on the pro plan.
    QUOTA_PRO_DAILY = Some("3000");
    /// Daily calls of an organisation on the team plan.
    QUOTA_TEAM_DAILY = Some("10000");
    /// Daily calls of an organisation on the enterprise plan.
    QUOTA_ENTERPRISE_DAILY = Some("1000000");
    /// Most calls of an organisation in one second.
    QUOTA_BURST_PER_SECOND = Some("100");
    /// Host names accepted in `Host` besides loopback, separated by commas.
    ALLOWED_HOSTS = None;
    /// Origins accepted besides loopback, separated by commas.
    ALLOWED_ORIGINS = None;
    /// The service's own URL as clients know it; used in RFC 9728 metadata.
    PUBLIC_URL = None;
    /// Issuer of tokens, named in RFC 9728 metadata.
    AUTHORIZATION_SERVER_URL = None;
    /// Log level, such as `info` or `mcp_memory=debug,info`.
    LOG_LEVEL = Some("info");
    /// Folder of log files besides stdout; empty turns them off.
    LOG_DIR = None;
    /// OTLP endpoint of traces (HTTP, protobuf); absent turns them off.
    OTEL_EXPORTER_OTLP_ENDPOINT = None;
    /// How long one request may take, in milliseconds.
    REQUEST_DEADLINE_MS = Some("10000");
    /// Most requests at once; more are answered 503.
    MAX_CONCURRENT_REQUESTS = Some("1024");
    /// How long a client may take to send a request head, and a kept-alive connection may be idle, in milliseconds.
    HEADER_READ_DEADLINE_MS = Some("15000");
    /// How long new requests are still answered after SIGTERM, while `/readyz` says 503 already, so that a load balancer can notice, in milliseconds.
    DRAIN_NOTICE_MS = Some("0");
    /// How long running requests may take after that, in milliseconds.
    DRAIN_DEADLINE_MS = Some("5000");
    /// Worker threads; absent means one per core.
    WORKER_THREADS = None;
    /// Where memory, patterns and the orchestrator keep their data: a SQLite file such as `sqlite:///data/memory.db`; absent, `data/<service>.db`.
    DATABASE_URL = None;
    /// Guardrails: folder of rule files beside the built-in ones, watched for changes; `organisations/<orgId>.yaml` in it changes rules of one organisation.
    RULES_DIR = None;
    /// Patterns: folder of catalogue files in place of the built-in ones, watched for changes.
    CATALOG_DIR = None;
    /// Orchestrator and clients: base URL of memory; several instances are separated by commas.
    MCP_MEMORY_URL = Some("http://127.0.0.1:7420");
    /// Orchestrator and clients: base URL of guardrails; several instances are separated by commas.
    MCP_GUARDRAILS_URL = Some("http://127.0.0.1:7421");
    /// Orchestrator and clients: base URL of patterns; several instances are separated by commas.
    MCP_PATTERNS_URL = Some("http://127.0.0.1:7422");
    /// Clients: base URL of the orchestrator.
    MCP_ORCHESTRATOR_URL = Some("http://127.0.0.1:7410");
    /// How long one attempt at a peer may take, in milliseconds.
    PEER_DEADLINE_MS = Some("300");
    /// How long a whole workflow may take, in milliseconds; a model's time is part of it.
    WORKFLOW_DEADLINE_MS = Some("5000");
    /// Base URL of an OpenAI-compatible endpoint that completes what agents draft, such as `http://127.0.0.1:11434/v1`; absent, templates answer.
    LLM_BASE_URL = None;
    /// Key of that endpoint.
    LLM_API_KEY = None;
    /// Model to ask for.
    LLM_MODEL = Some("default");
    /// How long the model may take, in milliseconds.
    LLM_DEADLINE_MS = Some("3000");
    /// Price of a million tokens that the model reads, in micro-dollars.
    LLM_PROMPT_PRICE = Some("500000");
    /// Price of a million tokens that the model writes, in micro-dollars.
    LLM_COMPLETION_PRICE = Some("1500000");
    /// What the plans may spend on models in a day, in micro-dollars: free, pro, team, enterprise, separated by commas.
    LLM_DAILY_BUDGETS = Some("0,500000,2000000,50000000");
}
