//! The built-in catalogue files.

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        /// Names and texts of the files.
        pub(super) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../fixtures/catalog/", $name)))),+];
    };
}

files!(
    "agents.yaml",
    "api-design.yaml",
    "code-review.yaml",
    "cost.yaml",
    "data.yaml",
    "debugging.yaml",
    "decisions.yaml",
    "delivery.yaml",
    "documentation.yaml",
    "incident-response.yaml",
    "migrations.yaml",
    "operations.yaml",
    "performance.yaml",
    "refactoring.yaml",
    "root-cause.yaml",
    "security.yaml",
    "team.yaml",
    "testing.yaml",
);
