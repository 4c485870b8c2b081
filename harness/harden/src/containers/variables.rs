//! Fills in variables of a Dockerfile or a compose file.

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+text}` by the value of the name, the default or the text, and `$$` by one dollar sign. A
/// variable with none of them stays as it is, so that a `$` in the result is something that the file does not decide.
pub(super) fn filled(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (whole, found) = if let Some(body) = after.strip_prefix('{') {
            let Some(end) = body.find('}') else { break };
            (end + 3, braced(&body[..end], value))
        } else if after.starts_with('$') {
            (2, Some("$".to_owned()))
        } else {
            let end = after.find(|letter: char| !is_of_a_name(letter)).unwrap_or(after.len());
            (end + 1, value(&after[..end]))
        };
        filled.push_str(found.as_deref().unwrap_or(&rest[at..at + whole]));
        rest = &rest[at + whole..];
    }
    filled + rest
}

fn braced(body: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let end = body.find(|letter: char| !is_of_a_name(letter)).unwrap_or(body.len());
    let (name, operator) = body.split_at(end);
    let value = value(name).filter(|value| !value.is_empty());
    if let Some(text) = operator.strip_prefix(":+").or_else(|| operator.strip_prefix('+')) {
        return Some(value.map(|_| text.to_owned()).unwrap_or_default());
    }
    let default = operator.strip_prefix(":-").or_else(|| operator.strip_prefix('-'));
    let is_required = operator.trim_start_matches(':').starts_with('?');
    // Another operator, such as one that removes a part, gives a value that is not known here.
    let value = value.filter(|_| operator.is_empty() || default.is_some() || is_required);
    value.or_else(|| default.map(str::to_owned))
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn variables_are_filled_in_by_their_whole_names_and_their_defaults() {
        let value = |name: &str| match name {
            "VER" => Some("1".to_owned()),
            "VERSION" => Some("latest".to_owned()),
            _ => None,
        };
        for (text, wanted) in [
            ("x:$VERSION", "x:latest"),
            ("x:${VER}-a", "x:1-a"),
            ("${BASE:-debian}", "debian"),
            ("${BASE-debian}:$VER", "debian:1"),
            ("${BASE:?not set}", "${BASE:?not set}"),
            ("${VER:?not set}", "1"),
            ("${VER:+0}${BASE:+0}", "0"),
            ("${VERSION#la}", "${VERSION#la}"),
            ("$BASE/a", "$BASE/a"),
            ("a$$b", "a$b"),
            ("${open", "${open"),
        ] {
            assert_eq!(filled(text, &value), wanted, "{text}");
        }
    }
}
