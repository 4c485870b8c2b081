//! Renders figures and texts for people: the filters of the templates.

use minijinja::Environment;

pub(super) fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("duration", |us: f64| duration(us));
    environment.add_filter("percent", |ratio: f64| percent(ratio));
    environment.add_filter("thousands", thousands);
    environment.add_filter("counted", |number: u64, one: &str, many: &str| {
        format!("{} {}", thousands(number), if number == 1 { one } else { many })
    });
    environment.add_filter("ids", |ids: Vec<String>| short_ids(&ids));
    environment.add_filter("cell", |text: &str| cell(text));
    // A fence inside a text would end the block around it.
    environment.add_filter("fenced", |text: &str| text.trim_end().replace("```", "` ` `"));
    environment.add_filter("tone", |word: &str| match word {
        "pass" => "pass",
        "fail" | "error" => "fail",
        _ => "unknown",
    });
}

/// Returns a duration with about three digits and a unit.
pub(super) fn duration(us: f64) -> String {
    let (value, unit) = match us {
        us if us >= 1e6 => (us / 1e6, "s"),
        us if us >= 1e3 => (us / 1e3, "ms"),
        us => (us, "µs"),
    };
    let digits = if value >= 100.0 || unit == "µs" {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// Returns a ratio in percent. Only 0 is shown as 0, so that a single error in many calls is visible.
pub(super) fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if percent == 0.0 {
        "0 %".to_owned()
    } else if percent < 0.01 {
        "<0.01 %".to_owned()
    } else {
        format!("{percent:.2} %")
    }
}

/// Returns a number with a comma between thousands.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns ids of hardening checks without what they share with the id before: `MCP-AUTH-03, 04; MCP-TEN-01`.
fn short_ids(ids: &[String]) -> String {
    let (mut text, mut family) = (String::new(), "");
    for id in ids {
        let (of, number) = id.rsplit_once('-').unwrap_or(("", id.as_str()));
        if of == family && !text.is_empty() {
            text.push_str(&format!(", {number}"));
        } else {
            text.push_str(if text.is_empty() { "" } else { "; " });
            text.push_str(id);
        }
        family = of;
    }
    text
}

/// Returns a text escaped for a cell of a Markdown table.
fn cell(text: &str) -> String {
    // The text may come from a service, and must not become a link or a heading in the summary of a CI job.
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '`' | '*' | '[' | ']' | '\\' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_formatted_for_people() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567].map(thousands).each_ref().map(String::as_str)
        );
        assert_eq!(duration(950.0), "950 µs");
        assert_eq!(duration(1_234.0), "1.23 ms");
        assert_eq!(duration(456_000.0), "456 ms");
        assert_eq!(duration(2_500_000.0), "2.50 s");
        assert_eq!(percent(0.000_01), "<0.01 %");
        let ids = ["MCP-AUTH-03", "MCP-AUTH-04", "MCP-TEN-01", "other"].map(str::to_owned);
        assert_eq!(short_ids(&ids), "MCP-AUTH-03, 04; MCP-TEN-01; other");
        assert_eq!(cell("a|b\n<script>"), "a\\|b &lt;script&gt;");
    }
}
