//! Cost of tokens in whole micro-dollars, rounded up: a call never costs less in the ledger than on the bill.

const PER_TOKENS: u128 = 1_000_000;

/// Micro-dollars for a million tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prices {
    pub(super) prompt: u64,
    pub(super) completion: u64,
}

impl Prices {
    pub(super) fn cost(self, prompt_tokens: u64, completion_tokens: u64) -> u64 {
        let prompt = u128::from(self.prompt) * u128::from(prompt_tokens);
        let exact = prompt.saturating_add(u128::from(self.completion) * u128::from(completion_tokens));
        u64::try_from(exact.div_ceil(PER_TOKENS)).unwrap_or(u64::MAX)
    }

    /// Returns the highest possible cost of a request. It counts each byte as a token, because a token has at least one byte.
    pub(super) fn most(self, bytes: usize, completion_tokens: u64) -> u64 {
        self.cost(u64::try_from(bytes).unwrap_or(u64::MAX), completion_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::Prices;

    #[test]
    fn a_fraction_of_a_micro_dollar_is_a_whole_one() {
        let prices = Prices { prompt: 150_000, completion: 600_000 };
        assert_eq!(prices.cost(0, 0), 0);
        assert_eq!(prices.cost(1, 0), 1);
        assert_eq!(prices.cost(1_000, 500), 450);
        assert_eq!(Prices { prompt: u64::MAX, completion: u64::MAX }.cost(u64::MAX, u64::MAX), u64::MAX);
    }
}
