//! The command line that repeats a request with curl.

/// Longest body that a command line repeats, in bytes.
const LONGEST_BODY: usize = 4 << 10;

/// Returns the command; `None` if curl would send something else, or the command would be too long. A token is not repeated: the variable `TOKEN`
/// must hold one of the same form.
pub(super) fn curl(
    method: &str,
    authority: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Option<String> {
    let body = std::str::from_utf8(body).ok().filter(|body| body.len() <= LONGEST_BODY && !body.contains('\0'))?;
    let framing = ["transfer-encoding", "content-length", "host"];
    let is_plain = |(name, value): &(String, String)| {
        !framing.contains(&name.to_ascii_lowercase().as_str()) && !value.chars().any(char::is_control)
    };
    if !target.starts_with('/') || !headers.iter().all(is_plain) {
        return None;
    }
    let mut words = vec![format!("curl -sS -i -X {method}")];
    for (name, value) in headers {
        let is_token = name.eq_ignore_ascii_case("authorization") && value.len() > "Bearer ".len();
        words.push(match is_token {
            // In double quotes, so that the shell fills in the token.
            true => format!("-H \"{name}: Bearer $TOKEN\""),
            false => format!("-H {}", quoted(&format!("{name}: {value}"))),
        });
    }
    if !body.is_empty() {
        words.push(format!("--data-binary {}", quoted(body)));
    }
    words.push(quoted(&format!("http://{authority}{target}")));
    Some(words.join(" "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::curl;

    fn command(target: &str, name: &str, value: &str, body: &str) -> Option<String> {
        curl("POST", "127.0.0.1:7420", target, &[(name.to_owned(), value.to_owned())], body.as_bytes())
    }

    #[test]
    fn a_plain_request_is_repeated_without_its_token() {
        let repeated = command("/mcp", "Authorization", "Bearer secret", "it's").unwrap();
        assert_eq!(
            repeated,
            "curl -sS -i -X POST -H \"Authorization: Bearer $TOKEN\" --data-binary 'it'\\''s' 'http://127.0.0.1:7420/mcp'"
        );
        assert!(command("/mcp", "origin", "null", "").unwrap().contains("-H 'origin: null'"));
    }

    #[test]
    fn requests_that_curl_cannot_repeat_exactly_get_no_command() {
        assert_eq!(command("http://evil.example/", "a", "b", ""), None);
        assert_eq!(command("/mcp", "Content-Length", "1", ""), None);
        assert_eq!(command("/mcp", "a", "b\u{1}", ""), None);
        assert_eq!(command("/mcp", "a", "b", &"x".repeat(5_000)), None);
    }
}
