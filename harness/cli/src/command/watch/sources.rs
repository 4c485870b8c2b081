//! The source files of each service, from the `.d` files that cargo writes beside the programs.

use crate::exit::Failure;
use mcp_contracts::Service;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The source files of each service.
pub(super) struct Sources {
    of: Vec<(Service, BTreeSet<PathBuf>)>,
}

impl Sources {
    /// Reads the `.d` files beside the program of the harness.
    pub(super) fn of(executable: &Path) -> Result<Self, Failure> {
        let read = |service: Service| {
            let path = executable.with_file_name(format!("{}.d", service.binary()));
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let hint = "run the harness from the target folder of cargo, as `make mcp-up` does";
                Failure::usage(format!("`{}` cannot be read: {error}\nhint: {hint}", path.display()))
            })?;
            Ok((service, files(&text)))
        };
        Ok(Self { of: Service::ALL.into_iter().map(read).collect::<Result<_, Failure>>()? })
    }

    /// Returns the folders of all source files.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let files = self.of.iter().flat_map(|(_, files)| files);
        files.filter_map(|file| file.parent()).filter(|folder| folder.is_dir()).map(Path::to_owned).collect()
    }

    /// Returns the services that use at least one of these files.
    pub(super) fn affected(&self, changed: &BTreeSet<PathBuf>) -> Vec<Service> {
        let hit = self.of.iter().filter(|(_, files)| !files.is_disjoint(changed));
        hit.map(|(service, _)| *service).collect()
    }
}

/// Returns the prerequisites of a rule of `make`. In the rule, a backslash escapes a space in a name.
fn files(text: &str) -> BTreeSet<PathBuf> {
    let rule = text.lines().next().unwrap_or_default();
    let behind = rule.split_once(": ").map_or("", |(_, files)| files).replace("\\ ", "\0");
    behind.split(' ').filter(|file| !file.is_empty()).map(|file| PathBuf::from(file.replace('\0', " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, PathBuf, Service, Sources, files};

    #[test]
    fn a_shared_file_affects_every_service_and_an_own_file_only_its_service() {
        let of = vec![
            (Service::Memory, files("/t/mcp-memory: /s/kit.rs /s/my\\ memory.rs\n")),
            (Service::Patterns, files("/t/mcp-patterns: /s/kit.rs /s/patterns.rs\n")),
        ];
        let sources = Sources { of };
        let affected = |file: &str| sources.affected(&BTreeSet::from([PathBuf::from(file)]));
        assert_eq!(affected("/s/kit.rs"), [Service::Memory, Service::Patterns]);
        assert_eq!(affected("/s/my memory.rs"), [Service::Memory]);
        assert_eq!(affected("/s/patterns.rs~"), []);
    }
}
