//! The order of the folders of this crate: each uses only those before it. docs/ARCHITECTURE.md draws the same order.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use std::fs;
use std::path::Path;

/// Lowest first.
const FOLDERS: &[&str] = &["plan", "stack", "fault", "observe", "drive", "judge", "report", "run"];

/// Returns the folders that a source text names by `crate::<folder>`, except in comments and tests.
fn used_folders(text: &str) -> Vec<&str> {
    let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = production.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = lines.flat_map(|line| line.split("crate::").skip(1));
    after.filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_').next()).collect()
}

/// Returns one line for each upward edge of a file.
fn upward_edges(folder: &str, file: &str, text: &str) -> Vec<String> {
    let rank = |name: &str| FOLDERS.iter().position(|folder| *folder == name);
    let own = rank(folder).unwrap_or_else(|| panic!("`{file}` is in no folder of the list"));
    let mut edges = Vec::new();
    for used in used_folders(text) {
        match rank(used) {
            None => edges.push(format!("`{file}` names `crate::{used}`, which is not in the list of folders")),
            Some(rank) if rank > own => edges.push(format!("`{file}` uses `{used}`, which comes after `{folder}`")),
            Some(_) => {}
        }
    }
    edges
}

fn edges_below(folder: &str, path: &Path) -> Vec<String> {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().flat_map(|entry| edges_below(folder, &entry.unwrap().path())).collect();
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return Vec::new();
    }
    upward_edges(folder, &path.display().to_string(), &fs::read_to_string(path).unwrap())
}

#[test]
fn every_folder_uses_only_those_before_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(&src).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "lib" || FOLDERS.contains(&module), "`{name}` is in no folder of the list {FOLDERS:?}");
    }
    let edges: Vec<String> = FOLDERS
        .iter()
        .flat_map(|folder| {
            let mut edges = edges_below(folder, &src.join(format!("{folder}.rs")));
            edges.extend(edges_below(folder, &src.join(folder)));
            edges
        })
        .collect();
    assert_eq!(edges, Vec::<String>::new());
}

#[test]
fn an_upward_edge_is_rejected_in_imports_and_in_paths() {
    let grouped = "use crate::{plan, judge::judge};";
    for text in ["use crate::judge::judge;", "fn verdict() -> crate::judge::Judgement {}", grouped] {
        assert_eq!(upward_edges("stack", "a.rs", text).len(), 1, "{text}");
    }
    let allowed = "use crate::plan::Plan;\n// crate::judge\n#[cfg(test)]\nmod tests {\n    use crate::judge::judge;\n}";
    assert_eq!(upward_edges("stack", "a.rs", allowed), Vec::<String>::new());
}
