//! The built-in catalogue files.

// `include_str!` takes only literals, so the files are listed. A test compares the list with the folder.
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
