//! The mark that the harness puts at the end of every content it writes: who wrote it, and whether others may read it. Pure.

use harness_history::{Canary, RecordState};
use xxhash_rust::xxh3::xxh3_64;

/// What a canary begins with.
const CANARY: &str = "canary:";

/// The content with its mark.
pub(crate) fn marked(text: &str, canary: &Canary) -> String {
    let visibility = if canary.shared { 'w' } else { 'p' };
    format!("{text} {CANARY}{}/{}/{visibility}/{}", canary.tenant, canary.user, canary.number)
}

/// What the harness remembers of a content: its digest, and the canary at its end.
pub(crate) fn seen(content: &str) -> RecordState {
    let last = content.rsplit(char::is_whitespace).next().unwrap_or_default();
    RecordState::of_content(xxh3_64(content.as_bytes()), canary(last))
}

fn canary(text: &str) -> Option<Canary> {
    let mut parts = text.strip_prefix(CANARY)?.split('/');
    let (tenant, user) = (parts.next()?, parts.next()?);
    let shared = match parts.next()? {
        "p" => false,
        "w" => true,
        _ => return None,
    };
    let number = parts.next()?.parse().ok()?;
    parts.next().is_none().then(|| Canary { tenant: tenant.into(), user: user.into(), workspace: None, shared, number })
}

#[cfg(test)]
mod tests {
    use super::{Canary, marked, seen};

    #[test]
    fn a_marked_content_is_recognised_and_any_other_is_not() {
        for shared in [true, false] {
            let canary = Canary { tenant: "acme-1".into(), user: "ann".into(), workspace: None, shared, number: 17 };
            assert_eq!(seen(&marked("the ledger was slow", &canary)).canary, Some(canary));
        }
        for other in ["", "hello", "canary:a/b/x/1", "canary:a/b/p", "canary:a/b/p/1/2", "canary:a/b/p/1 more"] {
            assert_eq!(seen(other).canary, None, "{other}");
        }
    }
}
