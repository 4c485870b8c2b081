//! `file_changed`: a file of rules or patterns is replaced or removed while a service watches its folder, as when a
//! policy becomes stricter or a pattern is withdrawn. The checks judge how the service reacts.

use super::injection::Injection;
use super::kind::{Fault, FaultResources, Step};
use crate::plan::topology::Topology;
use crate::stack::undo::Undo;
use harness_history::experiment::FILE_CHANGED;
use mcp_contracts::Service;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileChanged {
    /// `guardrails` or `patterns`.
    pub service: Service,
    /// Path of the file in the folder of the service.
    pub file: String,
    /// The new content; if omitted, the file is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Fault for FileChanged {
    fn kind(&self) -> &'static str {
        FILE_CHANGED
    }

    fn target(&self) -> String {
        self.service.name().to_owned()
    }

    fn problems(&self, topology: &Topology) -> Vec<String> {
        let name = self.service.name();
        let no_folder = match self.service {
            Service::Guardrails | Service::Patterns => {
                let missing = topology.of(self.service).next().is_none();
                missing.then(|| format!("there is no `{name}` in this stack"))
            }
            Service::Memory | Service::Orchestrator => {
                Some(format!("`{name}` reads no files that can change; `guardrails` and `patterns` do"))
            }
        };
        no_folder.into_iter().chain(bad_path(&self.file)).collect()
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(async move {
            let stack = injection.stack;
            let path = stack.file(self.service, &self.file).map_err(|error| injection.stack_failed(error))?;
            // The undo has the whole text, because the watchdog or a later harness must restore it without this
            // process.
            let undo = match std::fs::read_to_string(&path) {
                Ok(text) => Undo::WriteFile { path, text },
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Undo::RemoveFile { path },
                Err(error) => return Err(injection.refused(format!("`{}` cannot be read: {error}", path.display()))),
            };
            let guard = injection.must_undo(undo)?;
            // The file is replaced as a whole, as in a careful rollout: a half-written file would be another fault.
            let changed = match &self.text {
                Some(text) => stack.write_file(self.service, &self.file, text),
                None => stack.remove_file(self.service, &self.file),
            };
            changed.map_err(|error| injection.stack_failed(error))?;
            Ok(guard.into())
        })
    }
}

fn bad_path(file: &str) -> Option<String> {
    // `..` and absolute paths are refused, so that an experiment cannot change a file outside the folder of the run.
    let inside = Path::new(file).components().all(|component| matches!(component, Component::Normal(_)));
    let read = file.ends_with(".yaml") || file.ends_with(".yml");
    (!inside || !read).then(|| {
        format!(
            "`file = \"{file}\"` is not a file that a service reads: a path inside its folder that ends with `.yaml`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::bad_path;

    #[test]
    fn only_files_that_a_service_reads_can_change() {
        for good in ["stricter.yaml", "organisations/acme.yml"] {
            assert_eq!(bad_path(good), None);
        }
        for bad in ["", "rules.txt", "../rules.yaml", "/rules.yaml", "a/../../b.yaml"] {
            assert!(bad_path(bad).is_some(), "{bad}");
        }
    }
}
