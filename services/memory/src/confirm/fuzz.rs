//! Any confirmation token: only the issued one is accepted, for its filter, its tenant and its time.

use super::*;
use fuzzing::Target;

const TARGET: Target =
    Target::new("confirmations", &["services/memory/src/confirm.rs"]).with_words(&["AAAA", "____", "="]);
const EXPIRES_US: i64 = 1_000_000;

fn tenant(user: &str) -> Tenant {
    Tenant::of(&mcp_testkit::claims("acme", user, &[]))
}

#[test]
fn only_the_issued_confirmation_is_accepted() {
    let confirmations = Confirmations::new(["a-key-of-the-fuzz-targets"].into_iter());
    let filter = TagFilter { tags: vec!["a".into(), "b".into()], tag_match: TagMatch::Any };
    let selected = TagSelection { count: 2, digest: [7; 32] };
    let issued = confirmations.issue(&tenant("ann"), &filter, selected, EXPIRES_US);
    assert_eq!(confirmations.confirmed(&issued, &tenant("ann"), &filter, 0), Some(selected));
    TARGET.run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        // The issued token with some of its bytes replaced, from a place on that the input chooses.
        let at = usize::from(bytes.first().copied().unwrap_or(0)) % (issued.len() + 1);
        let changed: String = [&issued[..at], text.get(1..).unwrap_or_default()].concat();
        let same_end: String = issued.chars().take(at).chain(text.chars()).chain(issued.chars().skip(at + 1)).collect();
        for token in [&*text, &changed, &same_end] {
            let accepted = confirmations.confirmed(token, &tenant("ann"), &filter, 0);
            assert!(accepted.is_none() || token == issued, "a forged confirmation is accepted: {token}");
            assert_eq!(confirmations.confirmed(token, &tenant("ann"), &filter, EXPIRES_US), None, "it has expired");
            assert_eq!(confirmations.confirmed(token, &tenant("bob"), &filter, 0), None, "it is of another user");
        }
    });
}
