//! Tokens with a valid signature whose claims forbid their use: expired, too early, too long, for another audience.

use super::refuse_tokens;
use harness_core::drive::hardening::{Caller, HardeningCheck, Lane, Need, Probe, signed};
use serde_json::{Value, json};

const FIX_IN: &[&str] = &["services/kit/src/auth/reading.rs", "services/kit/src/auth.rs"];

pub(crate) const EXPIRED: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-03",
    title: "an expired token is refused",
    score: 8.1,
    why: "A stolen token that never expires gives the thief permanent access.",
    sources: &[
        "MCP 2026-07-28, authorization, token handling",
        "RFC 7519, section 4.1.4",
        "OWASP API2:2023",
        "CWE-613",
    ],
    needs: &[Need::Key],
    how: "Sends tokens that expired a second, a minute and a day ago to every service. Each must get 401.",
    remedy: "Compare `exp` with the clock, without leeway.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01", "MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(refuse_tokens(probe, expired)),
};

pub(crate) const EARLY: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-04",
    title: "a token that is not valid yet, or was issued in the future, is refused",
    score: 5.3,
    why: "A token for later use must not work earlier; an `iat` in the future is a sign of a broken or forged issuer.",
    sources: &["RFC 7519, sections 4.1.5 and 4.1.6", "OWASP API2:2023"],
    needs: &[Need::Key],
    how: "Sends tokens whose `nbf` or `iat` is five minutes and an hour ahead. Each must get 401.",
    remedy: "Compare `nbf` and `iat` with the clock, with a leeway of at most a minute.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01", "MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(refuse_tokens(probe, early)),
};

pub(crate) const LIFETIME: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-05",
    title: "a token without an expiry, or with a lifetime of more than an hour, is refused",
    score: 6.5,
    why: "The lifetime bounds the damage of a stolen token that is not revoked.",
    sources: &["MCP 2026-07-28, authorization, token theft", "OWASP API2:2023", "CWE-613"],
    needs: &[Need::Key],
    how: "Sends tokens without `exp`, with one that is a text or the largest number, and with a lifetime of two hours and of a year. Each must get 401.",
    remedy: "Require `exp` and `iat`, and refuse a difference above the longest lifetime.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01", "MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(refuse_tokens(probe, too_long)),
};

pub(crate) const AUDIENCE: HardeningCheck = HardeningCheck {
    id: "MCP-AUTH-09",
    title: "a token for another audience, or for none, is refused",
    score: 8.1,
    why: "A token that a user gave to another server would work here, so that any other server could act for its users.",
    sources: &[
        "MCP 2026-07-28, authorization, token audience binding and validation",
        "MCP security best practices, token passthrough",
        "RFC 8707",
        "OWASP API2:2023",
    ],
    needs: &[Need::Key],
    how: "Sends tokens whose `aud` is another one, missing, an empty list, a list of others, or differs in case. Each must get 401.",
    remedy: "Require the service's own audience in `aud`, compared exactly.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-01", "MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(refuse_tokens(probe, audiences)),
};

/// Signs the claims of a user after a change; `now` is the time of issue.
fn changed(probe: &Probe<'_>, user: &Caller, change: impl FnOnce(&mut Value, u64)) -> String {
    let mut claims = user.claims();
    let now = claims["iat"].as_u64().unwrap_or_default();
    change(&mut claims, now);
    signed(&claims, probe.key())
}

fn remove(claims: &mut Value, name: &str) {
    if let Some(claims) = claims.as_object_mut() {
        claims.remove(name);
    }
}

fn expired(probe: &Probe<'_>, user: &Caller) -> Vec<(String, String)> {
    let ended = |ago: u64| {
        changed(probe, user, |claims, now| {
            // A lifetime of ten minutes, so that only the end can be the reason of a refusal.
            (claims["iat"], claims["exp"]) = (json!(now - ago - 600), json!(now - ago));
        })
    };
    [("a second", 1), ("a minute", 60), ("a day", 86_400)]
        .map(|(word, ago)| (format!("a token that expired {word} ago"), ended(ago)))
        .to_vec()
}

fn early(probe: &Probe<'_>, user: &Caller) -> Vec<(String, String)> {
    let mut tokens = Vec::new();
    for (word, ahead) in [("five minutes", 300), ("an hour", 3_600)] {
        let not_before = changed(probe, user, |claims, now| claims["nbf"] = json!(now + ahead));
        let issued = changed(probe, user, |claims, now| {
            (claims["iat"], claims["exp"]) = (json!(now + ahead), json!(now + ahead + 600));
        });
        tokens.push((format!("`nbf` {word} ahead"), not_before));
        tokens.push((format!("`iat` {word} ahead"), issued));
    }
    tokens
}

fn too_long(probe: &Probe<'_>, user: &Caller) -> Vec<(String, String)> {
    let lasting = |secs: u64| changed(probe, user, |claims, now| claims["exp"] = json!(now + secs));
    vec![
        ("no `exp`".to_owned(), changed(probe, user, |claims, _| remove(claims, "exp"))),
        ("`exp` as a text".to_owned(), changed(probe, user, |claims, _| claims["exp"] = json!("never"))),
        ("the largest `exp`".to_owned(), changed(probe, user, |claims, _| claims["exp"] = json!(u64::MAX))),
        ("a lifetime of two hours".to_owned(), lasting(7_200)),
        ("a lifetime of a year".to_owned(), lasting(31_536_000)),
    ]
}

fn audiences(probe: &Probe<'_>, user: &Caller) -> Vec<(String, String)> {
    let of = |audience: Value| changed(probe, user, |claims, _| claims["aud"] = audience);
    vec![
        ("another audience".to_owned(), of(json!("https://other.example"))),
        ("no audience".to_owned(), changed(probe, user, |claims, _| remove(claims, "aud"))),
        ("an empty list of audiences".to_owned(), of(json!([]))),
        ("a list of other audiences".to_owned(), of(json!(["https://other.example", "mcp2"]))),
        ("an audience in other case".to_owned(), of(json!("MCP"))),
    ]
}
