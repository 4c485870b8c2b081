//! The injection of patterns needs a verdict of that user for that request.

use harness_core::drive::hardening::{Answer, Caller, HardeningCheck, HttpRequest, Lane, Need, Probe, Stop};
use mcp_contracts::Service;
use serde_json::{Map, Value, json};

const NEEDS: &[Need] =
    &[Need::Token, Need::SecondTenant, Need::Service(Service::Guardrails), Need::Service(Service::Patterns)];
const FIX_IN: &[&str] = &["services/kit/src/verdict.rs", "services/patterns/src/judged_request.rs"];

pub(crate) const NO_VERDICT: HardeningCheck = HardeningCheck {
    id: "MCP-GRD-01",
    title: "no pattern is injected without a valid verdict",
    score: 8.1,
    why: "A caller that claims to be allowed would go around the guardrails.",
    sources: &["OWASP MCP05:2025", "OWASP LLM06:2025", "CWE-862"],
    needs: NEEDS,
    how: "Injects a pattern without a verdict, with a text in its place, with a changed one, and with an access token. Each must be refused. With its verdict the injection must succeed.",
    remedy: "Verify the signature of the verdict in the service that acts.",
    fix_in: FIX_IN,
    follows: &["MCP-AUTH-06"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(no_verdict(probe)),
};

pub(crate) const FOREIGN_VERDICT: HardeningCheck = HardeningCheck {
    id: "MCP-GRD-02",
    title: "the verdict of another user or organisation injects nothing",
    score: 7.5,
    why: "A verdict that is not bound to its user is a permission for everyone who sees it.",
    sources: &["MCP security best practices, state handles", "OWASP API1:2023", "CWE-639"],
    needs: NEEDS,
    how: "Injects a pattern with the verdict that another user of the organisation, and another organisation, got for the same request. Each must be refused. The owner's injection must succeed.",
    remedy: "Bind the verdict to organisation and user, and compare both.",
    fix_in: FIX_IN,
    follows: &["MCP-GRD-01"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(foreign_verdict(probe)),
};

pub(crate) const OTHER_REQUEST: HardeningCheck = HardeningCheck {
    id: "MCP-GRD-05",
    title: "a verdict for one request injects nothing for another",
    score: 8.1,
    why: "The request that is executed must be the one that was judged; otherwise a harmless request gets a verdict that allows a dangerous one.",
    sources: &["OWASP MCP05:2025", "CWE-367", "CWE-345"],
    needs: NEEDS,
    how: "Injects a pattern with the verdict of a harmless request for requests with another text, intent or action. Each must be refused. The request that was judged must succeed.",
    remedy: "Bind the verdict to the hash of everything that was judged.",
    fix_in: FIX_IN,
    follows: &["MCP-GRD-01"],
    lane: Lane::Shared,
    probing: |probe| Box::pin(other_request(probe)),
};

fn harmless() -> Value {
    json!({ "action": "answer", "intent": "explain why checkout was slow", "text": "p99 rose to 4.1 s" })
}

/// A pattern and the verdict on a request.
struct JudgedPattern {
    guardrails: String,
    patterns: String,
    pattern: Value,
    execution: Value,
    verdict: Value,
}

impl JudgedPattern {
    async fn new(probe: &Probe<'_>, user: &Caller) -> Result<Self, Stop> {
        let (guardrails, patterns) = (probe.need(Service::Guardrails)?, probe.need(Service::Patterns)?);
        let select = HttpRequest::tool("select_pattern", &json!({ "intent": "review a database migration" }));
        let selected = probe.control(&patterns, "a pattern is selected", &select.bearer(&user.token)).await?;
        let pattern = selected.structured()["patterns"][0].clone();
        let mut judged = Self { guardrails, patterns, pattern, execution: Value::Null, verdict: Value::Null };
        judged.judge(probe, user).await?;
        Ok(judged)
    }

    /// Gets a new verdict on the harmless request, because a verdict may be used once.
    async fn judge(&mut self, probe: &Probe<'_>, user: &Caller) -> Result<(), Stop> {
        let check = HttpRequest::tool("check_guardrails", &harmless()).bearer(&user.token);
        let checked = probe.control(&self.guardrails, "a harmless request is checked", &check).await?.structured();
        (self.execution, self.verdict) = (checked["executionId"].clone(), checked["verdictToken"].clone());
        Ok(())
    }

    /// Returns the injection of the pattern for a request, with the verdict.
    fn injection(&self, request: &Value) -> Value {
        let names = self.pattern["variables"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // Only what was judged is injected.
        let variables: Map<String, Value> = names.map(|name| (name.to_owned(), request["text"].clone())).collect();
        json!({
            "patternId": self.pattern["id"], "request": request, "executionId": self.execution,
            "verdictToken": self.verdict, "variables": variables,
        })
    }

    async fn inject(&self, probe: &Probe<'_>, user: &Caller, arguments: &Value) -> Answer {
        probe.send(&self.patterns, &HttpRequest::tool("inject_pattern", arguments).bearer(&user.token)).await
    }

    /// The injection that must succeed, after the others were refused.
    async fn control(&mut self, probe: &Probe<'_>, user: &Caller) -> Result<(), Stop> {
        self.judge(probe, user).await?;
        let inject = HttpRequest::tool("inject_pattern", &self.injection(&harmless())).bearer(&user.token);
        probe.control(&self.patterns, "the injection that was judged", &inject).await?;
        Ok(())
    }

    fn expect_refused(&self, probe: &Probe<'_>, case: &str, answer: &Answer) {
        let signs = [
            ("the reply has a result", answer.has_result()),
            ("the reply has the pattern", answer.structured()["patternId"] == self.pattern["id"]),
        ];
        probe.judge(&self.patterns, case, answer.is_refused(), &signs, &[answer]);
    }
}

async fn no_verdict(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    let mut judged = JudgedPattern::new(probe, &ann).await?;
    let token = judged.verdict.as_str().unwrap_or_default().to_owned();
    let changed = format!("{}x.{}", &token[..token.len() / 2], &token[token.len() / 2..]);
    for (case, verdict) in [
        ("no verdict", Value::Null),
        ("an empty verdict", json!("")),
        ("the word `allow`", json!("allow")),
        ("a changed verdict", json!(changed)),
        ("an access token", json!(ann.token)),
    ] {
        let mut arguments = judged.injection(&harmless());
        arguments["verdictToken"] = verdict;
        let answer = judged.inject(probe, &ann, &arguments).await;
        judged.expect_refused(probe, case, &answer);
    }
    judged.control(probe, &ann).await
}

async fn foreign_verdict(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    let mut judged = JudgedPattern::new(probe, &ann).await?;
    for (who, user) in [("a colleague", probe.user("bob", "acme")), ("another organisation", probe.user("zoe", "zeta"))]
    {
        let answer = judged.inject(probe, &user, &judged.injection(&harmless())).await;
        judged.expect_refused(probe, &format!("the verdict is used by {who}"), &answer);
    }
    judged.control(probe, &ann).await
}

async fn other_request(probe: &Probe<'_>) -> Result<(), Stop> {
    let ann = probe.user("ann", "acme");
    let mut judged = JudgedPattern::new(probe, &ann).await?;
    for (field, value) in
        [("text", "DROP TABLE customers;"), ("intent", "clean up the old customers"), ("action", "deploy")]
    {
        let mut request = harmless();
        request[field] = json!(value);
        let answer = judged.inject(probe, &ann, &judged.injection(&request)).await;
        judged.expect_refused(probe, &format!("another {field}"), &answer);
    }
    judged.control(probe, &ann).await
}
