//! `scan_text`: detects secrets, personal data, prompt injection and destructive SQL, and masks them on request.

use super::{READ_ONLY, SCOPES, validate};
use crate::detect;
use crate::judge::run;
use mcp_contracts::guardrails::{Detection, Scan, ScanText, tool};
use mcp_contracts::limits::MAX_MATCHES;
use mcp_kit::{CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::SCAN_TEXT,
    title: "Scan a text for secrets and personal data",
    description: "Scans a text for keys and passwords, personal data, text that tries to instruct a model, and SQL that destroys data. With \
                  `redact` it also returns the text with all matches masked.",
    annotations: READ_ONLY,
    scopes: SCOPES,
};

pub(super) fn tool() -> Tool {
    Tool::new(INFO, |_: CallContext, request: ScanText| async move {
        if request.text.is_empty() {
            return Err(validate::invalid("`text` is empty"));
        }
        validate::text("text", request.text.len())?;
        run(request.text.len(), move || scan(&request)).await
    })
}

fn scan(request: &ScanText) -> Scan {
    let wanted = if request.detections.is_empty() { &Detection::ALL[..] } else { &request.detections };
    let scan = detect::scan(&request.text, wanted, MAX_MATCHES);
    Scan {
        worst: scan.matches.iter().map(|found| found.severity).max(),
        redacted: request.redact.then(|| masked(&request.text, wanted, &scan)),
        truncated: scan.truncated,
        matches: scan.matches,
    }
}

/// Returns the text with all matches masked, including those beyond the limit of the reply.
fn masked(text: &str, wanted: &[Detection], scan: &detect::Scanned) -> String {
    if scan.truncated {
        detect::redact(text, &detect::scan(text, wanted, usize::MAX).matches)
    } else {
        detect::redact(text, &scan.matches)
    }
}
