//! What a document names in backticks or links to exists: paths of the repository, and items and settings of the source.

use crate::Finding;
use crate::rust_source::{Kind, pieces};
use crate::tree::File;
use std::collections::HashSet;

/// Beginnings of paths that are there only after a build or a run.
const MADE_LATER: &[&str] = &["data/", "dist/", "runs/", "target/"];

pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let repository = Repository::new(files);
    files.iter().flat_map(|file| repository.check(file)).collect()
}

struct Repository<'a> {
    /// Every file, and every folder with a `/` at its end.
    paths: HashSet<&'a str>,
    /// Words of source and data files: a name that a document uses is one of them.
    words: HashSet<&'a str>,
}

impl<'a> Repository<'a> {
    fn new(files: &'a [File]) -> Self {
        let (mut paths, mut words) = (HashSet::new(), HashSet::new());
        for file in files {
            paths.extend(file.path.match_indices('/').map(|(at, _)| &file.path[..=at]));
            paths.insert(&*file.path);
            if file.extension() != "md" {
                words.extend(file.text.split(|letter: char| !is_of_a_name(letter)));
            }
        }
        Self { paths, words }
    }

    fn check(&self, file: &File) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut report =
            |line: usize, message: String| findings.push(Finding { path: file.path.clone(), line, message });
        match file.extension() {
            "md" => {
                for (line, text) in prose_lines(&file.text) {
                    for span in spans(text) {
                        if !self.has(span) {
                            report(line, format!("`{span}` does not exist"));
                        }
                    }
                    for target in links(text).filter(|target| !self.has_link(&file.path, target)) {
                        report(line, format!("the link `{target}` leads nowhere"));
                    }
                }
            }
            "rs" => {
                for piece in pieces(&file.text).iter().filter(|piece| piece.kind == Kind::Comment) {
                    for span in
                        spans(piece.text).filter(|span| is_path(span) && self.is_ours(span) && !self.has_path(span))
                    {
                        report(piece.line, format!("`{span}` does not exist"));
                    }
                }
            }
            _ => {}
        }
        findings
    }

    /// Returns true if `span` names nothing of the repository, or names what exists.
    fn has(&self, span: &str) -> bool {
        if is_path(span) {
            return !self.is_ours(span) || self.has_path(span);
        }
        let name = span.trim_start_matches('.').split('(').next().unwrap_or_default();
        let is_call = span.ends_with(')') && !name.is_empty();
        let is_item = (span.contains("::") || span.contains('_') || is_call)
            && name.chars().all(|letter| is_of_a_name(letter) || letter == ':');
        !is_item || name.split("::").filter(|part| !part.is_empty()).all(|part| self.words.contains(part))
    }

    /// Returns true if a path is meant to be one of the repository: it begins with one of its folders, or is a Rust file or a folder.
    fn is_ours(&self, path: &str) -> bool {
        if MADE_LATER.iter().any(|folder| path.starts_with(folder)) {
            return false;
        }
        let first = path.split('/').next().unwrap_or_default();
        let at_root = path.contains('/') && self.paths.contains(&*format!("{first}/"));
        at_root || path.ends_with(".rs") || path.ends_with('/') && !path.starts_with('/')
    }

    /// Returns true if a path, or the end of one, matches `pattern`; `<name>` and `*` stand for a part of a name.
    fn has_path(&self, pattern: &str) -> bool {
        alternatives(pattern).iter().all(|pattern| {
            let wanted: Vec<&str> = pattern.split('/').collect();
            self.paths.iter().any(|path| {
                let names: Vec<&str> = path.split('/').collect();
                let start = names.len().checked_sub(wanted.len());
                let as_folder = path.ends_with('/') && !pattern.ends_with('/');
                let start = if as_folder { start.and_then(|start| start.checked_sub(1)) } else { start };
                start
                    .is_some_and(|start| wanted.iter().zip(&names[start..]).all(|(wanted, name)| matches(wanted, name)))
            })
        })
    }

    fn has_link(&self, document: &str, target: &str) -> bool {
        let target = target.split('#').next().unwrap_or_default();
        let mut folders: Vec<&str> = document.split('/').collect();
        folders.pop();
        for name in target.split('/') {
            match name {
                "." => {}
                ".." if folders.pop().is_none() => return false,
                ".." => {}
                name => folders.push(name),
            }
        }
        target.is_empty() || self.paths.contains(&*folders.join("/"))
    }
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Returns true if a span has the form of a path: no spaces, and a `/` or the name of a Rust file.
fn is_path(span: &str) -> bool {
    let of_a_path = |letter: char| is_of_a_name(letter) || "./-<>*{},".contains(letter);
    span.chars().all(of_a_path) && (span.contains('/') || span.ends_with(".rs"))
}

