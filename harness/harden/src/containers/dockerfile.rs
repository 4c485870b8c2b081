//! The stages of a Dockerfile and their instructions.

use std::collections::BTreeMap;

/// A stage, from its `FROM` on.
#[derive(Debug, Default)]
pub(super) struct ImageStage {
    pub(super) name: String,
    /// The image or stage that it begins with, after variables are filled in.
    pub(super) base: String,
    /// Name in upper case and the rest of the line; continued lines are joined.
    pub(super) instructions: Vec<(String, String)>,
}

/// Returns the stages in the order of the file. Instructions before the first `FROM` are variables for it.
pub(super) fn stages(text: &str) -> Vec<ImageStage> {
    let (mut stages, mut variables) = (Vec::<ImageStage>::new(), BTreeMap::new());
    for line in joined(text) {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        let (name, rest) = (name.to_ascii_uppercase(), rest.trim());
        match (name.as_str(), stages.last_mut()) {
            ("FROM", _) => {
                let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                let named = words.get(1).filter(|word| word.eq_ignore_ascii_case("as")).and(words.get(2));
                let base = filled(words.first().copied().unwrap_or_default(), &variables);
                let name = named.map_or_else(|| format!("stage {}", stages.len() + 1), |name| (*name).to_owned());
                stages.push(ImageStage { name, base, instructions: Vec::new() });
            }
            ("ARG", None) => {
                let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
                variables.insert(name.to_owned(), value.to_owned());
            }
            (_, Some(stage)) => stage.instructions.push((name, rest.to_owned())),
            (_, None) => {}
        }
    }
    stages
}

/// Returns the lines that are no comments, continued ones joined.
fn joined(text: &str) -> Vec<String> {
    let (mut lines, mut open) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(part) => open.push_str(part),
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    lines
}

fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
    })
}

impl ImageStage {
    /// Returns the stage and those that it is made from, the last one first.
    pub(super) fn chain<'s>(&'s self, all: &'s [Self]) -> Vec<&'s Self> {
        let mut chain = vec![self];
        while let Some(before) = all.iter().find(|stage| stage.name == chain[chain.len() - 1].base) {
            // A stage can only be made from an earlier one.
            if chain.iter().any(|stage| stage.name == before.name) {
                break;
            }
            chain.push(before);
        }
        chain
    }

    pub(super) fn of(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.instructions.iter().filter(move |(word, _)| word == name).map(|(_, rest)| rest.as_str())
    }

    /// Returns true if containers are started from it: it has a command.
    pub(super) fn runs(&self) -> bool {
        self.of("ENTRYPOINT").chain(self.of("CMD")).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::stages;

    #[test]
    fn stages_have_their_bases_and_joined_instructions() {
        let text = "# a\nARG FROM_WHERE=build\nFROM rust:1 AS build\nRUN a && \\\n  b\nFROM ${FROM_WHERE} as out\nUSER 7\nFROM out\nCMD [\"x\"]\n";
        let stages = stages(text);
        let names: Vec<(&str, &str)> = stages.iter().map(|stage| (stage.name.as_str(), stage.base.as_str())).collect();
        assert_eq!(names, [("build", "rust:1"), ("out", "build"), ("stage 3", "out")]);
        assert_eq!(stages[0].of("RUN").collect::<Vec<_>>(), ["a && b"]);
        let chain: Vec<&str> = stages[2].chain(&stages).iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(chain, ["stage 3", "out", "build"]);
        assert!(stages[2].runs() && !stages[1].runs());
    }
}
