//! Any text: bounded terms, and a query for a text finds it.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new(
    "queries",
    &["services/memory/src/terms.rs", "services/memory/src/terms/split.rs", "services/memory/src/terms/fold.rs"],
)
.with_words(&[
    "getUserProfile",
    "max_retry_count",
    "src/search.rs",
    "1,234,567",
    "C++",
    ".NET",
    "don't",
    "İstanbul",
    "cafe\u{301}",
    "ﬁ",
    "ΟΔΟΣ",
    "部署",
    "ｻﾝﾄﾞ",
    "بيانات",
    "हिन्दी",
    "\u{200d}",
    "the",
    "AND",
    "NEAR(",
    "*",
]);

#[test]
fn terms_are_bounded_and_a_text_is_found_by_its_own_words() {
    TARGET.run_text(|text| {
        let document = of(text);
        // Compatibility characters expand to up to 18 others, such as U+FDFA.
        let most = 4 * 18 * text.len() + 4;
        assert!(document.entries.len() <= most, "{} terms in {} bytes", document.entries.len(), text.len());
        for pair in document.entries.windows(2) {
            assert!(pair[0].term < pair[1].term, "{:?} before {:?}", pair[0], pair[1]);
        }
        for entry in &document.entries {
            assert!(!entry.term.is_empty(), "an empty term");
            assert!(entry.frequency > 0 && !entry.forms.is_empty() && entry.forms.is_sorted(), "{entry:?}");
            // A whole name has its own bound, and may be longer by the signs at its end.
            assert!(entry.term.len() <= 4 * MAX_TERM_BYTES, "{} bytes: {}", entry.term.len(), entry.term);
        }
        let query = of_query(text);
        for concept in &query.concepts {
            assert!(concept.weight > 0.0 && concept.weight <= 1.0, "{concept:?}");
            let found = document.entries.binary_search_by(|entry| entry.term.cmp(&concept.term));
            assert!(found.is_ok(), "the text does not have `{}` of its own query", concept.term);
        }
        assert_eq!(query.is_empty(), document.entries.is_empty(), "a text with words has a query with words");
    });
}
