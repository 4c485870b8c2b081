//! `scan_text`: looks for secrets, personal data, prompt injection and destructive statements, and masks them where that is asked for.

use super::{LOOKS, SCOPES, validate};
use crate::detect;
use crate::judge::run;
use mcp_contracts::guardrails::{Detection, Scan, ScanText, tool};
use mcp_contracts::limits::MAX_MATCHES;
use mcp_kit::{CallContext, Tool, ToolInfo};

const INFO: ToolInfo = ToolInfo {
    name: tool::SCAN_TEXT,
    title: "Look for secrets and personal data",
    description: "Looks for keys and passwords, personal data, text that tries to give orders to a model, and SQL that destroys data. With \
                  `redact` it also answers the text with all of that masked.",
    annotations: LOOKS,
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
    let found = detect::scan(&request.text, wanted, MAX_MATCHES);
    Scan {
        worst: found.matches.iter().map(|found| found.severity).max(),
        redacted: request.redact.then(|| masked(&request.text, wanted, &found)),
        truncated: found.truncated,
        matches: found.matches,
    }
}

/// Everything is masked, also what there were too many of to tell.
fn masked(text: &str, wanted: &[Detection], found: &detect::Scanned) -> String {
    if found.truncated {
        detect::redact(text, &detect::scan(text, wanted, usize::MAX).matches)
    } else {
        detect::redact(text, &found.matches)
    }
}
