//! `harness flow memory`: every tool of a service over the wire, step by step, with what must and what must not come back.

use crate::arguments::FlowArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::client::{Client, ClientOptions, Endpoint};
use harness_core::run::RunError;
use harness_core::stack::{Stack, StackRequest};
use harness_core::token::{Grant, Minter};
use harness_core::topology::Topology;
use harness_history::{ErrorKind, Outcome};
use owo_colors::OwoColorize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a step must answer.
#[derive(Clone, Copy)]
enum Want<'a> {
    /// A result of which this holds.
    Reply(&'a dyn Fn(&Value) -> bool),
    /// This code.
    Refusal(&'a str),
}

struct Flow<'a> {
    context: &'a Context,
    users: BTreeMap<&'static str, Client>,
    steps: u32,
    failed: u32,
}

pub(crate) fn run(arguments: &FlowArguments, context: &Context) -> Result<Exit, Failure> {
    let (backend, secret) = context.backend(&arguments.place)?;
    let folder = std::env::temp_dir().join(format!("harness-flow-{}", uuid::Uuid::new_v4().simple()));
    for sub in ["logs", "data"] {
        std::fs::create_dir_all(folder.join(sub))?;
    }
    let request = StackRequest {
        backend,
        topology: Topology::memory(),
        dir: folder.clone(),
        secret: secret.clone(),
        executable: context.executable.clone(),
        detached: false,
    };
    let result = context.runtime.block_on(async {
        let stack = Stack::start(&request, &context.view, &context.cancel)
            .await
            .map_err(|error| Failure::from(RunError::from(error)))?;
        let walked = tokio::select! {
            walked = walk(&stack, &secret, context) => walked,
            () = context.cancel.cancelled() => Ok(Exit::Interrupted),
        };
        stack.stop().await;
        walked
    });
    let _ = std::fs::remove_dir_all(folder);
    result
}

async fn walk(stack: &Stack, secret: &str, context: &Context) -> Result<Exit, Failure> {
    let endpoint = stack.endpoints().remove("memory").ok_or_else(|| Failure::internal("the stack has no memory"))?;
    let endpoint: Arc<Endpoint> = Arc::new(endpoint.parse().map_err(Failure::internal)?);
    let minter = Minter::new(secret);
    // Names that no earlier flow on the same stack has used.
    let run = uuid::Uuid::new_v4().simple().to_string();
    let mut users = BTreeMap::new();
    for (user, organisation) in [("ann", "acme"), ("bob", "acme"), ("zoe", "zeta")] {
        let mut client = Client::new(Arc::clone(&endpoint), ClientOptions::default());
        client
            .set_token(&minter.mint(&Grant::memory(format!("{organisation}-{run}"), user)).map_err(Failure::internal)?);
        users.insert(user, client);
    }
    let mut flow = Flow { context, users, steps: 0, failed: 0 };
    flow.memory().await;
    let (steps, failed) = (flow.steps, flow.failed);
    if context.output.json {
        context.print_json(&json!({ "steps": steps, "failed": failed }));
    } else {
        context.print(&format!("{} of {steps} steps as expected", steps - failed));
    }
    Ok(if failed == 0 { Exit::Pass } else { Exit::Fail })
}

