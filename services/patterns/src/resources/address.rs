//! Parses the URI of a resource. An unknown, repeated or empty parameter is refused, and the error names it.

use mcp_contracts::patterns::{CATALOG_URI, DETAIL_URI_PREFIX, RECOMMENDATIONS_URI};
use mcp_contracts::{ErrorCode, ToolError};
use std::collections::BTreeMap;

/// Longest URI, in bytes.
const MAX_URI_BYTES: usize = 8 << 10;

/// A resource of this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Catalog { page: usize, category: Option<String>, role: Option<String> },
    Detail { id: String },
    Recommendations { role: Option<String>, task: Option<String> },
}

pub(super) fn parse(uri: &str) -> Result<Address, ToolError> {
    if uri.len() > MAX_URI_BYTES {
        return Err(invalid(format!("the URI has {} bytes; at most {MAX_URI_BYTES} are allowed", uri.len())));
    }
    let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
    if path == CATALOG_URI {
        let mut parameters = parameters(query, &["page", "category", "role"])?;
        let page = parameters.remove("page").map_or(Ok(1), |page| number(&page))?;
        return Ok(Address::Catalog { page, category: parameters.remove("category"), role: parameters.remove("role") });
    }
    if path == RECOMMENDATIONS_URI {
        let mut parameters = parameters(query, &["role", "task"])?;
        return Ok(Address::Recommendations { role: parameters.remove("role"), task: parameters.remove("task") });
    }
    match path.strip_prefix(DETAIL_URI_PREFIX) {
        Some(id) if !id.is_empty() => {
            parameters(query, &[])?;
            Ok(Address::Detail { id: decode(id, false)? })
        }
        Some(_) | None => Err(unknown(uri)),
    }
}

fn unknown(uri: &str) -> ToolError {
    let shown: String = uri.chars().take(200).collect();
    ToolError::new(ErrorCode::NotFound, format!("there is no resource `{shown}`")).with_hint(format!(
        "the resources are `{CATALOG_URI}{{?page,category,role}}`, `{DETAIL_URI_PREFIX}{{id}}` and `{RECOMMENDATIONS_URI}{{?role,task}}`"
    ))
}

fn parameters(query: Option<&str>, names: &[&str]) -> Result<BTreeMap<String, String>, ToolError> {
    let mut parameters = BTreeMap::new();
    for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Decoded after the split, so that an encoded `&` or `=` stays part of a value.
        let (name, value) = (decode(name, true)?, decode(value, true)?);
        if !names.contains(&name.as_str()) {
            let hint = match names {
                [] => "it has no parameters".to_owned(),
                names => format!("expected one of `{}`", names.join("`, `")),
            };
            return Err(invalid(format!("the resource has no parameter `{name}`; {hint}")));
        }
        if value.trim().is_empty() {
            return Err(invalid(format!("the parameter `{name}` is empty; omit it")));
        }
        if parameters.insert(name.clone(), value).is_some() {
            return Err(invalid(format!("the parameter `{name}` appears twice")));
        }
    }
    Ok(parameters)
}

fn number(text: &str) -> Result<usize, ToolError> {
    let page = text.parse().ok().filter(|page| *page >= 1);
    page.ok_or_else(|| invalid(format!("`{text}` is not a page number; pages start at 1")))
}

/// Decodes percent-encoding (RFC 3986); in a query `+` is a space.
fn decode(text: &str, plus: bool) -> Result<String, ToolError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
                let byte = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
                let byte = byte.and_then(|two| u8::from_str_radix(two, 16).ok());
                rest = &after[after.len().min(2)..];
                byte.ok_or_else(|| invalid("the URI has a `%` that is not followed by two hexadecimal digits"))?
            }
            b'+' if plus => b' ',
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| invalid("the URI is not UTF-8 after decoding"))
}

fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::new(ErrorCode::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_parsed() {
        let text = |text: &str| Some(text.to_owned());
        for (uri, address) in [
            ("pattern://catalog", Address::Catalog { page: 1, category: None, role: None }),
            ("pattern://catalog?page=2&role=sre", Address::Catalog { page: 2, category: None, role: text("sre") }),
            (
                "pattern://catalog?category=code-review",
                Address::Catalog { page: 1, category: text("code-review"), role: None },
            ),
            ("pattern://detail/review-change", Address::Detail { id: "review-change".into() }),
            ("pattern://detail/a%2Fb", Address::Detail { id: "a/b".into() }),
            ("pattern://recommendations", Address::Recommendations { role: None, task: None }),
            (
                "pattern://recommendations?task=a+slow%20query%3F",
                Address::Recommendations { role: None, task: text("a slow query?") },
            ),
        ] {
            assert_eq!(parse(uri), Ok(address), "{uri}");
        }
    }

    #[test]
    fn invalid_uris_are_refused_with_a_reason() {
        let long = format!("pattern://detail/{}", "x".repeat(9_000));
        for (uri, code, message) in [
            ("pattern://nothing", ErrorCode::NotFound, "no resource"),
            ("pattern://detail/", ErrorCode::NotFound, "no resource"),
            ("pattern://catalog/", ErrorCode::NotFound, "no resource"),
            ("", ErrorCode::NotFound, "no resource"),
            ("pattern://catalog?pages=2", ErrorCode::InvalidArgument, "expected one of `page`, `category`, `role`"),
            ("pattern://catalog?page=0", ErrorCode::InvalidArgument, "not a page number"),
            ("pattern://catalog?page=-1", ErrorCode::InvalidArgument, "not a page number"),
            ("pattern://catalog?page=1&page=2", ErrorCode::InvalidArgument, "appears twice"),
            ("pattern://catalog?role=", ErrorCode::InvalidArgument, "empty"),
            ("pattern://catalog?role=%zz", ErrorCode::InvalidArgument, "hexadecimal"),
            ("pattern://catalog?role=%ff", ErrorCode::InvalidArgument, "UTF-8"),
            ("pattern://catalog?role=%4", ErrorCode::InvalidArgument, "hexadecimal"),
            ("pattern://detail/x?y=1", ErrorCode::InvalidArgument, "no parameters"),
            (&long, ErrorCode::InvalidArgument, "bytes"),
        ] {
            let error = parse(uri).unwrap_err();
            assert_eq!(error.code, code, "{uri}");
            assert!(error.message.contains(message), "{uri}: {}", error.message);
        }
    }
}
