//! Reads the operator's folder of rules: its files, and under `organisations` one file for each organisation. The one place here that
//! touches a disk.

use super::library::{Origin, Source};
use super::problem::{Problem, Problems};
use super::read::MAX_FILE_BYTES;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// Folder of the files of organisations.
pub const ORGANISATIONS: &str = "organisations";
/// Most files in a folder.
const MAX_FILES: usize = 2_000;
/// Longest id of an organisation, in bytes.
const MAX_ORGANISATION_BYTES: usize = 128;

/// The files of `folder`, in the order of their names.
///
/// # Errors
/// Names every file that cannot be read.
pub fn sources(folder: &Path) -> Result<Vec<Source>, Problems> {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for name in names(folder, "", &mut problems) {
        read(folder, &name, Origin::Operator, &mut sources, &mut problems);
    }
    if folder.join(ORGANISATIONS).is_dir() {
        for name in names(&folder.join(ORGANISATIONS), ORGANISATIONS, &mut problems) {
            let organisation = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem).to_owned();
            let shown = format!("{ORGANISATIONS}/{name}");
            if is_organisation(&organisation) {
                read(folder, &shown, Origin::Organisation(organisation), &mut sources, &mut problems);
            } else {
                problems
                    .push(whole(&shown, "its name is not the id of an organisation: letters, digits, `.`, `_`, `-`"));
            }
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(Problems(problems)) }
}

/// What tells one state of the files from another.
pub fn fingerprint(sources: &Result<Vec<Source>, Problems>) -> [u8; 32] {
    let mut digest = Sha256::new();
    match sources {
        Ok(sources) => sources.iter().for_each(|source| {
            digest.update((source.name.len() as u64).to_be_bytes());
            digest.update(&source.name);
            digest.update((source.text.len() as u64).to_be_bytes());
            digest.update(&source.text);
        }),
        Err(problems) => digest.update(problems.to_string()),
    }
    digest.finalize().into()
}

/// An id of an organisation that can be a file's name; it can never name another folder.
fn is_organisation(id: &str) -> bool {
    (1..=MAX_ORGANISATION_BYTES).contains(&id.len())
        && !id.starts_with('.')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn names(folder: &Path, shown: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let shown = if shown.is_empty() { folder.display().to_string() } else { shown.to_owned() };
            problems.push(whole(&shown, &format!("the folder cannot be read: {error}")));
            return Vec::new();
        }
    };
    // A link counts as what it leads to: mounted folders are often made of links.
    let is_file = |entry: &std::fs::DirEntry| entry.path().is_file();
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(is_file)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml")))
        .collect();
    names.sort();
    if names.len() > MAX_FILES {
        problems.push(whole(shown, &format!("{} files; at most {MAX_FILES}", names.len())));
        names.truncate(MAX_FILES);
    }
    names
}

fn read(folder: &Path, name: &str, origin: Origin, sources: &mut Vec<Source>, problems: &mut Vec<Problem>) {
    let mut text = String::new();
    let limit = MAX_FILE_BYTES as u64 + 1;
    let read = std::fs::File::open(folder.join(name)).and_then(|file| file.take(limit).read_to_string(&mut text));
    match read {
        Ok(_) => sources.push(Source { name: name.to_owned(), origin, text }),
        Err(error) => problems.push(whole(name, &format!("it cannot be read: {error}"))),
    }
}

fn whole(file: &str, message: &str) -> Problem {
    Problem { file: file.to_owned(), line: 1, rule: None, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_organisation_never_leads_out_of_its_folder() {
        for id in ["acme", "acme-2", "a.b_c", "A"] {
            assert!(is_organisation(id), "{id}");
        }
        for id in ["", ".", "..", "../acme", "a/b", "a\\b", ".hidden", "a b", "ä", "a\0", &"x".repeat(129)] {
            assert!(!is_organisation(id), "{id}");
        }
    }

    #[test]
    fn files_of_the_operator_and_of_organisations_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(ORGANISATIONS)).unwrap();
        for name in ["b.yaml", "a.yml", "note.txt", ".hidden.yaml", "organisations/acme.yaml"] {
            std::fs::write(folder.path().join(name), "rules:\n").unwrap();
        }
        let sources = sources(folder.path()).unwrap();
        let found: Vec<(&str, &Origin)> = sources.iter().map(|source| (&*source.name, &source.origin)).collect();
        let acme = Origin::Organisation("acme".into());
        assert_eq!(
            found,
            [("a.yml", &Origin::Operator), ("b.yaml", &Origin::Operator), ("organisations/acme.yaml", &acme)]
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), b"\xff\xfe").unwrap();
        assert!(sources(folder.path()).unwrap_err().to_string().contains("a.yaml:1: it cannot be read"));
        assert!(sources(&folder.path().join("none")).unwrap_err().to_string().contains("the folder cannot be read"));
    }
}
