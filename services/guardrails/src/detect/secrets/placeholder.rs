//! Values that stand in for a secret: examples, references, templates, masks. What a real secret looks like is not known here.

use super::words::WORDS;

/// Returns true if a value is a placeholder for a secret.
pub(super) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    WORDS.references.iter().any(|reference| value.starts_with(reference.as_str()))
        || WORDS.stand_ins.iter().any(|word| lower.contains(word.as_str()))
        || WORDS.whole_stand_ins.contains(&lower)
        || repeats(value)
        || is_sequence(&lower)
        || is_uuid(value)
        || ["$2a$", "$2b$", "$2y$", "$argon2", "{SSHA}", "pbkdf2", "sha256:", "sha512:", "sha1:", "md5:"]
            .iter()
            .any(|hash| value.starts_with(hash))
}

/// One or two characters over and over.
fn repeats(value: &str) -> bool {
    let mut seen = [false; 256];
    value.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    seen.into_iter().filter(|seen| *seen).count() < 4
}

/// Characters in the order of the alphabet or of a keyboard, for the most part.
fn is_sequence(lower: &str) -> bool {
    let bytes = lower.as_bytes();
    let steps = bytes.windows(2).filter(|pair| pair[1] == pair[0].wrapping_add(1) || pair == b"90").count();
    bytes.len() > 4 && steps * 4 >= (bytes.len() - 1) * 3 || lower.contains("qwerty") || lower.contains("1234567")
}

/// An id of the usual form.
pub(super) fn is_uuid(value: &str) -> bool {
    let parts: Vec<usize> = value.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && value.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_distinguished_from_a_real_secret() {
        for value in [
            "changeme",
            "<token>",
            "${DB_PASSWORD}",
            "your-api-key-here",
            "xxxxxxxxxxxxxxxx",
            "AKIAEXAMPLE1234",
            "{{ secret }}",
            "os.environ[\"A\"]",
            "********",
            "0a1b2c3d-0000-4000-8000-00000000abcd",
            "abcdefghijklmnop",
            "1234567890123456",
            "$2b$12$abcdefgh",
            "Password",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in ["Xk29vQ7tLmPz4w", "Falcon2!Zebra", "9fQz7LmXv2Rt", "correct-Horse7-battery"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }
}
