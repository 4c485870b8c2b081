//! What a browser lets web pages do: a page of an allowed origin calls every service and reads the replies, and a page of another origin does neither.

use harness_core::drive::scenario::{Actor, ScenarioRequest, Stage, StepFailed};
use mcp_contracts::Service;
use serde_json::json;

/// The origin in `ALLOWED_ORIGINS`.
pub(super) const ALLOWED: &str = "https://app.example.com";
const FOREIGN: &str = "https://app.example.com.evil.example";

pub(super) async fn check(stage: &Stage<'_>, ann: &mut Actor<'_>) -> Result<(), StepFailed> {
    for service in Service::ALL {
        let name = service.name();
        let ask = ScenarioRequest::method(service, "tools/list", json!({}));
        let called = ann.send(ask.clone().header("origin", ALLOWED)).await;
        let called = called.expect_ok(&format!("{name} answers a page of an allowed origin")).or_stop()?;
        let expected = format!("a browser shows the reply of {name} to the page");
        let op = called.op();
        let _ = called.expect_header(&expected, "access-control-allow-origin", |named| named == ALLOWED);
        let preflight = ann.preflight(&ask, ALLOWED).await;
        let expected = format!("a browser sends the calls of the page to {name}");
        stage.expect(&expected, preflight.is_ok(), format!("{preflight:?}"), &[op]);

        let preflight = ann.preflight(&ask, FOREIGN).await;
        let refused = ann.send(ask.header("origin", FOREIGN)).await;
        let expected = format!("a browser sends no call of a page of another origin to {name}");
        stage.expect(&expected, preflight.is_err(), format!("{preflight:?}"), &[refused.op()]);
        let _ = refused.expect_status(&format!("{name} refuses a call of such a page"), 403);
    }
    Ok(())
}
