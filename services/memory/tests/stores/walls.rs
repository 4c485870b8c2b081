//! Two walls keep tenants apart in Postgres: the conditions of the statements, and row-level security. Each holds without the other.

use crate::factory::{runtime, target};
use mcp_contracts::memory::{TagMatch, Visibility};
use mcp_contracts::{Claims, Plan, Role, Scope};
use mcp_kit::database::postgres::PostgresTarget;
use mcp_memory::store::postgres::PostgresStore;
use mcp_memory::store::{
    Change, Idempotency, ListQuery, NewMemory, SearchQuery, Selection, Store, StoreError, TagFilter,
};
use mcp_memory::tenant::Tenant;
use mcp_memory::terms;
use mcp_testkit::{PostgresDatabase, PostgresServer};
use std::collections::BTreeMap;

/// Organisation, workspace, user.
const CALLERS: [(&str, &str, &str); 5] = [
    ("acme", "default", "ann"),
    ("acme", "default", "bob"),
    ("acme", "lab", "ann"),
    ("zeta", "default", "ann"),
    ("zeta", "lab", "zoe"),
];
/// Tables whose rows belong to an organisation as a whole.
const OF_ORGANISATION: &str = "memory_organisation";

fn tenant((org, workspace, user): (&str, &str, &str)) -> Tenant {
    Tenant::of(&Claims {
        sub: user.into(),
        org_id: org.into(),
        workspace_slug: workspace.into(),
        plan: Plan::Enterprise,
        role: Role::default(),
        scopes: vec![Scope::MemoryRead, Scope::MemoryWrite, Scope::MemoryDelete],
        exp: u64::MAX,
        iat: 0,
        jti: String::new(),
        aud: "mcp".into(),
    })
}

fn memory(content: String, visibility: Visibility) -> NewMemory {
    let idempotency = Some(Idempotency { key: content.clone(), request: [7; 32] });
    NewMemory {
        content,
        tags: vec!["all".into()],
        kind: None,
        metadata: serde_json::Map::new(),
        visibility,
        created_us: None,
        id: None,
        idempotency,
    }
}

/// Stores a private and a shared memory of each caller, changes both, and moves some terms into blocks. Returns the ids by caller.
async fn fill(store: &PostgresStore, database: &PostgresDatabase<'_>) -> Vec<[String; 2]> {
    let mut ids = Vec::new();
    for (number, caller) in CALLERS.into_iter().enumerate() {
        let new = |visibility| memory(format!("secret word{number} {visibility:?}"), visibility);
        let both = vec![new(Visibility::Private), new(Visibility::Workspace)];
        let inserted = store.insert(&tenant(caller), both).await.unwrap();
        let [private, shared] = &inserted[..] else { panic!("{inserted:?}") };
        ids.push([private.id.clone(), shared.id.clone()]);
        database.admin("UPDATE memory_scope SET recent = 1000000");
        for id in ids[number].clone() {
            let change = Change { content: Some(format!("secret word{number} changed {id}")), ..Change::default() };
            store.update(&tenant(caller), id, change).await.unwrap();
        }
        // Beside the blocks, some terms that are not in blocks.
        let later = memory(format!("secret word{number} later"), Visibility::Private);
        store.insert(&tenant(caller), vec![later]).await.unwrap();
    }
    ids
}

/// Tries every call of each caller on the memories of all others.
async fn check_isolation(store: &PostgresStore, ids: &[[String; 2]]) {
    for (reader, caller) in CALLERS.into_iter().enumerate() {
        let me = tenant(caller);
        let is_visible = |owner: usize, shared: bool| {
            let of = CALLERS[owner];
            (of.0, of.1) == (caller.0, caller.1) && (shared || of.2 == caller.2)
        };
        let mut expected = 1;
        for (owner, pair) in ids.iter().enumerate() {
            for (id, shared) in pair.iter().zip([false, true]) {
                let seen = store.get(&me, id.clone()).await;
                assert_eq!(seen.is_ok(), is_visible(owner, shared), "{caller:?} reads {id} of {:?}", CALLERS[owner]);
                expected += usize::from(is_visible(owner, shared));
                if owner != reader && !is_visible(owner, shared) {
                    let change = Change { tags: Some(vec!["stolen".into()]), ..Change::default() };
                    let not_found = StoreError::NotFound(id.clone());
                    assert_eq!(store.update(&me, id.clone(), change).await.unwrap_err(), not_found);
                    assert_eq!(store.delete(&me, id.clone()).await.unwrap_err(), not_found);
                }
            }
        }
        let terms = terms::of_query("secret word0 word1 word2 word3 word4");
        let selection = Selection::default();
        let query = SearchQuery { terms, selection: selection.clone(), limit: 100, as_of: i64::MAX / 2, after: None };
        assert_eq!(store.search(&me, query).await.unwrap().len(), expected, "{caller:?} searches");
        let query = ListQuery { selection, limit: 100, after: None };
        assert_eq!(store.list(&me, query).await.unwrap().len(), expected, "{caller:?} lists");
        let stats = store.stats(&me).await.unwrap();
        assert_eq!(stats.private + stats.shared, expected as u64, "{caller:?} counts");
        assert_eq!(stats.tags[0].count, expected as u64, "{caller:?} counts tags");
        let tags = TagFilter { tags: vec!["all".into()], tag_match: TagMatch::All };
        assert_eq!(store.select_by_tag(&me, tags).await.unwrap().count, 3, "{caller:?} selects by tag");
    }
}

