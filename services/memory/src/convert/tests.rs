use super::*;
use serde_json::json;

fn options(format: Format) -> Options {
    Options { format, visibility: Visibility::Workspace, keep_ids: true }
}

fn memories(format: Format, text: &str) -> Vec<Value> {
    let text = pages(text, options(format)).unwrap();
    let page: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(page["keepIds"], true);
    page["memories"].as_array().unwrap().clone()
}

fn problems(format: Format, text: &str) -> Vec<(usize, String)> {
    pages(text, options(format)).unwrap_err()
}

#[test]
fn each_observation_and_each_relation_of_a_graph_is_a_memory() {
    let memories = memories(Format::Graph, include_str!("../../../../fixtures/exports/graph.jsonl"));
    assert_eq!(memories.len(), 7);
    assert_eq!(
        memories[0],
        json!({ "content": "Ada Vogel: Leads the billing team", "tags": ["entity:Ada Vogel"], "type": "person", "visibility": "workspace",
            "metadata": { "graph": { "entity": "Ada Vogel", "entityType": "person" } } })
    );
    assert_eq!(memories[4]["content"], "Vault: service");
    assert_eq!(
        memories[6],
        json!({ "content": "ledger-service reads_keys_from Vault", "tags": ["entity:ledger-service", "entity:Vault"], "type": "relation",
            "visibility": "workspace",
            "metadata": { "graph": { "from": "ledger-service", "to": "Vault", "relationType": "reads_keys_from" } } })
    );
}

#[test]
fn what_does_not_fit_a_tag_or_a_type_is_kept_in_the_metadata() {
    let name = "n".repeat(200);
    let line = json!({ "type": "entity", "name": name, "entityType": name, "observations": ["o"], "since": 2024, "gone": null });
    let memory = &memories(Format::Graph, &line.to_string())[0];
    assert_eq!((&memory["tags"], &memory["type"]), (&Value::Null, &Value::Null));
    assert_eq!(memory["metadata"]["graph"], json!({ "entity": name, "entityType": name, "since": 2024 }));
    let line = json!({ "memory": "m", "categories": ["org:acme", " spaces ", "fits"], "created_at": null });
    let memory = &memories(Format::Mem0, &line.to_string())[0];
    assert_eq!(memory["tags"], json!(["fits"]));
    assert_eq!(memory["metadata"]["mem0"]["categories"], line["categories"]);
}

#[test]
fn a_memory_of_mem0_keeps_its_id_time_categories_and_owner() {
    let memories = memories(Format::Mem0, include_str!("../../../../fixtures/exports/mem0.json"));
    assert_eq!(memories.len(), 3);
    let id = "4b1d7d2e-52a1-4c7b-9c59-0c7f2f6f9a11";
    let categories = json!(["drinks", "food preferences"]);
    assert_eq!(
        memories[0],
        json!({ "content": "Prefers tea to coffee in the afternoon", "tags": categories, "visibility": "workspace", "id": id,
            "createdAt": "2026-02-03T04:05:06.789012-08:00",
            "metadata": { "channel": "chat", "mem0": { "id": id, "hash": "0d3c5e0a6f", "user_id": "mia", "categories": categories } } })
    );
    assert_eq!(memories[1]["metadata"]["mem0"]["updated_at"], "2026-03-05T05:06:07Z");
    // Not a UUID, so it is kept as text only; and a time without an offset.
    assert_eq!((&memories[2]["id"], &memories[2]["metadata"]["mem0"]["id"]), (&Value::Null, &json!("mem-3")));
    assert_eq!(memories[2]["createdAt"], "2026-04-05T06:07:08Z");
}

#[test]
fn mem0_is_read_as_a_list_as_an_object_and_as_lines() {
    let (one, two) = (r#"{ "memory": "one" }"#, r#"{ "memory": "two" }"#);
    let list = format!("[{one},\n{two}]");
    let forms = [
        list.clone(),
        format!("\u{feff}\n{{\n\"memories\": {list} }}"),
        format!("{{\"results\": {list}, \"total\": 2}}"),
        format!("{one}\n\n{two}\n"),
    ];
    for text in forms {
        let memories = memories(Format::Mem0, &text);
        assert_eq!((&memories[0]["content"], &memories[1]["content"]), (&json!("one"), &json!("two")), "{text}");
    }
}

#[test]
fn every_problem_names_its_line() {
    let good = r#"{"type":"entity","name":"a","entityType":"b","observations":["c"]}"#;
    let graph = format!(
        "{good}\n\n{{\"type\":\"entity\",\"name\":\"a\"}}\n{{\"type\":\"note\"}}\n{good}\nnot json\n{{\"type\":\"entity\",\"name\":\"a\",\"entityType\":\"b\",\"observations\":[\"{}\"]}}",
        "x".repeat(70_000)
    );
    let problems_of_graph = problems(Format::Graph, &graph);
    let lines: Vec<usize> = problems_of_graph.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 6, 7]);
    for (at, part) in [(0, "entityType"), (1, "`entity` or `relation`"), (2, "expected"), (3, "`content` has")] {
        assert!(problems_of_graph[at].1.contains(part), "{problems_of_graph:?}");
    }
    let mem0 = "[\n  { \"memory\": \"one\" },\n  {\n    \"memory\": 2\n  },\n  { \"memory\": \"three\", \"created_at\": \"yesterday\" },\n  { \"memory\": \" \" }\n]";
    let problems_of_mem0 = problems(Format::Mem0, mem0);
    let lines: Vec<usize> = problems_of_mem0.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 6, 7]);
    assert!(problems_of_mem0[1].1.contains("yesterday"), "{problems_of_mem0:?}");
    for (text, line) in
        [("[\n{ \"memory\": \"one\" },\n{ \"memory\"", 3), ("{\n\"results\": [\n{] }", 3), ("", 1), ("[]", 1)]
    {
        let problems = problems(Format::Mem0, text);
        assert_eq!(problems.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [line], "{text}: {problems:?}");
    }
    let taken = r#"{ "memory": "m", "metadata": { "mem0": 1 } }"#;
    assert!(problems(Format::Mem0, taken)[0].1.contains("`mem0`"));
}

#[test]
fn no_page_is_larger_than_an_import() {
    let line = |number: usize, bytes: usize| json!({ "memory": format!("{number} {}", "m".repeat(bytes)) }).to_string();
    let many: Vec<String> = (0..1_201).map(|number| line(number, 10)).chain((0..20).map(|n| line(n, 60_000))).collect();
    let text = pages(&many.join("\n"), options(Format::Mem0)).unwrap();
    let sizes = text.lines().map(|line| {
        assert!(line.len() < MAX_EXPORT_BYTES + 100, "{} bytes", line.len());
        serde_json::from_str::<ImportPage>(line).unwrap().memories.len()
    });
    let sizes: Vec<usize> = sizes.collect();
    assert_eq!(sizes[..2], [500, 500]);
    assert_eq!(sizes.iter().sum::<usize>(), 1_221);
}
