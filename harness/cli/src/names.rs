//! Names that somebody typed and nobody has: told with those that exist, the nearest first.

/// Least likeness of a name that is suggested.
const LIKE: f64 = 0.7;

/// Says that nothing of that kind has that name, and what was probably meant.
pub(crate) fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match nearest(name, known) {
        Some(near) => format!("no {kind} is called `{name}`; did you mean `{near}`? There are {all}"),
        None => format!("no {kind} is called `{name}`; there are {all}"),
    }
}

/// The known name that is most like it.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |other: &&str| strsim::jaro_winkler(name, other);
    let best = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) >= LIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn what_was_meant_is_suggested_and_nothing_far_off_is() {
        let known = ["tenant-isolation", "quota"];
        assert!(unknown("scenario", "tenant-isolaton", &known).contains("did you mean `tenant-isolation`"));
        let far = unknown("scenario", "weather", &known);
        assert!(!far.contains("did you mean") && far.contains("tenant-isolation, quota"), "{far}");
    }
}