/// Expands `a/{b,c}` to `a/b` and `a/c`.
fn alternatives(pattern: &str) -> Vec<String> {
    let parts = pattern
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(names, after)| (before, names, after)));
    let Some((before, names, after)) = parts else { return vec![pattern.to_owned()] };
    names.split(',').flat_map(|name| alternatives(&format!("{before}{name}{after}"))).collect()
}

fn matches(wanted: &str, name: &str) -> bool {
    let any = wanted.find(['<', '*']);
    let Some(start) = any else { return wanted == name };
    let end =
        if wanted[start..].starts_with('*') { start + 1 } else { wanted.find('>').map_or(wanted.len(), |end| end + 1) };
    name.len() > wanted.len() - (end - start) && name.starts_with(&wanted[..start]) && name.ends_with(&wanted[end..])
}

/// Returns the lines outside of code blocks.
fn prose_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        (!is_fence && !in_block).then_some((index + 1, line))
    })
}

/// Returns what stands between backticks.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Returns the targets of links inside the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::File;

    fn findings(document: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("docs/a.md", document),
            file("docs/b.md", "only_here"),
            file("services/kit/src/quota/decide.rs", "fn admit() { let Thing::Kept { of_one } = 1; }"),
        ];
        check(&files).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn what_exists_may_be_named() {
        for good in [
            "`services/kit/src/quota/decide.rs`, `services/kit`, `services/kit/src/`, `services/<service>/src/quota/*.rs`",
            "`decide.rs`, `quota/decide.rs`, `quota/`, `services/{kit,kit}/src/`",
            "`Thing::Kept`, `.admit()`, `of_one`, `admit(1)`",
            "[b](b.md), [b](../docs/b.md#part), [web](https://example.com/x), [here](#part)",
            "`/healthz`, `text/html`, `a plain sentence`, `word`",
            "```sh\n`services/gone`\n```",
        ] {
            assert_eq!(findings(good), [""; 0], "{good}");
        }
    }

    #[test]
    fn what_does_not_exist_is_rejected() {
        for bad in [
            "`services/kit/src/gone.rs`",
            "`services/gone/`",
            "`services/<service>/gone`",
            "`gone.rs`",
            "`gone/`",
            "`services/{kit,gone}/src/`",
            "`Thing::Gone`",
            "`.gone()`",
            "`gone_one`",
            "`only_here`",
            "[b](gone.md)",
            "[b](../../b.md)",
        ] {
            assert_eq!(findings(bad).len(), 1, "{bad}: {:?}", findings(bad));
        }
    }

    #[test]
    fn comments_name_paths_that_exist() {
        let source = |text: &str| check(&[File { path: "a/src/a.rs".to_owned(), text: text.to_owned() }]).len();
        assert_eq!(source("//! As `a/src/a.rs` and `src/a.rs` do.\nconst A: &str = \"`a/src/b.rs`\";"), 0);
        assert_eq!(source("//! As `a/src/b.rs` does, and `gone.rs`."), 2);
    }
}
