//! Any cursor: one that is accepted is the one that the service writes for that place.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new("cursors", &["services/memory/src/cursor.rs", "services/memory/src/index/bytes.rs"])
    .with_words(&["\u{0}\u{0}\u{0}", "AAAA", "____", "="]);

fn binding(query: &str) -> Binding {
    Binding::new(&Tenant::of(&mcp_testkit::claims("acme", "ann", &[])), query, &"request")
}

fn assert_canonical(cursor: &str) {
    let own = binding("list");
    if let Some(place) = own.parse_list(cursor) {
        assert_eq!(own.list(place), cursor, "{place:?}");
    }
    if let Some((as_of, place)) = own.parse_search(cursor) {
        assert_eq!(own.search(as_of, &place), cursor, "{as_of} {place:?}");
        assert!(place.rank.score.is_finite() && place.walk.containing.len() <= cursor.len(), "{place:?}");
    }
    let other = binding("other");
    assert!(other.parse_list(cursor).is_none() || own.parse_list(cursor).is_none(), "it is valid for two queries");
}

#[test]
fn an_accepted_cursor_is_the_one_that_was_written() {
    let own = binding("list");
    TARGET.run(|bytes| {
        assert_canonical(&String::from_utf8_lossy(bytes));
        // With the right beginning, which no change of bytes would hit.
        assert_canonical(&URL_SAFE_NO_PAD.encode([&own.0[..], bytes].concat()));
        let numbers: Vec<i64> =
            bytes.chunks_exact(8).map(|part| i64::from_be_bytes(part.try_into().unwrap())).collect();
        if let [created_us, sequence, newest, ..] = numbers[..] {
            let place = ListPlace { created_us, sequence, newest };
            assert_eq!(own.parse_list(&own.list(place)), Some(place));
        }
    });
}
