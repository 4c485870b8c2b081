//! The tables of the store on Postgres. As in SQLite, a scope is a set of readers (one user in one workspace, or the whole workspace, whose `owner`
//! is empty), and every row carries its scope. Policies confine every statement to the scopes of the caller a second time.

use mcp_kit::database::postgres::PostgresSchema;

pub(super) const SCHEMA: PostgresSchema<'static> =
    PostgresSchema { service: "memory", migrations: &[TABLES, POLICIES] };

// The row of an organisation is locked by each of its writes, so numbers of memories and changes are given out in the order of the commits: what a
// page has not seen has a higher number. Both belong to the organisation, so that no cursor shows how much others write.
// The rows that every write changes leave room in their pages, so that a new version stays beside the old one.
// Texts compare by bytes (`"C"`), as in SQLite. Contents and keys are bytes, because a text of Postgres cannot have U+0000.
// `memory.copy` is 0, or the number of the memory if its text or scope was changed: two inserts of one text collide, while a change can make two
// memories equal.
const TABLES: &str = r#"
CREATE TABLE memory_organisation (
    org TEXT COLLATE "C" PRIMARY KEY,
    bytes BIGINT NOT NULL DEFAULT 0,
    newest BIGINT NOT NULL DEFAULT 0,
    changes BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE memory_scope (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org TEXT COLLATE "C" NOT NULL,
    workspace TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    documents BIGINT NOT NULL DEFAULT 0,
    terms BIGINT NOT NULL DEFAULT 0,
    bytes BIGINT NOT NULL DEFAULT 0,
    recent BIGINT NOT NULL DEFAULT 0,
    forgotten BIGINT NOT NULL DEFAULT 0,
    UNIQUE (org, workspace, owner)
) WITH (fillfactor = 50);
CREATE TABLE memory (
    org TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    id UUID NOT NULL,
    scope BIGINT NOT NULL REFERENCES memory_scope (id),
    owner TEXT COLLATE "C" NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    version BIGINT NOT NULL,
    content_hash BYTEA NOT NULL,
    copy BIGINT NOT NULL DEFAULT 0,
    kind TEXT COLLATE "C",
    tags TEXT COLLATE "C" NOT NULL,
    metadata TEXT COLLATE "C" NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (org, sequence),
    UNIQUE (org, id),
    UNIQUE (scope, owner, content_hash, copy)
);
CREATE INDEX memory_by_time ON memory (scope, created_us, sequence);
CREATE INDEX memory_by_kind ON memory (scope, kind, created_us, sequence) WHERE kind IS NOT NULL;
CREATE TABLE memory_tag (
    scope BIGINT NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    memory BIGINT NOT NULL,
    PRIMARY KEY (scope, tag, memory)
);
CREATE TABLE memory_posting (
    scope BIGINT NOT NULL,
    term TEXT COLLATE "C" NOT NULL,
    first BIGINT NOT NULL,
    places BIGINT NOT NULL,
    max_frequency BIGINT NOT NULL,
    min_length BIGINT NOT NULL,
    block BYTEA NOT NULL,
    PRIMARY KEY (scope, term, first)
) WITH (fillfactor = 80);
-- Blocks have at most 1,000 bytes, which stay in their row and are not worth compressing.
ALTER TABLE memory_posting ALTER COLUMN block SET STORAGE PLAIN;
CREATE TABLE memory_recent (
    scope BIGINT NOT NULL,
    memory BIGINT NOT NULL,
    length BIGINT NOT NULL,
    day BIGINT NOT NULL,
    words BYTEA NOT NULL,
    PRIMARY KEY (scope, memory)
);
CREATE TABLE memory_earlier (
    org TEXT COLLATE "C" NOT NULL,
    id BIGINT NOT NULL,
    memory BIGINT NOT NULL,
    scope BIGINT NOT NULL,
    length BIGINT NOT NULL,
    day BIGINT NOT NULL,
    stored_us BIGINT NOT NULL,
    words BYTEA NOT NULL,
    PRIMARY KEY (org, id)
);
CREATE INDEX memory_earlier_by_memory ON memory_earlier (org, memory);
CREATE INDEX memory_earlier_by_scope ON memory_earlier (scope, id);
CREATE INDEX memory_earlier_by_time ON memory_earlier (org, stored_us);
CREATE TABLE memory_idempotency (
    org TEXT COLLATE "C" NOT NULL,
    workspace TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    key BYTEA NOT NULL,
    request BYTEA NOT NULL,
    reply TEXT COLLATE "C" NOT NULL,
    memory UUID,
    stored_us BIGINT NOT NULL,
    PRIMARY KEY (org, workspace, owner, key)
);
CREATE INDEX memory_idempotency_by_time ON memory_idempotency (org, stored_us);
CREATE INDEX memory_idempotency_by_memory ON memory_idempotency (org, memory) WHERE memory IS NOT NULL;
"#;

// `mcp.org`, `mcp.workspace` and `mcp.user` are set for one transaction (`super::identity`); without them no row is visible. `mcp.wide` is on while a
// statement has to look at rows of the whole organisation: for ids, quotas and what is kept of others. Nothing looks beyond the organisation.
// FORCE, because the role that creates the tables owns them, and an owner is otherwise exempt.
// Settings are read in a subquery, so once for each statement and not for each row.
const POLICIES: &str = "
CREATE POLICY tenant ON memory_organisation USING (org = (SELECT current_setting('mcp.org', true)));
CREATE POLICY tenant ON memory_scope USING (
    org = (SELECT current_setting('mcp.org', true))
    AND ((SELECT current_setting('mcp.wide', true)) = 'on'
        OR workspace = (SELECT current_setting('mcp.workspace', true))
        AND owner IN ((SELECT current_setting('mcp.user', true)), '')));
CREATE POLICY tenant ON memory USING (
    org = (SELECT current_setting('mcp.org', true))
    AND ((SELECT current_setting('mcp.wide', true)) = 'on'
        OR scope IN (SELECT s.id FROM memory_scope s WHERE s.org = (SELECT current_setting('mcp.org', true))
            AND s.workspace = (SELECT current_setting('mcp.workspace', true)) AND s.owner IN ((SELECT current_setting('mcp.user', true)), ''))));
CREATE POLICY tenant ON memory_earlier USING (
    org = (SELECT current_setting('mcp.org', true))
    AND ((SELECT current_setting('mcp.wide', true)) = 'on'
        OR scope IN (SELECT s.id FROM memory_scope s WHERE s.org = (SELECT current_setting('mcp.org', true))
            AND s.workspace = (SELECT current_setting('mcp.workspace', true)) AND s.owner IN ((SELECT current_setting('mcp.user', true)), ''))));
CREATE POLICY tenant ON memory_idempotency USING (
    org = (SELECT current_setting('mcp.org', true))
    AND ((SELECT current_setting('mcp.wide', true)) = 'on'
        OR workspace = (SELECT current_setting('mcp.workspace', true)) AND owner = (SELECT current_setting('mcp.user', true))));
CREATE POLICY tenant ON memory_tag USING (
    scope IN (SELECT s.id FROM memory_scope s WHERE s.org = (SELECT current_setting('mcp.org', true))
        AND s.workspace = (SELECT current_setting('mcp.workspace', true)) AND s.owner IN ((SELECT current_setting('mcp.user', true)), '')));
CREATE POLICY tenant ON memory_posting USING (
    scope IN (SELECT s.id FROM memory_scope s WHERE s.org = (SELECT current_setting('mcp.org', true))
        AND s.workspace = (SELECT current_setting('mcp.workspace', true)) AND s.owner IN ((SELECT current_setting('mcp.user', true)), '')));
CREATE POLICY tenant ON memory_recent USING (
    scope IN (SELECT s.id FROM memory_scope s WHERE s.org = (SELECT current_setting('mcp.org', true))
        AND s.workspace = (SELECT current_setting('mcp.workspace', true)) AND s.owner IN ((SELECT current_setting('mcp.user', true)), '')));
ALTER TABLE memory_organisation ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE memory_scope ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE memory ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE memory_earlier ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE memory_idempotency ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE memory_tag ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE memory_posting ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE memory_recent ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
";
