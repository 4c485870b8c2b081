//! Names of functions and types.

use crate::Finding;
use crate::rust_source::{Kind, Piece, pieces, test_lines};
use crate::tree::File;
use std::collections::BTreeMap;

/// Participles, adverbs and conjunctions say neither what a function does nor what it returns.
const FUNCTIONS: &[&str] = &[
    "told",
    "said",
    "asked",
    "heard",
    "found",
    "seen",
    "known",
    "given",
    "owed",
    "left",
    "held",
    "had",
    "far",
    "because",
    "meanwhile",
];

/// A second type of such a name means that the name says too little.
const TYPES: &[&str] = &["Reader", "Reply", "Order", "Stage", "Part", "Ledger", "Turn", "Question", "Subject", "Names"];

pub(crate) fn functions_in(piece: &Piece<'_>) -> Vec<(usize, String)> {
    names_behind(piece, &["fn"])
}

/// Returns the identifiers that follow one of `keywords` in a piece of code.
fn names_behind(piece: &Piece<'_>, keywords: &[&str]) -> Vec<(usize, String)> {
    let words: Vec<&str> = piece.text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    let named = words.windows(2).filter(|pair| keywords.contains(&pair[0]) && !pair[1].is_empty());
    named.map(|pair| (piece.line, pair[1].to_owned())).collect()
}

fn code(file: &File) -> Vec<Piece<'_>> {
    let is_rust = file.extension() == "rs";
    pieces(if is_rust { &file.text } else { "" }).into_iter().filter(|piece| piece.kind == Kind::Code).collect()
}

pub(crate) fn check_functions(file: &File) -> Vec<Finding> {
    let names = code(file)
        .iter()
        .flat_map(functions_in)
        .filter(|(_, name)| FUNCTIONS.contains(&name.as_str()))
        .collect::<Vec<_>>();
    let finding = |(line, name)| Finding {
        path: file.path.clone(),
        line,
        message: format!("a function named `{name}`; name it by what it does or returns"),
    };
    names.into_iter().map(finding).collect()
}

/// Types of production code: below `src`, outside of tests.
pub(crate) fn check_types(files: &[File]) -> Vec<Finding> {
    let mut places: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.contains("src/") && !file.path.ends_with("tests.rs")) {
        let tests = test_lines(&file.text);
        let names = code(file).into_iter().flat_map(|piece| {
            // An associated type is indented, and its name is its trait's business.
            let alias = piece.text.starts_with("type ") || piece.text.starts_with("pub");
            names_behind(
                &piece,
                if alias { &["struct", "enum", "trait", "type"] } else { &["struct", "enum", "trait"] },
            )
        });
        for (line, name) in names {
            if TYPES.contains(&name.as_str()) && !tests.iter().any(|range| range.contains(&line)) {
                places.entry(name).or_default().push((&file.path, line));
            }
        }
    }
    let doubled = places.iter().filter(|(_, places)| places.len() > 1);
    let findings = doubled.flat_map(|(name, places)| {
        places.iter().map(move |(path, line)| {
            let others =
                places.iter().filter(|place| *place != &(*path, *line)).map(|(path, line)| format!("{path}:{line}"));
            let others = others.collect::<Vec<_>>().join(", ");
            Finding {
                path: (*path).to_owned(),
                line: *line,
                message: format!("a type named `{name}`, as in {others}; name it by what it is"),
            }
        })
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, TYPES, check_functions, check_types};
    use crate::tree::File;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn every_forbidden_function_is_rejected() {
        for name in FUNCTIONS {
            let source = format!(
                "struct A;\nimpl A {{\n    pub(crate) async fn {name}(&self) {{}}\n    fn {name}_here() {{}}\n}}\n"
            );
            let lines: Vec<usize> =
                check_functions(&file("a/src/a.rs", &source)).iter().map(|finding| finding.line).collect();
            assert_eq!(lines, [3], "{name}");
        }
        assert_eq!(check_functions(&file("docs/a.md", "fn told() {}")), []);
        assert_eq!(check_functions(&file("a/src/a.rs", "// fn told()\nlet a = \"fn told()\"; let told = 1;")), []);
    }

    #[test]
    fn every_doubled_type_is_rejected_in_production_code_alone() {
        for name in TYPES {
            let first = file("a/src/a.rs", &format!("pub struct {name} {{\n}}\n"));
            let second = file("b/src/b.rs", &format!("fn a() {{}}\npub(crate) enum {name} {{}}\n"));
            let test = file("c/src/c.rs", &format!("#[cfg(test)]\nmod tests {{\n    struct {name};\n}}\n"));
            let associated = file("d/src/d.rs", &format!("impl A for B {{\n    type {name} = u8;\n}}\n"));
            let places: Vec<_> = check_types(&[first, second, test, associated])
                .into_iter()
                .map(|finding| (finding.path, finding.line))
                .collect();
            assert_eq!(places, [("a/src/a.rs".to_owned(), 1), ("b/src/b.rs".to_owned(), 2)], "{name}");
            assert_eq!(
                check_types(&[
                    file("a/src/a.rs", &format!("struct {name};")),
                    file("a/tests/a.rs", &format!("struct {name};"))
                ]),
                []
            );
        }
    }
}
