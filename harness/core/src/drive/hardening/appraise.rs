//! Decides from the signs of a case what it shows.

/// What a case shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Appraisal {
    Holds,
    /// It does not hold, by these signs.
    Violated(Vec<String>),
    /// It does not hold, but only one sign or none shows it.
    Doubtful(Option<String>),
}

/// Number of signs that make a violation. One alone may have another cause, such as a gateway that answers in place of the service.
const LEAST_SIGNS: usize = 2;

pub(super) fn appraise(holds: bool, signs: &[(&str, bool)]) -> Appraisal {
    let there = signs.iter().filter(|(_, is_there)| *is_there).map(|(sign, _)| (*sign).to_owned());
    let there: Vec<String> = there.collect();
    match there.len() {
        _ if holds => Appraisal::Holds,
        count if count < LEAST_SIGNS => Appraisal::Doubtful(there.into_iter().next()),
        _ => Appraisal::Violated(there),
    }
}

#[cfg(test)]
mod tests {
    use super::{Appraisal, appraise};

    #[test]
    fn a_case_is_violated_only_by_two_signs() {
        let signs = |one, other| [("one", one), ("other", other), ("third", false)];
        assert_eq!(appraise(true, &signs(true, false)), Appraisal::Holds);
        assert_eq!(appraise(false, &signs(false, false)), Appraisal::Doubtful(None));
        assert_eq!(appraise(false, &signs(false, true)), Appraisal::Doubtful(Some("other".to_owned())));
        let both = ["one", "other"].map(str::to_owned).to_vec();
        assert_eq!(appraise(false, &signs(true, true)), Appraisal::Violated(both));
    }
}