impl Flow<'_> {
    async fn memory(&mut self) {
        let text = "Deploys of the billing service wait for the migration of the ledger";
        let any: Want<'_> = Want::Reply(&|_| true);
        let note = json!({ "content": text, "tags": ["deploy"], "intent": "billing", "metadata": { "ticket": 7 } });
        let stored = self
            .step(
                "store a private memory",
                "ann",
                "store_memory",
                &note,
                Want::Reply(&|reply| reply["created"] == true),
            )
            .await;
        let id = stored["id"].clone();
        let same = Want::Reply(&|reply: &Value| reply["id"] == id && reply["created"] == false);
        self.step("store it again: the same memory answers", "ann", "store_memory", &note, same).await;
        let by_id = json!({ "id": id });
        let whole = Want::Reply(&|reply: &Value| {
            let tags = reply["tags"].as_array().cloned().unwrap_or_default();
            reply["content"] == text
                && reply["metadata"]["ticket"] == 7
                && tags.contains(&json!("topic:billing"))
                && tags.contains(&json!("user:ann"))
        });
        self.step("read it, with its tags and metadata", "ann", "get_memory", &by_id, whole).await;
        let found = Want::Reply(&|reply: &Value| reply["hits"][0]["id"] == id);
        self.step("find it by its words", "ann", "search_memory", &json!({ "query": "ledger migration" }), found).await;
        let listed = Want::Reply(&|reply: &Value| reply["memories"].as_array().is_some_and(|all| all.len() == 1));
        self.step("list it by its tag", "ann", "list_memories", &json!({ "tags": ["deploy"] }), listed).await;
        self.isolation(&by_id, &id).await;

        let change = json!({ "id": id, "content": "Deploys of billing wait for nobody", "expectedVersion": 1 });
        self.step("change it", "ann", "update_memory", &change, Want::Reply(&|reply| reply["version"] == 2)).await;
        self.step("change an older version", "ann", "update_memory", &change, Want::Refusal("version_conflict")).await;
        let gone = Want::Reply(&|reply: &Value| reply["hits"].as_array().is_some_and(Vec::is_empty));
        self.step("its old words are forgotten", "ann", "search_memory", &json!({ "query": "ledger" }), gone).await;
        let counted = Want::Reply(&|reply: &Value| reply["private"] == 1 && reply["workspace"] == 1);
        self.step("count what is there", "ann", "memory_stats", &json!({}), counted).await;

        let keyed = json!({ "content": "Backups run at four", "idempotencyKey": "k1" });
        let first = self.step("store with an idempotency key", "ann", "store_memory", &keyed, any).await;
        let again = Want::Reply(&|reply: &Value| reply["id"] == first["id"]);
        self.step("repeat it: one effect", "ann", "store_memory", &keyed, again).await;
        let other = json!({ "content": "Backups run at five", "idempotencyKey": "k1" });
        self.step(
            "use the key for something else",
            "ann",
            "store_memory",
            &other,
            Want::Refusal("idempotency_conflict"),
        )
        .await;

        let exported = self
            .step(
                "export everything",
                "ann",
                "export_memories",
                &json!({}),
                Want::Reply(&|reply| reply["memories"].as_array().is_some_and(|all| all.len() == 3)),
            )
            .await;
        let contents = exported["memories"].as_array().cloned().unwrap_or_default();
        let import: Vec<Value> =
            contents.iter().map(|memory| json!({ "content": memory["content"], "tags": ["imported"] })).collect();
        let created = Want::Reply(&|reply: &Value| reply["created"] == 3);
        self.step("import it elsewhere", "zoe", "import_memories", &json!({ "memories": import }), created).await;
        self.deletions(&by_id).await;
        self.refusals().await;
    }

    async fn isolation(&mut self, by_id: &Value, id: &Value) {
        self.step("a colleague does not see it", "bob", "get_memory", by_id, Want::Refusal("not_found")).await;
        self.step("another organisation does not see it", "zoe", "get_memory", by_id, Want::Refusal("not_found")).await;
        let nothing = Want::Reply(&|reply: &Value| reply["hits"].as_array().is_some_and(Vec::is_empty));
        self.step("nor find it", "zoe", "search_memory", &json!({ "query": "ledger migration" }), nothing).await;
        self.step(
            "nor change it",
            "zoe",
            "update_memory",
            &json!({ "id": id, "content": "mine" }),
            Want::Refusal("not_found"),
        )
        .await;
        self.step("nor delete it", "zoe", "delete_memory", by_id, Want::Refusal("not_found")).await;
        let shared = json!({ "content": "Standup is at ten", "visibility": "workspace" });
        let stored = self
            .step("share a memory with the workspace", "ann", "store_memory", &shared, Want::Reply(&|_| true))
            .await;
        let shared_id = json!({ "id": stored["id"] });
        self.step(
            "a colleague reads it",
            "bob",
            "get_memory",
            &shared_id,
            Want::Reply(&|reply| reply["content"] == "Standup is at ten"),
        )
        .await;
        self.step("but may not delete it", "bob", "delete_memory", &shared_id, Want::Refusal("insufficient_scope"))
            .await;
        self.step("another organisation does not read it", "zoe", "get_memory", &shared_id, Want::Refusal("not_found"))
            .await;
    }

    async fn deletions(&mut self, by_id: &Value) {
        let tags = json!({ "tags": ["imported"] });
        self.step(
            "delete by tag without a dry run",
            "zoe",
            "delete_by_tag",
            &tags,
            Want::Refusal("confirmation_required"),
        )
        .await;
        let dry = json!({ "tags": ["imported"], "dryRun": true });
        let counted = self
            .step(
                "count what would be deleted",
                "zoe",
                "delete_by_tag",
                &dry,
                Want::Reply(&|reply| reply["count"] == 3),
            )
            .await;
        let confirmed = json!({ "tags": ["imported"], "confirmationToken": counted["confirmationToken"] });
        self.step(
            "another user's confirmation",
            "ann",
            "delete_by_tag",
            &confirmed,
            Want::Refusal("confirmation_required"),
        )
        .await;
        self.step(
            "delete what was confirmed",
            "zoe",
            "delete_by_tag",
            &confirmed,
            Want::Reply(&|reply| reply["count"] == 3),
        )
        .await;
        self.step("delete one", "ann", "delete_memory", by_id, Want::Reply(&|reply| reply["deleted"] == true)).await;
        self.step("it is gone", "ann", "get_memory", by_id, Want::Refusal("not_found")).await;
    }

    async fn refusals(&mut self) {
        let cases = [
            ("an empty content", "store_memory", json!({ "content": " " }), "invalid_argument"),
            ("a content of 70,000 bytes", "store_memory", json!({ "content": "x".repeat(70_000) }), "too_large"),
            ("a forged tag", "store_memory", json!({ "content": "x", "tags": ["org:zeta"] }), "reserved_tag"),
            ("an unknown argument", "store_memory", json!({ "content": "x", "colour": "red" }), "invalid_argument"),
            ("a limit of 0", "list_memories", json!({ "limit": 0 }), "invalid_argument"),
            ("a cursor of somebody else", "list_memories", json!({ "cursor": "AAAA" }), "bad_cursor"),
            ("a query without words", "search_memory", json!({ "query": "!?" }), "invalid_argument"),
        ];
        for (name, tool, arguments, code) in cases {
            self.step(&format!("{name} is refused"), "ann", tool, &arguments, Want::Refusal(code)).await;
        }
    }

    async fn step(&mut self, name: &str, user: &str, tool: &str, arguments: &Value, want: Want<'_>) -> Value {
        let Some(client) = self.users.get_mut(user) else { return Value::Null };
        let call = client.call(tool, arguments).await;
        let reply: Value = call.structured.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let as_expected = match (want, &call.outcome) {
            (Want::Reply(holds), Outcome::Ok) => holds(&reply),
            (Want::Refusal(code), Outcome::Failed(ErrorKind::Tool(answered))) => **answered == *code,
            (Want::Reply(_), Outcome::Failed(_) | Outcome::Unknown(_)) | (Want::Refusal(_), _) => false,
        };
        let told = format!("{:?}: {reply}", call.outcome);
        self.steps += 1;
        self.failed += u32::from(!as_expected);
        if !as_expected {
            self.context.print(&format!("{} {name}: {tool} answered {told}", "✗".red()));
        } else if !self.context.output.quiet && !self.context.output.json {
            self.context.print(&format!("{} {name}", "✓".green()));
        }
        reply
    }
}
