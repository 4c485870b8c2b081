//! Search through the tools: the hits, their order and their explanations.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/home.rs"]
mod home;
#[path = "support/service.rs"]
mod service;

use home::{Home, Kind};
use serde_json::{Value, json};
use service::{Service, call, client, content_of, store, token};

with_both_stores!(exact_words_come_first_and_other_forms_are_found,);

async fn search(service: &Service, arguments: Value) -> Value {
    call(&client(), &service.url, &token(), "search_memory", arguments).await.unwrap().unwrap()
}

fn contents(reply: &Value) -> Vec<&str> {
    reply["hits"].as_array().unwrap().iter().map(|hit| hit["content"].as_str().unwrap()).collect()
}

async fn exact_words_come_first_and_other_forms_are_found(kind: Kind) {
    let folder = Home::new(kind);
    let service = Service::start(folder.path()).await;
    let texts = [
        "the cafe opens",
        "the café opens",
        "he deploys it",
        "he deploy it",
        "call getUserProfile now",
        "a profile of users",
        "数据库密码每月轮换",
        "no such thing",
    ];
    for text in texts {
        let id = store(&client(), &service.url, &token(), text).await;
        // The text itself stays as it was written.
        assert_eq!(content_of(&client(), &service.url, &token(), &id).await.as_deref(), Some(text));
    }
    let cases: [(&str, &[&str]); 7] = [
        ("cafe", &["the cafe opens", "the café opens"]),
        ("CAFÉ", &["the café opens", "the cafe opens"]),
        ("deploy", &["he deploy it", "he deploys it"]),
        ("deploys", &["he deploys it", "he deploy it"]),
        ("getUserProfile", &["call getUserProfile now", "a profile of users"]),
        ("what is the 密码", &["数据库密码每月轮换"]),
        ("user", &["call getUserProfile now", "a profile of users"]),
    ];
    for (query, expected) in cases {
        assert_eq!(contents(&search(&service, json!({ "query": query })).await), expected, "{query}");
    }
    let reply = search(&service, json!({ "query": "the deploy of a cafe", "explain": true, "limit": 1 })).await;
    assert_eq!(reply["hits"][0]["matches"], json!([{ "word": "deploy", "share": 1.0 }]));
    let plain = search(&service, json!({ "query": "the deploy of a cafe", "limit": 1 })).await;
    assert_eq!(plain["hits"][0].get("matches"), None);
    // A cursor of a query without `explain` is valid with `explain`.
    let next = json!({ "query": "the deploy of a cafe", "explain": true, "cursor": plain["nextCursor"] });
    assert_eq!(search(&service, next).await["hits"].as_array().unwrap().len(), 3);
    service.kill();
}
