//! The detectors are held to what they reached on the labelled texts, a little below the measured figures; `mcp-guardrails measure` prints them.

use mcp_contracts::guardrails::Detection;
use mcp_guardrails::detect::measure::{Part, figures};

#[test]
fn the_detectors_find_what_is_there_and_seldom_what_is_not() {
    for of in figures().unwrap() {
        let recall = match (of.detection, of.part) {
            (Detection::PromptInjection, Part::All) => 0.89,
            (_, Part::All) => 0.95,
            (_, Part::HeldOut) => 0.90,
        };
        assert!(of.recall() >= recall, "{of:#?}");
        assert!(of.false_positive_rate() <= 0.03, "{of:#?}");
        assert!(of.hard_false_positive_rate() <= 0.10, "{of:#?}");
    }
}
