//! Values that are assigned to a name such as `password` or `token`, in code, settings, shells and sentences. The name alone is never enough: the
//! value must look like a generated key or a password, and must not be a reference, an identifier or a placeholder.

use super::Secret;
use super::entropy::{CharacterKinds, bits, changes};
use super::placeholder::is_placeholder;
use super::words::WORDS;
use crate::detect::near::{before, byte, window};
use mcp_contracts::guardrails::Severity::High;
use std::ops::Range;

/// Longest suffix of a name after its secret word, as in `token_for_ci`, in bytes.
const MAX_SUFFIX: usize = 24;
/// Longest value, in bytes.
const MAX_VALUE: usize = 300;

/// The form of an assignment. It decides how much its value must look like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In quotes.
    Quoted,
    /// Without quotes, in settings and shells.
    Bare,
    /// In a sentence.
    Said,
}

/// Reads the assignment whose name contains the secret word at `name`.
pub(super) fn read(text: &str, name: Range<usize>) -> Option<Secret> {
    let word = text[name.clone()].to_ascii_lowercase();
    let left = before(text, name.start, 24);
    let prefix = left
        .rsplit(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let joined =
        byte(text, name.start.checked_sub(1)).is_ascii_lowercase() && text.as_bytes()[name.start].is_ascii_lowercase();
    if word == "pass" && joined
        || prefix.split(['_', '-']).any(|part| WORDS.harmless_prefixes.iter().any(|harmless| harmless == part))
    {
        return None;
    }
    let ahead = window(text, name.end, MAX_SUFFIX + MAX_VALUE);
    let suffix = ahead
        .bytes()
        .take(MAX_SUFFIX + 1)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        .count();
    let rest = &ahead[..suffix];
    let lower = rest.to_ascii_lowercase();
    // `tokenizationId` ends with `Id`.
    let camel = rest.rfind(|letter: char| letter.is_ascii_uppercase()).filter(|_| rest != rest.to_ascii_uppercase());
    let tail = lower[camel.unwrap_or(0)..].rsplit(['_', '-']).find(|part| !part.is_empty()).unwrap_or_default();
    if suffix > MAX_SUFFIX
        || WORDS
            .harmless_suffixes
            .iter()
            .any(|harmless| tail == *harmless || tail.ends_with(harmless.as_str()) && tail.len() <= harmless.len() + 2)
    {
        return None;
    }
    let (skipped, form) = separator(&ahead[suffix..], prefix.starts_with("--") || is_login_file(left))?;
    let (offset, value, form) = value(&ahead[suffix + skipped..], form)?;
    let behind = byte(ahead, Some(suffix + skipped + offset + value.len()));
    if form == Form::Bare && matches!(behind, b',' | b';' | b')' | b']' | b'}' | b'>') && is_name(value) {
        return None;
    }
    let is_password =
        word.starts_with("pass") || ["pwd", "kennwort", "contraseña", "mot de passe"].contains(&word.as_str());
    let start = name.end + suffix + skipped + offset;
    let real = if is_password { is_a_password(value, form) } else { is_a_key(value, form) };
    let kind = if is_password { "password" } else { "secret_value" };
    (real && !is_plain(value) && !is_placeholder(value)).then_some(Secret {
        kind,
        severity: High,
        place: start..start + value.len(),
    })
}

/// Returns true if the text before a name is the login of a `.netrc` file, in which a blank separates a name from its value.
fn is_login_file(left: &str) -> bool {
    let mut words = left.split_whitespace().rev();
    words.next().is_some() && words.next() == Some("login")
}

/// Returns the length of the separator between a name and its value, and the form of the assignment. After a command-line option and in a
/// `.netrc` file, a blank is enough.
fn separator(rest: &str, blank_is_enough: bool) -> Option<(usize, Form)> {
    let unquoted = rest.trim_start_matches(['"', '\'', '`', ']']);
    let closing = rest.len() - unquoted.len();
    let trimmed = unquoted.trim_start_matches([' ', '\t']);
    let at = rest.len() - trimmed.len();
    // A path of Rust or C++ is not an assignment.
    if trimmed.starts_with("::") {
        return None;
    }
    let signs = [":=", "=>", "==", "= ", "=", ": ", ":", ">", "("];
    if let Some(sign) = signs.iter().find(|sign| trimmed.starts_with(**sign)) {
        let mut after = &trimmed[sign.len()..];
        // A type may stand between: `password: &str = "…"`, `secret: string = '…'`.
        if sign.starts_with(':') {
            let end = after.find(['\n', '"', '\'', ';', ',']).unwrap_or(after.len());
            if let Some(equals) = after[..end].find("= ").filter(|equals| *equals < 30) {
                after = &after[equals + 1..];
            }
        }
        let blanks = after.trim_start_matches([' ', '\t']);
        let form = if *sign == "(" { Form::Quoted } else { Form::Bare };
        return Some((rest.len() - blanks.len(), form));
    }
    for words in [" is now ", " is: ", " is ", " ist ", " es ", " est ", " to "] {
        if closing == 0 && starts_with_any_case(rest, words) {
            return Some((words.len(), Form::Said));
        }
    }
    (blank_is_enough && at > 0).then_some((at, Form::Bare))
}

fn starts_with_any_case(text: &str, start: &str) -> bool {
    text.as_bytes().get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
}

/// Returns the value at the beginning of `rest`: its offset, its text and its form.
fn value(rest: &str, form: Form) -> Option<(usize, &str, Form)> {
    let body = rest.trim_start_matches(['b', 'r', 'f', '@']);
    let body = if body.starts_with(['"', '\'', '`']) { body } else { rest };
    let offset = rest.len() - body.len();
    let quote = body.chars().next().filter(|first| matches!(first, '"' | '\'' | '`'));
    if let Some(quote) = quote {
        let inner = window(&body[1..], 0, MAX_VALUE);
        let end = inner.find([quote, '\n']).filter(|end| inner[*end..].starts_with(quote))?;
        let form = if form == Form::Said { Form::Said } else { Form::Quoted };
        return Some((offset + 1, inner[..end].trim_end_matches('\\'), form));
    }
    if form == Form::Quoted {
        return None;
    }
    let end = body
        .find(|letter: char| {
            letter.is_whitespace()
                || matches!(letter, '"' | '\'' | '`' | '<' | '>' | ',' | ';' | ')' | ']' | '}' | '&' | '|')
        })
        .unwrap_or(body.len());
    Some((0, body[..end].trim_end_matches(['.', '!', '?', '\\']), form))
}

/// Returns true for a number, a colour, an address of a blockchain, or the beginning of a JWT, for which there is a separate detector.
fn is_plain(value: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_');
    // An account or a contract of a chain; a private key has 64 digits.
    let account = value.strip_prefix("0x").is_some_and(|rest| rest.len() == 40 && hex(rest));
    let colour = value.strip_prefix('#').is_some_and(|rest| rest.len() <= 8 && hex(rest));
    let suffix = value.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '_');
    let sized = suffix.len() < value.len()
        && matches!(
            suffix,
            "u8" | "u16" | "u32" | "u64" | "i32" | "i64" | "usize" | "f32" | "f64" | "px" | "ms" | "em" | "s"
        );
    account
        || colour
        || sized
        || value.starts_with("0x") && value.len() <= 22
        || value.starts_with("eyJ")
        || value.starts_with("e30.")
}

