//! The files that services have when they start: `[[given]]` with `service`, `file` and `text`. A fault that changes files needs one, because
//! a service watches a folder only if it was started with one.

use super::{ExperimentParser, service};
use crate::fault::{FaultKind, FaultOrder, FileChanged};
use crate::plan::Backend;
use crate::plan::ProvidedFile;
use crate::plan::topology::Topology;
use std::ops::Range;
use toml_edit::{Item, Table};

impl ExperimentParser<'_> {
    pub(super) fn provided_files(
        &mut self,
        table: &Table,
        topology: &Topology,
        faults: &[FaultOrder],
    ) -> Vec<ProvidedFile> {
        let mut given = Vec::new();
        for table in table.get("given").and_then(Item::as_array_of_tables).into_iter().flatten() {
            let Some(file) = self.provided_file(table, topology) else { continue };
            let is_it = |other: &ProvidedFile| (other.service, &other.file) == (file.service, &file.file);
            if given.iter().any(is_it) {
                let what = format!("`{}` is provided to `{}` twice", file.file, file.service.name());
                self.notes.note(table.span(), "given", what, "each file once");
            }
            given.push(file);
        }
        let tables = table.get("fault").and_then(Item::as_array_of_tables);
        let spans: Vec<_> = tables.into_iter().flatten().map(Table::span).collect();
        for (at, order) in faults.iter().enumerate() {
            self.can_change(spans.get(at).cloned().flatten(), order, &given);
        }
        given
    }

    fn provided_file(&mut self, table: &Table, topology: &Topology) -> Option<ProvidedFile> {
        self.notes.unknown_keys(table, "given.", &["service", "file", "text"]);
        let text = |parser: &mut Self, key: &str| parser.notes.string(table, key, None).unwrap_or_default().to_owned();
        let (name, file, text) = (text(self, "service"), text(self, "file"), text(self, "text"));
        let Some(service) = service(&name) else {
            if let Some(item) = table.get("service") {
                self.no_service(item, "given.service", &name);
            }
            return None;
        };
        let file = ProvidedFile { service, file, text };
        // A file that a fault could not change cannot be provided either.
        let change = FaultKind::FileChanged(FileChanged { service, file: file.file.clone(), text: None });
        for problem in change.problems(topology, &Backend::Process) {
            self.notes.note(table.span(), "given", problem, "a file of rules or patterns");
        }
        Some(file)
    }

    /// Adds a problem for a fault that changes a file of a service without a folder, or that removes a file that does not exist.
    fn can_change(&mut self, span: Option<Range<usize>>, order: &FaultOrder, given: &[ProvidedFile]) {
        let FaultKind::FileChanged(FileChanged { service, file, text }) = &order.fault else { return };
        let mut of_service = given.iter().filter(|given| given.service == *service).peekable();
        if of_service.peek().is_none() {
            let what = format!("`{}` watches no folder of files, so none can change", service.name());
            let wanted = format!("a `[[given]]` with `service = \"{}\"`", service.name());
            self.notes.note(span, "fault", what, &wanted);
        } else if text.is_none() && !of_service.any(|given| given.file == *file) {
            let what = format!("`{file}` cannot be removed because it does not exist");
            self.notes.note(span, "fault", what, "a file of a `[[given]]`, or a `text`");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::drive::experiment::{ExperimentError, find, read};

    /// Returns the problems of an experiment of the catalogue after one change.
    fn problem_of(name: &str, from: &str, to: &str) -> String {
        let path = format!("{}/../../chaos/experiments/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from}");
        match read(name, "x.toml", &text.replace(from, to)) {
            Err(error @ ExperimentError::Problems(_)) => error.to_string(),
            other => panic!("no problem: {other:?}"),
        }
    }

    #[test]
    fn a_service_gets_its_files() {
        let experiment = find("stale-pattern", None).unwrap();
        assert_eq!(experiment.given.len(), 2);
        assert!(experiment.given[0].text.contains("own-incident"));
    }

    #[test]
    fn a_file_that_cannot_be_provided_or_changed_is_reported_with_its_line() {
        let problem =
            problem_of("policy-change", "[[given]]\nservice = \"guardrails\"", "[[given]]\nservice = \"patterns\"");
        assert!(problem.contains("`guardrails` watches no folder of files"), "{problem}");
        let problem = problem_of(
            "stale-pattern",
            "[[given]]\nservice = \"patterns\"\nfile = \"own.yaml\"",
            "[[given]]\nservice = \"patterns\"\nfile = \"third.yaml\"",
        );
        assert!(
            problem.contains("x.toml:53") && problem.contains("`own.yaml` cannot be removed because it does not exist"),
            "{problem}"
        );
        let problem =
            problem_of("policy-change", "[[given]]\nservice = \"guardrails\"", "[[given]]\nservice = \"guardrail\"");
        assert!(problem.contains("x.toml:11") && problem.contains("`guardrail` is not a service"), "{problem}");
        let problem = problem_of("stale-pattern", "file = \"other.yaml\"", "file = \"own.yaml\"");
        assert!(problem.contains("`own.yaml` is provided to `patterns` twice"), "{problem}");
        let problem = problem_of("policy-change", "about = ", "stack = \"memory\"\nabout = ");
        assert!(problem.contains("x.toml:11: `given`: there is no `guardrails` in this stack"), "{problem}");
        let problem = problem_of("policy-change", "file = \"own.yaml\"", "file = \"../own.yaml\"");
        assert!(problem.contains("a path inside its folder"), "{problem}");
    }
}
