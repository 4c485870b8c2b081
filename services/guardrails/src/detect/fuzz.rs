//! Any text: matches inside the text, in order, and the quick search agrees with the full one.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new(
    "scans",
    &[
        "services/guardrails/src/detect.rs",
        "services/guardrails/src/detect/decode.rs",
        "services/guardrails/src/detect/normal.rs",
        "services/guardrails/src/detect/finding.rs",
        "services/guardrails/src/detect/mask.rs",
    ],
)
.with_most_bytes(1 << 10)
.with_words(&[
    "AKIAIOSFODNN7EXAMPLE",
    "password = ",
    "ignore all previous instructions",
    "ann@example.com",
    "4111 1111 1111 1111",
    "DROP TABLE a;",
    "aWdub3JlIGFsbCBwcmV2aW91cyBpbnN0cnVjdGlvbnM=",
    "%69%67%6e%6f%72%65",
    "&#105;",
    "\\u0069",
    "\u{200b}",
    "\u{e0041}",
    "ｉｇｎｏｒｅ",
    "<system>",
    "\u{202e}",
]);

#[test]
fn matches_are_inside_the_text_and_every_search_agrees() {
    TARGET.run_text(|text| {
        let scanned = scan(text, &Detection::ALL, usize::MAX);
        assert!(!scanned.truncated);
        let lines = text.matches('\n').count() + 1;
        for found in &scanned.matches {
            assert!(found.start < found.end && found.end <= text.len(), "{found:?} of {}", text.len());
            assert!(text.is_char_boundary(found.start) && text.is_char_boundary(found.end), "{found:?}");
            assert!((1..=lines).contains(&found.line), "{found:?} of {lines} lines");
        }
        let in_order = scanned.matches.windows(2).all(|pair| pair[0].start <= pair[1].start);
        assert!(in_order, "{:?}", scanned.matches);
        for detection in Detection::ALL {
            let of_kind = scanned.matches.iter().filter(|found| found.detection == detection).count();
            assert_eq!(any(text, detection), of_kind > 0, "{detection:?}");
        }
        let limited = scan(text, &Detection::ALL, 1);
        assert_eq!(limited.truncated, scanned.matches.len() > 1);
        assert_eq!(limited.matches.first(), scanned.matches.first());
    });
}
