//! The shape of JSON: depth and numbers.

use harness_core::drive::hardening::{HardeningCheck, HttpRequest, Lane, Probe, Stop};

pub(crate) const DEPTH: HardeningCheck = HardeningCheck {
    id: "MCP-LIM-03",
    title: "JSON that is nested too deeply, or has a number out of range, is refused",
    score: 7.5,
    why: "A parser that recurses once for each level can crash the process, for every tenant.",
    sources: &["OWASP API4:2023", "RFC 8259, section 9", "CWE-674"],
    needs: &[],
    how: "Sends arrays and objects nested 100, 1,000 and 100,000 levels, and the number 1e9999. Each must get 400, and the service must answer afterwards. 32 levels must be answered.",
    remedy: "Count the depth before the body is parsed.",
    fix_in: &["services/kit/src/mcp/envelope.rs", "services/contracts/src/limits.rs"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(depth(probe)),
};

async fn depth(probe: &Probe<'_>) -> Result<(), Stop> {
    for (_, part) in probe.parts() {
        let ann = probe.user("ann", "acme");
        let request = HttpRequest::tools_list().bearer(&ann.token);
        let with = |value: &str| {
            let body = String::from_utf8_lossy(request.body()).into_owned();
            request.clone().with_body(body.replacen("\"params\":{", &format!("\"params\":{{\"nested\":{value},"), 1))
        };
        let arrays = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        if probe.is_foreign() {
            probe.control(&part, "a request", &request).await?;
            for (case, value) in [("100,000 arrays", arrays(100_000)), ("100,000 objects", objects(100_000))] {
                let answer = probe.send(&part, &with(&value)).await;
                let later = probe.send(&part, &request).await;
                // The server may refuse the depth, ignore the parameter, or catch the error of its parser (Python answers with 500). It must survive.
                let signs = [
                    ("the request gets no reply", answer.status.is_none()),
                    ("the request after it is not answered", !later.has_result()),
                ];
                let holds = signs.iter().all(|(_, is_there)| !is_there);
                probe.judge(&part, case, holds, &signs, &[&answer, &later]);
            }
            continue;
        }
        probe.control(&part, "32 levels", &with(&arrays(32))).await?;
        for (case, value) in [
            ("100 arrays", arrays(100)),
            ("1,000 arrays", arrays(1_000)),
            ("100,000 arrays", arrays(100_000)),
            ("100 objects", objects(100)),
            ("100,000 objects", objects(100_000)),
            ("the number 1e9999", "1e9999".to_owned()),
        ] {
            probe.expect_status(&part, case, &with(&value), 400).await;
        }
        probe.control(&part, "a request afterwards", &request).await?;
    }
    Ok(())
}
