//! Names of the files of a history: `history.jsonl`, then `history.jsonl.0002`, `history.jsonl.0003`, … (decision 0045). The order of their names is the
//! order of recording, so that `cat history.jsonl*` is the whole history.

use super::run_dir::HISTORY;
use std::io;
use std::path::Path;

/// Bytes after which a history continues in another file. A file ends with a whole line, so it may be longer by the block that filled it.
pub const FILE_BYTES: u64 = 256 << 20;

/// Returns the name of a file of a history; its number counts from 1.
pub fn name(number: u32) -> String {
    if number <= 1 { HISTORY.to_owned() } else { format!("{HISTORY}.{number:04}") }
}

/// Returns the number of a file of a history; `None` if the name is that of another file.
pub fn number(file: &str) -> Option<u32> {
    let rest = file.strip_prefix(HISTORY)?;
    if rest.is_empty() {
        return Some(1);
    }
    let number = rest.strip_prefix('.')?.parse().ok()?;
    // Only one spelling of each number, because a second one would be another file with the same number.
    (number > 1 && name(number) == file).then_some(number)
}

/// Returns the names of the files of a history that exist, in the order of recording. A file that is missing between two others is not in the list.
///
/// # Errors
/// The folder cannot be read.
pub fn list(run_dir: &Path) -> io::Result<Vec<String>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(run_dir)? {
        numbers.extend(entry?.file_name().to_str().and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(name).collect())
}

/// Returns the names of the files of a history that exist, and of the first one that is missing: opening that one fails, with its name.
///
/// # Errors
/// The folder cannot be read.
pub fn whole(run_dir: &Path) -> io::Result<Vec<String>> {
    let mut files = list(run_dir)?;
    // Not every name up to the last one: a file with a high number would make billions of them.
    let missing = (1..).zip(&files).find(|(at, file)| name(*at) != **file).map(|(at, _)| at);
    if let Some(at) = missing {
        files.insert(at as usize - 1, name(at));
    }
    if files.is_empty() {
        files.push(name(1));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{list, name, number, whole};

    #[test]
    fn names_are_in_the_order_of_recording_and_come_back_as_numbers() {
        let names: Vec<String> = (1..=12).map(name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.iter().map(|name| number(name)).eq((1..=12).map(Some)));
        for other in ["history.jsonl.1", "history.jsonl.0001", "history.jsonl.2", "history.jsonl.part", "samples.jsonl"]
        {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn a_file_that_is_missing_between_two_others_is_part_of_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        for file in [name(1), name(3), "driver.json".to_owned()] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        assert_eq!(list(dir.path()).unwrap(), [name(1), name(3)]);
        assert_eq!(whole(dir.path()).unwrap(), [name(1), name(2), name(3)]);
        std::fs::remove_file(dir.path().join(name(3))).unwrap();
        std::fs::write(dir.path().join(name(u32::MAX)), "").unwrap();
        assert_eq!(whole(dir.path()).unwrap(), [name(1), name(2), name(u32::MAX)]);
        assert_eq!(whole(tempfile::tempdir().unwrap().path()).unwrap(), [name(1)]);
    }
}
