//! The built-in rules, from the files in `fixtures/rules`.

use super::source::{Origin, Source};

const FILES: [(&str, &str); 8] = [
    ("availability.yaml", include_str!("../../../../fixtures/rules/availability.yaml")),
    ("data-integrity.yaml", include_str!("../../../../fixtures/rules/data-integrity.yaml")),
    ("financial.yaml", include_str!("../../../../fixtures/rules/financial.yaml")),
    ("icons.yaml", include_str!("../../../../fixtures/rules/icons.yaml")),
    ("integration.yaml", include_str!("../../../../fixtures/rules/integration.yaml")),
    ("performance.yaml", include_str!("../../../../fixtures/rules/performance.yaml")),
    ("security.yaml", include_str!("../../../../fixtures/rules/security.yaml")),
    ("testing.yaml", include_str!("../../../../fixtures/rules/testing.yaml")),
];

pub fn sources() -> Vec<Source> {
    let source = |(name, text): (&str, &str)| Source {
        name: format!("built-in {name}"),
        origin: Origin::BuiltIn,
        text: text.to_owned(),
    };
    FILES.into_iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Library, SubjectKind};
    use std::collections::BTreeSet;

    #[test]
    fn every_built_in_rule_passes_its_own_tests() {
        // Tests are run for rules of an operator only.
        let tested: Vec<Source> =
            sources().into_iter().map(|source| Source { origin: Origin::Operator, ..source }).collect();
        if let Err(problems) = Library::build(&tested) {
            panic!("{problems}");
        }
    }

    #[test]
    fn there_are_at_least_sixty_rules_in_every_category_and_no_two_are_equal() {
        let library = Library::build(&sources()).unwrap();
        let rules: Vec<_> = library.common().set.rules().iter().map(|rule| &rule.compiled.rule).collect();
        let actions = rules.iter().filter(|rule| rule.subject == SubjectKind::Action).count();
        assert!(actions >= 60, "{actions}");
        let categories: BTreeSet<&str> = rules.iter().map(|rule| rule.category.as_str()).collect();
        let expected = [
            "availability",
            "data-integrity",
            "financial",
            "icons",
            "integration",
            "performance",
            "security",
            "testing",
        ];
        assert_eq!(categories, BTreeSet::from(expected));
        let texts: [fn(&crate::rules::Rule) -> &str; 3] =
            [|rule| &rule.title, |rule| &rule.message, |rule| &rule.remediation];
        for text in texts {
            assert_eq!(rules.iter().map(|rule| text(rule)).collect::<BTreeSet<_>>().len(), rules.len());
        }
    }

    #[test]
    fn the_list_has_every_file_of_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/rules");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yaml"))
            .collect();
        names.sort();
        assert_eq!(names, FILES.map(|(name, _)| name));
    }
}
