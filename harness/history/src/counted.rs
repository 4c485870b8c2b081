//! A number with its noun. Every sentence of the harness that counts something uses this, so that none has "1 checks".

use std::fmt::Display;

/// Returns a number with its noun: `1 call`, `3 calls`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    let noun = if count == N::from(1) { one } else { many };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn only_one_is_singular() {
        let texts = [0_u64, 1, 2].map(|count| counted(count, "entry", "entries"));
        assert_eq!(texts, ["0 entries", "1 entry", "2 entries"]);
        assert_eq!(counted(1_usize, "check", "checks"), "1 check");
    }
}
