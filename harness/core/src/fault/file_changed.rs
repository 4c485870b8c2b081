//! A file of rules or patterns is another one, or gone, while a service watches its folder: a policy that became stricter, a pattern that was
//! withdrawn. It takes the place of the old one as a whole, as in a careful rollout. What the service makes of it is for the checks to say.

use super::error::FaultError;
use super::injection::Injection;
use crate::stack::undo::{Undo, UndoGuard};
use mcp_contracts::Service;

pub(super) fn inject(
    injection: &Injection<'_>,
    service: Service,
    file: &str,
    text: Option<&str>,
) -> Result<UndoGuard, FaultError> {
    let stack = injection.stack;
    let path = stack.file(service, file).map_err(|error| injection.stack_failed(error))?;
    let undo = match std::fs::read_to_string(&path) {
        Ok(text) => Undo::WriteFile { path, text },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Undo::RemoveFile { path },
        Err(error) => return Err(injection.refused(format!("`{}` cannot be read: {error}", path.display()))),
    };
    let owed = injection.must_undo(undo)?;
    let changed = match text {
        Some(text) => stack.write_file(service, file, text),
        None => stack.remove_file(service, file),
    };
    changed.map_err(|error| injection.stack_failed(error))?;
    Ok(owed)
}

/// What is wrong with the name of such a file; `None` where nothing is.
pub(super) fn bad_name(file: &str) -> Option<String> {
    let inside = std::path::Path::new(file).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let read = file.ends_with(".yaml") || file.ends_with(".yml");
    (!inside || !read).then(|| {
        format!(
            "`file = \"{file}\"` is not a file that a service reads: a path inside its folder that ends with `.yaml`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::bad_name;

    #[test]
    fn only_what_a_service_reads_can_change() {
        for good in ["stricter.yaml", "organisations/acme.yml"] {
            assert_eq!(bad_name(good), None);
        }
        for bad in ["", "rules.txt", "../rules.yaml", "/rules.yaml", "a/../../b.yaml"] {
            assert!(bad_name(bad).is_some(), "{bad}");
        }
    }
}
