//! Messages for unknown names. Each lists the known names and suggests the most similar one.

use harness_core::plan::data_file::nearest;

/// Returns the message for a name that does not exist.
pub(crate) fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("there is no {kind} `{name}`; did you mean `{near}`? Known: {all}"),
        None => format!("there is no {kind} `{name}`; known: {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn the_nearest_name_is_suggested_only_if_it_is_near() {
        let known = ["tenant-isolation", "quota"];
        assert!(unknown("scenario", "tenant-isolaton", &known).contains("did you mean `tenant-isolation`"));
        let far = unknown("scenario", "weather", &known);
        assert!(!far.contains("did you mean") && far.contains("tenant-isolation, quota"), "{far}");
    }
}