fn tables(database: &PostgresDatabase<'_>) -> Vec<String> {
    let sql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'memory%' ORDER BY 1";
    database.admin(sql).lines().map(str::to_owned).collect()
}

#[test]
fn the_statements_confine_a_tenant_without_row_level_security() {
    runtime().block_on(async {
        let database = PostgresServer::shared().database();
        let store = PostgresStore::open(&target(&database)).await.unwrap();
        let ids = fill(&store, &database).await;
        for table in tables(&database) {
            database.admin(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"));
        }
        let all = database.as_service("SELECT count(*) FROM memory").unwrap();
        assert_eq!(all, "15", "the wall is still there");
        check_isolation(&store, &ids).await;
    });
}

#[test]
fn row_level_security_confines_a_tenant_whose_statements_have_no_condition() {
    runtime().block_on(async {
        let database = PostgresServer::shared().database();
        let store = PostgresStore::open(&target(&database)).await.unwrap();
        fill(&store, &database).await;
        let tables = tables(&database);
        assert_eq!(tables.len(), 8, "{tables:?}");
        for table in &tables {
            let without_identity = database.as_service(&format!("SELECT count(*) FROM {table}")).unwrap();
            assert_eq!(without_identity, "0", "{table} without an identity");
            let mut seen: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
            for caller in CALLERS {
                let rows = as_caller(&database, caller, &format!("SELECT count(*) FROM {table}"));
                let expected = database.admin(&own_rows(table, caller));
                assert_eq!(rows, expected, "{table} as {caller:?}");
                seen.insert(caller, rows.parse().unwrap());
            }
            assert!(seen.values().all(|rows| *rows > 0), "{table} has rows that nothing was compared with: {seen:?}");
            // Nor can a caller write what it cannot read.
            let before = database.admin(&format!("SELECT count(*) FROM {table}"));
            as_caller(&database, CALLERS[4], &format!("DELETE FROM {table} WHERE false"));
            let key = if *table == OF_ORGANISATION { "org" } else { "ctid" };
            let sql = format!("WITH gone AS (DELETE FROM {table} t RETURNING t.{key}) SELECT count(*) FROM gone");
            if !["memory_scope"].contains(&table.as_str()) {
                let gone = as_caller_rolled_back(&database, CALLERS[4], &sql);
                assert_eq!(gone, seen[&CALLERS[4]].to_string(), "{table} deleted as {:?}", CALLERS[4]);
            }
            assert_eq!(database.admin(&format!("SELECT count(*) FROM {table}")), before);
        }
    });
}

/// Returns the query of the administrator for the number of rows of a table that a caller may see.
fn own_rows(table: &str, (org, workspace, user): (&str, &str, &str)) -> String {
    let scopes = format!(
        "SELECT id FROM memory_scope WHERE org = '{org}' AND workspace = '{workspace}' AND owner IN ('{user}', '')"
    );
    match table {
        OF_ORGANISATION => format!("SELECT count(*) FROM {table} WHERE org = '{org}'"),
        "memory_scope" => format!("SELECT count(*) FROM ({scopes}) s"),
        "memory_idempotency" => {
            format!(
                "SELECT count(*) FROM {table} WHERE org = '{org}' AND workspace = '{workspace}' AND owner = '{user}'"
            )
        }
        _ => format!("SELECT count(*) FROM {table} WHERE scope IN ({scopes})"),
    }
}

fn identity((org, workspace, user): (&str, &str, &str)) -> String {
    format!(
        "DO $$ BEGIN PERFORM set_config('mcp.org', '{org}', false), set_config('mcp.workspace', '{workspace}', false), \
         set_config('mcp.user', '{user}', false); END $$;"
    )
}

fn as_caller(database: &PostgresDatabase<'_>, caller: (&str, &str, &str), sql: &str) -> String {
    database.as_service(&format!("{} {sql}", identity(caller))).unwrap()
}

fn as_caller_rolled_back(database: &PostgresDatabase<'_>, caller: (&str, &str, &str), sql: &str) -> String {
    database.as_service(&format!("{} BEGIN; {sql}; ROLLBACK", identity(caller))).unwrap()
}

#[test]
fn an_insert_for_another_tenant_is_refused_by_row_level_security() {
    runtime().block_on(async {
        let database = PostgresServer::shared().database();
        let store = PostgresStore::open(&target(&database)).await.unwrap();
        fill(&store, &database).await;
        let forged = format!("{} INSERT INTO memory_organisation (org) VALUES ('other')", identity(CALLERS[0]));
        let error = database.as_service(&forged).unwrap_err();
        assert!(error.contains("row-level security"), "{error}");
        let moved = format!(
            "{} UPDATE memory SET scope = (SELECT max(id) FROM memory_scope) + 0, org = 'zeta' WHERE org = 'acme'",
            identity(CALLERS[0])
        );
        let error = database.as_service(&moved).unwrap_err();
        assert!(error.contains("row-level security"), "{error}");
    });
}

#[test]
fn a_role_that_bypasses_row_level_security_is_refused() {
    let database = PostgresServer::shared().database();
    let refused = |role: &str| {
        let target = PostgresTarget::parse(&database.url_of(role), None, 4).unwrap();
        runtime().block_on(PostgresStore::open(&target)).err().unwrap().to_string()
    };
    database.admin("CREATE ROLE bypassing LOGIN BYPASSRLS");
    for role in ["admin", "bypassing"] {
        let error = refused(role);
        assert!(error.contains("row-level security") && error.contains("hint:"), "{error}");
    }
    assert_eq!(database.admin("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}
