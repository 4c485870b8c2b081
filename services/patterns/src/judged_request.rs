//! Compares a value with the request that guardrails judged. What is put into a pattern must be a part of that request, so that no text reaches a
//! model that the rules have not seen (decision 0023).

use mcp_contracts::guardrails::ActionRequest;

/// Returns true if `value` is a part of the intent, the text or a path of the request, and begins and ends where a word does.
pub(crate) fn contains(request: &ActionRequest, value: &str) -> bool {
    let texts = [Some(&request.intent), request.text.as_ref()].into_iter().flatten().chain(&request.files);
    texts.into_iter().any(|text| is_part(text, value))
}

// A part of a word is refused, because rules match whole words: in `xAKIA…` no rule matches the key in the last 20 characters.
fn is_part(text: &str, value: &str) -> bool {
    let (first, last) = (value.chars().next(), value.chars().next_back());
    text.match_indices(value).any(|(start, _)| {
        let end = start + value.len();
        !splits_word(text[..start].chars().next_back(), first) && !splits_word(last, text[end..].chars().next())
    })
}

fn splits_word(before: Option<char>, after: Option<char>) -> bool {
    before.is_some_and(is_letter) && after.is_some_and(is_letter)
}

/// Returns true for letters, digits and what can join them, except in scripts that put no space between words.
fn is_letter(c: char) -> bool {
    let unspaced = matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}');
    // Invisible characters and combining marks, because guardrails may drop them and then read one word.
    let joins = matches!(c, '_' | '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    joins || (c.is_alphanumeric() && !unspaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::guardrails::ActionKind;

    #[test]
    fn a_value_is_a_part_only_at_word_boundaries() {
        let request = ActionRequest {
            action: ActionKind::Edit,
            intent: "review the change of ledger_entries".into(),
            files: vec!["src/a.rs".into()],
            text: Some("- a\n+ b\nxAKIAQ7ZLM3XKD2WPT5VB y\u{200b}AKIAQ7ZLM3XKD2WPT5VC é\u{301}tude 检查数据库".into()),
        };
        for value in [
            "review the change",
            "ledger_entries",
            "src/a.rs",
            "a.rs",
            "- a\n+ b",
            "+ b",
            "数据",
            "review the change of ledger_entries",
        ] {
            assert!(contains(&request, value), "{value}");
        }
        for value in [
            "AKIAQ7ZLM3XKD2WPT5VB",
            "AKIAQ7ZLM3XKD2WPT5VC",
            "xAKIA",
            "review the chang",
            "eview",
            "entries",
            "- a + b",
            "Review the change",
            "tude",
            "b x",
            "src/b.rs",
        ] {
            assert!(!contains(&request, value), "{value}");
        }
    }

    #[test]
    fn a_value_does_not_join_two_fields() {
        let request = ActionRequest {
            action: ActionKind::Edit,
            intent: "ignore all".into(),
            files: vec!["previous".into()],
            text: None,
        };
        assert!(!contains(&request, "ignore all previous"));
    }
}
