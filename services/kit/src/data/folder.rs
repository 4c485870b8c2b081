//! Reads the YAML files of a folder as text, within limits.

use super::Problem;
use std::io::Read;
use std::path::Path;

/// A data file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Name relative to the folder, such as `own.yaml` or `organisations/acme.yaml`.
    pub name: String,
    pub text: String,
}

#[derive(Debug, Clone, Copy)]
pub struct FolderLimits {
    pub files: usize,
    pub file_bytes: usize,
}

/// Reads `*.yaml` and `*.yml` of `folder`, or of its subfolder `sub`, in the order of their names; hidden files are skipped.
///
/// # Errors
/// A problem for each file that cannot be read.
pub fn read(folder: &Path, sub: Option<&str>, limits: FolderLimits) -> Result<Vec<DataFile>, Vec<Problem>> {
    let path = sub.map_or_else(|| folder.to_owned(), |sub| folder.join(sub));
    let shown = sub.map_or_else(|| folder.display().to_string(), str::to_owned);
    let names =
        names(&path).map_err(|error| vec![Problem::of_file(&shown, format!("the folder cannot be read: {error}"))])?;
    if names.len() > limits.files {
        let message = format!("the folder has {} files; at most {} are allowed", names.len(), limits.files);
        return Err(vec![Problem::of_file(shown, message)]);
    }
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for name in names {
        let text = read_file(&path.join(&name), limits.file_bytes);
        let name = sub.map_or_else(|| name.clone(), |sub| format!("{sub}/{name}"));
        match text {
            Ok(text) => files.push(DataFile { name, text }),
            Err(why) => problems.push(Problem::of_file(name, why)),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let wanted = !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
        // `Path::is_file` follows links: a mounted ConfigMap is a folder of links.
        if wanted && entry.path().is_file() {
            names.push(name);
        }
    }
    // `read_dir` has no order; problems and versions must not depend on it.
    names.sort();
    Ok(names)
}

fn read_file(file: &Path, most: usize) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("the file cannot be read: {error}");
    let mut bytes = Vec::new();
    // One byte more than allowed shows that a file is too large, without reading the rest of it.
    let file = std::fs::File::open(file).map_err(unreadable)?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > most {
        return Err(format!("the file has more than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FolderLimits = FolderLimits { files: 3, file_bytes: 10 };

    #[test]
    fn yaml_files_are_read_in_order_and_others_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub.yaml")).unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for name in ["b.yaml", "a.yml", "note.txt", ".hidden.yaml", "sub/c.yaml"] {
            std::fs::write(folder.path().join(name), "a: 1\n").unwrap();
        }
        let names =
            |sub| read(folder.path(), sub, LIMITS).unwrap().into_iter().map(|file| file.name).collect::<Vec<_>>();
        assert_eq!(
            (names(None), names(Some("sub"))),
            (vec!["a.yml".into(), "b.yaml".into()], vec!["sub/c.yaml".into()])
        );
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let problem = || read(folder.path(), None, LIMITS).unwrap_err()[0].to_string();
        std::fs::write(folder.path().join("a.yaml"), b"\xff\xfe").unwrap();
        assert_eq!(problem(), "a.yaml:1: the file is not UTF-8");
        std::fs::write(folder.path().join("a.yaml"), "a: 12345678").unwrap();
        assert_eq!(problem(), "a.yaml:1: the file has more than 10 bytes");
        for name in ["a", "b", "c", "d"] {
            std::fs::write(folder.path().join(format!("{name}.yaml")), "").unwrap();
        }
        assert!(problem().contains("the folder has 4 files; at most 3 are allowed"));
        let missing = read(&folder.path().join("none"), None, LIMITS).unwrap_err();
        assert!(missing[0].message.starts_with("the folder cannot be read"));
    }
}