/// A chosen or generated password.
fn is_a_password(value: &str, form: Form) -> bool {
    let mix = CharacterKinds::of(value);
    let fits = (6..=128).contains(&value.len()) && !value.contains(char::is_whitespace) && bits(value) >= 2.2;
    let mixed = mix.digit > 0 && mix.letters() > 0;
    let real = match form {
        Form::Quoted => (mixed || mix.kinds() >= 3) && !is_words(value),
        Form::Bare => mixed && !is_words(value),
        Form::Said => mixed && (mix.kinds() >= 3 || value.len() >= 8),
    };
    fits && real && !is_code(value, form)
}

/// A generated key.
fn is_a_key(value: &str, form: Form) -> bool {
    let mix = CharacterKinds::of(value);
    let least = if form == Form::Said { 16 } else { 12 };
    let fits = (least..=MAX_VALUE).contains(&value.len()) && !value.contains(char::is_whitespace);
    let mixed = mix.digit > 0 && mix.letters() > 0 && changes(value) * 8 >= value.len();
    // A generated key does not contain words such as `token`.
    let lower = value.to_ascii_lowercase();
    let spelled = ["token", "secret", "password", "credential"].iter().any(|word| lower.contains(word));
    fits && mixed && !spelled && bits(value) >= 2.9 && !is_code(value, form) && !is_words(value)
}

