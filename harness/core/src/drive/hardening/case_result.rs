//! Decides from the signs of a case what it shows.

/// What a case shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CaseResult {
    Holds,
    /// It does not hold, by these signs.
    Violated(Vec<String>),
    /// It does not hold, but only one sign or none shows it.
    Doubtful(Option<String>),
}

/// Number of signs that make a violation. One alone may have another cause, such as a gateway that answers in place of the service.
const LEAST_SIGNS: usize = 2;

pub(super) fn classify_case(holds: bool, signs: &[(&str, bool)]) -> CaseResult {
    let there = signs.iter().filter(|(_, is_there)| *is_there).map(|(sign, _)| (*sign).to_owned());
    let there: Vec<String> = there.collect();
    match there.len() {
        _ if holds => CaseResult::Holds,
        count if count < LEAST_SIGNS => CaseResult::Doubtful(there.into_iter().next()),
        _ => CaseResult::Violated(there),
    }
}

#[cfg(test)]
mod tests {
    use super::{CaseResult, classify_case};

    #[test]
    fn a_case_is_violated_only_by_two_signs() {
        let signs = |one, other| [("one", one), ("other", other), ("third", false)];
        assert_eq!(classify_case(true, &signs(true, false)), CaseResult::Holds);
        assert_eq!(classify_case(false, &signs(false, false)), CaseResult::Doubtful(None));
        assert_eq!(classify_case(false, &signs(false, true)), CaseResult::Doubtful(Some("other".to_owned())));
        let both = ["one", "other"].map(str::to_owned).to_vec();
        assert_eq!(classify_case(false, &signs(true, true)), CaseResult::Violated(both));
    }
}
