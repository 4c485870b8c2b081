//! What clients send and get back: an exported page is imported as it is, unknown arguments are refused, and deleted texts are gone.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/home.rs"]
mod home;
#[path = "support/service.rs"]
mod service;

use home::{Home, Kind};
use serde_json::{Value, json};
use service::{Service, call, client, content_of, database, store, token, token_of};
use std::process::Stdio;

with_both_stores!(
    an_exported_page_is_imported_as_it_is,
    ids_are_kept_by_choice_and_no_memory_is_overwritten,
    the_reply_to_a_kept_id_depends_on_the_own_organisation_only,
    every_page_of_an_export_fits_into_an_import,
    unknown_arguments_are_refused_by_every_tool_and_null_is_omitted,
    a_call_repeated_with_its_key_gets_the_same_reply,
    an_administrator_erases_a_user_or_an_organisation_while_the_service_runs,
);

async fn an_exported_page_is_imported_as_it_is(kind: Kind) {
    let folder = Home::new(kind);
    let service = Service::start(folder.path()).await;
    let (client, ann, zoe) = (client(), token(), token_of("zeta", "zoe", "lab"));
    let tool = async |token: &str, name: &str, arguments: Value| {
        call(&client, &service.url, token, name, arguments).await.unwrap()
    };
    let shared = json!({ "content": "Deploys wait for the ledger", "tags": ["ops", "über"], "type": "decision", "metadata": { "ticket": 7 },
        "visibility": "workspace", "intent": "release" });
    tool(&ann, "store_memory", shared).await.unwrap();
    tool(&ann, "store_memory", json!({ "content": "A private note" })).await.unwrap();
    let mut page = tool(&ann, "export_memories", json!({})).await.unwrap();
    // As if they had been stored long ago.
    page["memories"][0]["createdAt"] = json!("2025-03-04T05:06:07.000008Z");
    let imported = tool(&zoe, "import_memories", page.clone()).await.unwrap();
    assert_eq!((&imported["created"], &imported["duplicates"]), (&json!(2), &json!(0)));
    let back = tool(&zoe, "export_memories", json!({})).await.unwrap();
    let kept = |page: &Value| -> Vec<Value> {
        let mut memories = page["memories"].as_array().unwrap().clone();
        for memory in &mut memories {
            let memory = memory.as_object_mut().unwrap();
            memory.retain(|name, _| !["id", "version", "updatedAt"].contains(&name.as_str()));
            let tags = memory["tags"].as_array_mut().unwrap();
            tags.retain(|tag| {
                !["org:", "user:", "workspace:"].iter().any(|prefix| tag.as_str().unwrap().starts_with(prefix))
            });
        }
        memories.sort_by_key(|memory| memory["content"].to_string());
        memories
    };
    assert_eq!(kept(&back), kept(&page));
    // The tags of the service come from the token, whatever the page says, and a time in the future counts as now.
    assert!(!back.to_string().contains("org:acme") && back.to_string().contains("org:zeta"));
    let later = json!({ "memories": [{ "content": "from the future", "createdAt": "2999-01-01T00:00:00Z" }] });
    tool(&zoe, "import_memories", later).await.unwrap();
    let found = tool(&zoe, "search_memory", json!({ "query": "future" })).await.unwrap();
    assert!(found["hits"][0]["createdAt"].as_str().unwrap() < "2999");
    service.kill();
}