/// Returns true for an expression, a path or an identifier.
fn is_code(value: &str, form: Form) -> bool {
    // The closing bracket of a call ends a bare value, so the name of a function before the opening one must do.
    let named = |name: &str| {
        let digits = name.bytes().any(|byte| byte.is_ascii_digit());
        name.len() > 2
            && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'!' | b':'))
            && (!digits || form == Form::Bare && breaks(name) * 3 <= name.len())
    };
    let call = value
        .split_once(['(', '['])
        .is_some_and(|(name, rest)| named(name) || rest.is_empty() || value.contains('(') && value.ends_with(')'));
    let parts = |part: &str| part.len() > 1 && part.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '_');
    let member = value.contains('.') && value.split('.').all(parts);
    let path = form == Form::Bare && value.contains('.') && value.split('.').all(named);
    call || member
        || path
        || ["${", "{{", "::", "://", "\\x"].iter().any(|sign| value.contains(sign))
        || value.starts_with(['/', '.', '-', '*', '&', '!'])
}

/// The name of a constant, a type or a variable, as it stands without quotes before a comma or a bracket.
fn is_name(value: &str) -> bool {
    let mix = CharacterKinds::of(value);
    let wordy = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let one_case = value.contains('_') && (mix.small == 0 || mix.capital == 0) && mix.letters() >= mix.digit;
    wordy && !value.starts_with(|first: char| first.is_ascii_digit()) && (one_case || breaks(value) * 4 <= value.len())
}

/// Returns the number of changes between kinds of characters, without those after the capital at the beginning of a word.
fn breaks(value: &str) -> usize {
    let starts =
        value.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_uppercase() && pair[1].is_ascii_lowercase());
    changes(value) - starts.count()
}

/// Returns true for words joined by separators, each with an optional number at its end: a name and not a secret.
fn is_words(value: &str) -> bool {
    let parts: Vec<&str> = value.split(['-', '_', '.', '/', ':']).collect();
    let plain = |part: &&str| {
        let digits = part.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
        let small = digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 4;
        let capitals = part.trim_start_matches(|letter: char| letter.is_ascii_uppercase());
        small || capitals.bytes().all(|byte| byte.is_ascii_digit()) && capitals.len() <= 4
    };
    parts.len() > 1 && parts.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_match(text: &str) -> Option<&str> {
        let lower = text.to_lowercase();
        let at = WORDS
            .names
            .iter()
            .filter_map(|name| lower.find(name.as_str()).map(|at| (at, std::cmp::Reverse(name.len()))))
            .min()?;
        let place = read(text, at.0..at.0 + at.1.0)?.place;
        Some(&text[place])
    }

    #[test]
    fn values_are_found_in_every_form_of_assignment() {
        let cases = [
            ("password = \"Zebra!7rain\"", "Zebra!7rain"),
            ("DB_PASSWORD=h7Kq2mVx9s", "h7Kq2mVx9s"),
            ("{\"apiKey\": \"q8Zt3LmW0xRb5Yv1\"}", "q8Zt3LmW0xRb5Yv1"),
            ("const PASSWORD: &str = \"tr0ub4dor&3x\";", "tr0ub4dor&3x"),
            ("<password>k3Pv9Zq1t</password>", "k3Pv9Zq1t"),
            ("the password is Wint3r!storm7.", "Wint3r!storm7"),
            ("mysql --password h7Kq2mVx9s", "h7Kq2mVx9s"),
            ("machine host.io login ci password q8Zt3LmW0xRb5Yv1", "q8Zt3LmW0xRb5Yv1"),
            ("flyctl set SESSION_KEY=q8Zt3LmW0xRb5Yv1", "q8Zt3LmW0xRb5Yv1"),
        ];
        for (text, value) in cases {
            assert_eq!(first_match(text), Some(value), "{text}");
        }
    }

    #[test]
    fn references_names_and_stand_ins_are_left_alone() {
        for text in [
            "password = os.environ[\"DB_PASSWORD\"]",
            "password_hash = \"9fQz7LmXv2Rt0aBc\"",
            "token_url: https://auth.internal/oauth2/token",
            "next_page_token = \"q8Zt3LmW0xRb5Yv1\"",
            "secretName: orders-db-credentials-2",
            "password: changeme",
            "password = get_password(user2)",
            "the password is too short",
            "a failed login password h7Kq2mVx9s",
            "tokenizer = \"bert4base2uncased\"",
            "token: Token::new2(tokens, 12)",
            "secret = crypto.randomBytes(32)",
            "--pass:#1b7f4b",
            "StencilPassOp: D3D11_STENCIL_OP,",
            "token: TokenStream2)",
            "password = auth[2]",
            "key: base64.b16encode(token_bytes[8:16])",
            "PASSWORD_EXPIRED: u32 = 12014u32",
            "secret: { name: \"orders-v2\" }",
        ] {
            assert_eq!(first_match(text), None, "{text}");
        }
    }
}