async fn ids_are_kept_by_choice_and_no_memory_is_overwritten(kind: Kind) {
    let folder = Home::new(kind);
    let service = Service::start(folder.path()).await;
    let (client, ann, zoe) = (client(), token(), token_of("zeta", "zoe", "lab"));
    let tool = async |token: &str, name: &str, arguments: Value| {
        call(&client, &service.url, token, name, arguments).await.unwrap()
    };
    for text in ["Deploys wait for the ledger", "The pager rings twice"] {
        let memory = json!({ "content": text, "tags": ["ops"], "visibility": "workspace" });
        tool(&ann, "store_memory", memory).await.unwrap();
    }
    let page = tool(&ann, "export_memories", json!({})).await.unwrap();
    let ids: Vec<&Value> = page["memories"].as_array().unwrap().iter().map(|memory| &memory["id"]).collect();
    let mut kept = page.clone();
    kept["keepIds"] = json!(true);

    // Another organisation has these ids, which changes nothing for this one.
    let imported = tool(&zoe, "import_memories", kept.clone()).await.unwrap();
    assert_eq!(imported, json!({ "created": 2, "duplicates": 0, "ids": ids }));
    let again = tool(&zoe, "import_memories", kept.clone()).await.unwrap();
    assert_eq!(again, json!({ "created": 0, "duplicates": 2, "ids": ids }));
    let of_ann = json!({ "id": ids[0], "type": "note", "idempotencyKey": "u-1" });
    let updated = tool(&ann, "update_memory", of_ann.clone()).await.unwrap();
    let change = json!({ "id": ids[0], "content": "Changed by zoe: the zebra waits" });
    assert_eq!(tool(&zoe, "update_memory", change).await.unwrap()["version"], 2);
    assert_eq!(content_of(&client, &service.url, &ann, ids[0].as_str().unwrap()).await.unwrap(), updated["content"]);
    let found = tool(&zoe, "search_memory", json!({ "query": "zebra" })).await.unwrap();
    assert_eq!((&found["hits"][0]["id"], found["hits"].as_array().unwrap().len()), (ids[0], 1));

    // What was changed since the export is not overwritten, and the new memory beside it is not stored either.
    let mut with_new = kept.clone();
    with_new["memories"].as_array_mut().unwrap().insert(0, json!({ "content": "a new one" }));
    let refused = tool(&zoe, "import_memories", with_new).await.unwrap_err();
    assert_eq!(refused["code"], "id_conflict");
    assert!(refused["message"].as_str().unwrap().contains(ids[0].as_str().unwrap()), "{refused}");
    let listed = tool(&zoe, "list_memories", json!({})).await.unwrap();
    assert_eq!(listed["memories"].as_array().unwrap().len(), 2);
    assert!(listed.to_string().contains("Changed by zoe"));

    // The replies that are kept for the keys of others stay when a memory with the same id is deleted.
    tool(&zoe, "delete_memory", json!({ "id": ids[0] })).await.unwrap();
    assert_eq!(tool(&zoe, "get_memory", json!({ "id": ids[0] })).await.unwrap_err()["code"], "not_found");
    assert_eq!(tool(&ann, "update_memory", of_ann).await.unwrap(), updated);
    // What was deleted comes back under its id.
    let restored = tool(&zoe, "import_memories", kept).await.unwrap();
    assert_eq!((&restored["created"], &restored["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(tool(&zoe, "get_memory", json!({ "id": ids[0] })).await.unwrap()["content"], updated["content"]);
    let dry = tool(&zoe, "delete_by_tag", json!({ "tags": ["ops"], "dryRun": true })).await.unwrap();
    let confirmed = json!({ "tags": ["ops"], "confirmationToken": dry["confirmationToken"] });
    assert_eq!(tool(&zoe, "delete_by_tag", confirmed).await.unwrap()["count"], 2);
    service.kill();
}

async fn the_reply_to_a_kept_id_depends_on_the_own_organisation_only(kind: Kind) {
    let folder = Home::new(kind);
    let service = Service::start(folder.path()).await;
    let (client, ann) = (client(), token());
    let [bob, yan, zoe] =
        [("acme", "bob", "default"), ("acme", "yan", "lab"), ("zeta", "zoe", "lab")].map(|(o, u, w)| token_of(o, u, w));
    let secret = "A private text of ann";
    let id = store(&client, &service.url, &ann, secret).await;
    let import = async |token: &str, id: &str, content: &str| {
        let page = json!({ "keepIds": true, "memories": [{ "id": id, "content": content }] });
        call(&client, &service.url, token, "import_memories", page).await.unwrap()
    };
    // Colleagues cannot see the memory, so its text makes no difference to them.
    for colleague in [&bob, &yan] {
        let (same, other) = (import(colleague, &id, secret).await, import(colleague, &id, "another text").await);
        assert_eq!(same.as_ref().unwrap_err()["code"], "id_conflict");
        assert_eq!(same, other);
    }
    let free = "0198c0de-0000-7000-8000-000000000001";
    for id in [&*id, free] {
        let created = json!({ "created": 1, "duplicates": 0, "ids": [id] });
        assert_eq!(import(&zoe, id, secret).await.unwrap(), created);
    }
    assert_eq!(content_of(&client, &service.url, &ann, &id).await.unwrap(), secret);
    // With an id of its own, a text is no duplicate of itself; without one it is.
    let copies = tool_list(&client, &service.url, &zoe).await;
    assert_eq!(copies.len(), 2);
    assert!(copies.iter().all(|memory| memory["content"] == secret));
    let known = json!({ "memories": [{ "content": secret }] });
    let known = call(&client, &service.url, &zoe, "import_memories", known).await.unwrap().unwrap();
    assert_eq!((&known["created"], &known["ids"][0]), (&json!(0), &json!(id)));
    // One page has an id twice.
    let twice = [json!({ "id": free, "content": "one" }), json!({ "id": free, "content": "two" })];
    let twice = json!({ "keepIds": true, "memories": twice });
    assert_eq!(
        call(&client, &service.url, &ann, "import_memories", twice).await.unwrap().unwrap_err()["code"],
        "id_conflict"
    );
    assert_eq!(content_of(&client, &service.url, &ann, free).await, None);
    let refused = import(&ann, "42", "a text").await.unwrap_err();
    assert_eq!(refused["code"], "invalid_argument");
    assert!(refused["message"].as_str().unwrap().contains("memory 0: `id` is `42`"), "{refused}");
    // A key belongs to the id as well.
    let keyed = async |id: &str| {
        let page = json!({ "keepIds": true, "memories": [{ "id": id, "content": "keyed", "idempotencyKey": "k" }] });
        call(&client, &service.url, &ann, "import_memories", page).await.unwrap()
    };
    assert_eq!(keyed(free).await.unwrap(), keyed(free).await.unwrap());
    assert_eq!(keyed("0198c0de-0000-7000-8000-000000000002").await.unwrap_err()["code"], "idempotency_conflict");
}

async fn tool_list(client: &reqwest::Client, url: &str, token: &str) -> Vec<Value> {
    let listed = call(client, url, token, "list_memories", json!({})).await.unwrap().unwrap();
    listed["memories"].as_array().unwrap().clone()
}

/// Returns the JSON as libraries write it that escape everything beyond ASCII.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

async fn every_page_of_an_export_fits_into_an_import(kind: Kind) {
    let folder = Home::new(kind);
    let service = Service::start(folder.path()).await;
    let (client, ann, zoe) = (client(), token(), token_of("zeta", "zoe", "lab"));
    let tags: Vec<String> = (0..32).map(|number| format!("tag-{number}")).collect();
    for number in 0..24 {
        // The largest texts and the largest number of tags; the intent adds one.
        let content = format!("{number} {}", "ü".repeat(32_700));
        let memory = json!({ "content": content, "tags": tags, "intent": "release" });
        call(&client, &service.url, &ann, "store_memory", memory).await.unwrap().unwrap();
    }
    let (mut cursor, mut moved, mut pages) = (Value::Null, 0, 0);
    loop {
        let page = json!({ "cursor": cursor });
        let page = call(&client, &service.url, &ann, "export_memories", page).await.unwrap().unwrap();
        let import = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "import_memories", "arguments": page } });
        let request = client.post(format!("{}/mcp", service.url)).bearer_auth(&zoe);
        let reply = request.header("content-type", "application/json").body(ascii(&import)).send().await.unwrap();
        let reply: Value = reply.json().await.unwrap();
        moved += reply["result"]["structuredContent"]["created"].as_u64().unwrap_or_else(|| panic!("{reply}"));
        pages += 1;
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(moved, 24);
    assert!(pages > 2, "{pages} pages");
    let copy = &tool_list(&client, &service.url, &zoe).await[0];
    // Three tags of the service, one of the intent.
    assert_eq!(copy["tags"].as_array().unwrap().len(), 36);
    assert!(copy["tags"].as_array().unwrap().contains(&json!("topic:release")));
}

async fn unknown_arguments_are_refused_by_every_tool_and_null_is_omitted(kind: Kind) {
    let folder = Home::new(kind);
    let service = Service::start(folder.path()).await;
    let (client, ann) = (client(), token());
    let tool = async |name: &str, arguments: Value| call(&client, &service.url, &ann, name, arguments).await.unwrap();
    for (name, arguments, slip, near) in [
        ("search_memory", json!({ "query": "a", "tag": ["x"] }), "`tag`", "did you mean `tags`?"),
        (
            "list_memories",
            json!({ "created_after": "2099-01-01T00:00:00Z" }),
            "`created_after`",
            "did you mean `createdAfter`?",
        ),
        ("export_memories", json!({ "visibility": "workspace" }), "`visibility`", ""),
        ("memory_stats", json!({ "tags": [] }), "`tags`", "the arguments are none"),
        (
            "import_memories",
            json!({ "memories": [{ "content": "x", "tgs": [] }] }),
            "`memories[0].tgs`",
            "did you mean `tags`?",
        ),
        ("delete_by_tag", json!({ "tags": ["x"], "dry_run": true }), "`dry_run`", "did you mean `dryRun`?"),
    ] {
        let error = tool(name, arguments).await.unwrap_err();
        let message = error["message"].as_str().unwrap();
        assert!(
            error["code"] == "invalid_argument" && message.contains(slip) && message.contains(near),
            "{name}: {error}"
        );
    }
    let sent = json!({ "content": "null one", "tags": null, "type": null, "metadata": null, "visibility": null, "intent": null, "idempotencyKey": null });
    assert!(tool("store_memory", sent).await.is_ok());
    // The end of time, as clients write it, and a day that does not exist.
    let until = |time: &str| json!({ "createdBefore": time });
    let all = tool("list_memories", until("9999-12-31T23:59:59Z")).await.unwrap();
    assert_eq!(all["memories"].as_array().unwrap().len(), 1);
    assert_eq!(tool("list_memories", until("9999-02-29T00:00:00Z")).await.unwrap_err()["code"], "invalid_argument");
    let query =
        json!({ "query": "null", "tags": null, "tagMatch": null, "createdAfter": null, "limit": "5", "cursor": null });
    assert_eq!(tool("search_memory", query).await.unwrap()["hits"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_text_is_neither_in_the_file_nor_in_a_later_backup() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path()).await;
    let (client, ann) = (client(), token());
    let secret = "the-patient-of-room-seven-is-ill";
    // Longer than a page, so that it has pages of its own.
    let id = store(&client, &service.url, &ann, &format!("{}{secret}", "x ".repeat(5_000))).await;
    let kept = store(&client, &service.url, &ann, &format!("first {secret}")).await;
    let update = json!({ "id": kept, "content": "nothing any more", "idempotencyKey": "u-1" });
    call(&client, &service.url, &ann, "update_memory", update).await.unwrap().unwrap();
    // The reply that is kept for a key holds the whole memory.
    let update = json!({ "id": id, "metadata": { "ward": secret }, "idempotencyKey": "u-2" });
    call(&client, &service.url, &ann, "update_memory", update.clone()).await.unwrap().unwrap();
    call(&client, &service.url, &ann, "delete_memory", json!({ "id": id })).await.unwrap().unwrap();
    let again = call(&client, &service.url, &ann, "update_memory", update).await.unwrap().unwrap_err();
    assert_eq!(again["code"], "not_found");
    let tagged = json!({ "content": format!("third {secret}"), "tags": ["gone"] });
    let third = call(&client, &service.url, &ann, "store_memory", tagged).await.unwrap().unwrap();
    let update = json!({ "id": third["id"], "type": "note", "idempotencyKey": "u-3" });
    call(&client, &service.url, &ann, "update_memory", update).await.unwrap().unwrap();
    let dry = json!({ "tags": ["gone"], "dryRun": true });
    let counted = call(&client, &service.url, &ann, "delete_by_tag", dry).await.unwrap().unwrap();
    let confirmed = json!({ "tags": ["gone"], "confirmationToken": counted["confirmationToken"] });
    call(&client, &service.url, &ann, "delete_by_tag", confirmed).await.unwrap().unwrap();
    assert_eq!(content_of(&client, &service.url, &ann, &id).await, None);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(service.child.id().cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert!(service.child.wait().unwrap().success());
    let copy = folder.path().join("copy");
    let backup = Service::command(folder.path()).arg("backup").arg(&copy).stderr(Stdio::piped()).output().unwrap();
    assert!(backup.status.success(), "{backup:?}");
    for file in [database(folder.path()), copy] {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", file.display());
    }
}

async fn a_call_repeated_with_its_key_gets_the_same_reply(kind: Kind) {
    let folder = Home::new(kind);
    let service = Service::start(folder.path()).await;
    let (client, ann) = (client(), token());
    let repeat = async |tool: &str, arguments: Value| {
        let first = call(&client, &service.url, &ann, tool, arguments.clone()).await.unwrap().unwrap();
        let again = call(&client, &service.url, &ann, tool, arguments).await.unwrap().unwrap();
        assert_eq!(first, again, "{tool}");
        first
    };
    let stored = repeat("store_memory", json!({ "content": "one", "idempotencyKey": "s-1" })).await;
    assert_eq!(stored["created"], true);
    let known = repeat("store_memory", json!({ "content": "one", "idempotencyKey": "s-2" })).await;
    assert_eq!((&known["created"], &known["id"]), (&json!(false), &stored["id"]));
    let two = json!([{ "content": "two", "idempotencyKey": "i-1" }, { "content": "one", "idempotencyKey": "i-2" }]);
    let imported = repeat("import_memories", json!({ "memories": two })).await;
    assert_eq!((&imported["created"], &imported["duplicates"]), (&json!(1), &json!(1)));
    repeat("update_memory", json!({ "id": stored["id"], "type": "note", "idempotencyKey": "u-1" })).await;
}

async fn an_administrator_erases_a_user_or_an_organisation_while_the_service_runs(kind: Kind) {
    let folder = Home::new(kind);
    let mut service = Service::start(folder.path()).await;
    let client = client();
    let [ann, bob, zoe] =
        [("acme", "ann"), ("acme", "bob"), ("zeta", "ann")].map(|(org, user)| token_of(org, user, "default"));
    let secret = "kept-nowhere-after-the-erasure";
    let mut kept = Vec::new();
    for token in [&ann, &bob, &zoe] {
        for visibility in ["private", "workspace"] {
            // A text of each owner is its own, because equal texts of one owner are stored once.
            let content = format!("{secret} {visibility} {}", "w ".repeat(3_000));
            let memory =
                json!({ "content": content, "visibility": visibility, "tags": ["t"], "idempotencyKey": visibility });
            let stored = call(&client, &service.url, token, "store_memory", memory).await.unwrap().unwrap();
            kept.push((token, stored["id"].as_str().unwrap().to_owned()));
        }
    }
    let erase = |arguments: &[&str]| {
        let output =
            Service::command(folder.path()).arg("erase").args(arguments).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let here = async |at: usize| content_of(&client, &service.url, kept[at].0, &kept[at].1).await.is_some();
    erase(&["--organisation", "acme", "--user", "ann"]);
    assert_eq!(
        [here(0).await, here(1).await, here(2).await, here(3).await, here(4).await],
        [false, false, true, true, true]
    );
    erase(&["--organisation", "acme"]);
    assert_eq!([here(2).await, here(3).await, here(4).await, here(5).await], [false, false, true, true]);
    let stats = call(&client, &service.url, &bob, "memory_stats", json!({})).await.unwrap().unwrap();
    assert_eq!(
        (&stats["private"], &stats["workspace"], &stats["organisationBytes"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(erase(&["--organisation", "acme"]).split(' ').next(), Some("0"));
    // The organisation can begin again.
    store(&client, &service.url, &ann, "after the erasure").await;
    erase(&["--organisation", "zeta"]);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(service.child.id().cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert!(service.child.wait().unwrap().success());
    if kind == Kind::Postgres {
        return;
    }
    let bytes = std::fs::read(database(folder.path())).unwrap();
    assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "a text is still in the file");
}
