//! The stages of a Dockerfile and their instructions.

use super::variables::filled;
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
                let value = |name: &str| variables.get(name).cloned();
                let base = filled(words.first().copied().unwrap_or_default(), &value);
                let name = named.map_or_else(|| format!("stage {}", stages.len() + 1), |name| (*name).to_owned());
                stages.push(ImageStage { name, base, instructions: Vec::new() });
            }
            ("ARG", None) => {
                let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
                if rest.contains('=') {
                    variables.insert(name.to_owned(), unquoted(value).to_owned());
                }
            }
            (_, Some(stage)) => stage.instructions.push((name, rest.to_owned())),
            (_, None) => {}
        }
    }
    stages
}

/// Returns the instructions, continued lines joined. A comment is none, and the body of a here document belongs to its `RUN`; that of a `COPY` is a file.
fn joined(text: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(part) = line.strip_suffix('\\') {
            open.push_str(part);
            continue;
        }
        let mut instruction = std::mem::take(&mut open) + line;
        let is_run = instruction.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("run "));
        for end in here_documents(&instruction) {
            for body in lines.by_ref().map(str::trim).take_while(|body| *body != end) {
                if is_run {
                    instruction.push_str(" ; ");
                    instruction.push_str(body);
                }
            }
        }
        found.push(instruction);
    }
    found
}

/// Returns the words that end the here documents of an instruction.
fn here_documents(instruction: &str) -> Vec<String> {
    let name = instruction.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !matches!(name.as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    // A file descriptor may be in front, as in `3<<EOF`.
    let words = instruction
        .split_whitespace()
        .filter_map(|word| word.trim_start_matches(|letter: char| letter.is_ascii_digit()).strip_prefix("<<"));
    let ends = words.map(|word| unquoted(word.trim_start_matches('-')).to_owned());
    ends.filter(|end| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')).collect()
}

impl ImageStage {
    /// Returns the stage and those that it is made from, the last one first.
    pub(super) fn chain<'s>(&'s self, all: &'s [Self]) -> Vec<&'s Self> {
        let mut chain = vec![self];
        while let Some(before) = all.iter().find(|stage| stage.name.eq_ignore_ascii_case(&chain[chain.len() - 1].base))
        {
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

    /// Returns true if it has a command of its own.
    pub(super) fn runs(&self) -> bool {
        self.of("ENTRYPOINT").chain(self.of("CMD")).next().is_some()
    }

    /// Returns the variables that it sets and gives a value, by `ARG` and by both forms of `ENV`.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        self.instructions.iter().flat_map(|(instruction, rest)| set(instruction, rest)).collect()
    }

    /// Returns the labels that it sets, by both forms of `LABEL`.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        self.of("LABEL").flat_map(|rest| pairs(rest, true)).collect()
    }
}

/// Returns the variables that an instruction sets and gives a value.
pub(super) fn set(instruction: &str, rest: &str) -> Vec<(String, String)> {
    match instruction {
        "ENV" => pairs(rest, true),
        "ARG" => pairs(rest, false),
        _ => Vec::new(),
    }
}

/// Returns the names and values of a line. The old form has one name and the rest of the line as its value.
fn pairs(rest: &str, has_old_form: bool) -> Vec<(String, String)> {
    let is_old = has_old_form && !rest.split_whitespace().next().unwrap_or_default().contains('=');
    let found: Vec<(&str, &str)> = if is_old {
        rest.split_once(char::is_whitespace).into_iter().collect()
    } else {
        rest.split_whitespace().filter_map(|pair| pair.split_once('=')).collect()
    };
    found.into_iter().map(|(name, value)| (unquoted(name).to_owned(), unquoted(value.trim()).to_owned())).collect()
}

/// Returns the stages that images are made of: those with a command, and the last one, which is the default target and may inherit its command.
pub(super) fn targets(all: &[ImageStage]) -> Vec<&ImageStage> {
    let last = all.len().saturating_sub(1);
    all.iter().enumerate().filter(|(at, stage)| stage.runs() || *at == last).map(|(_, stage)| stage).collect()
}

/// Returns the words of `COPY` or `ADD` that are sources; flags and the target are none.
pub(super) fn sources(copy: &str) -> Vec<String> {
    let words: Vec<&str> = copy.split_whitespace().skip_while(|word| word.starts_with("--")).collect();
    let list = words.join(" ");
    let mut all: Vec<String> =
        serde_json::from_str(&list).unwrap_or_else(|_| words.iter().map(|word| (*word).to_owned()).collect());
    all.pop();
    all
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::{sources, stages, targets};

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

    #[test]
    fn here_documents_are_no_instructions() {
        let all =
            stages("FROM scratch\nCOPY <<EOF /etc/motd\nUSER 1000\nEOF\nRUN <<-'END'\nchmod 4755 /x\nEND\nUSER 7\n");
        assert_eq!(all[0].of("USER").collect::<Vec<_>>(), ["7"]);
        assert!(all[0].of("RUN").next().unwrap().contains("chmod 4755 /x"));
        let numbered = stages("FROM scratch\nRUN cat 3<<EOF\nUSER 1000\nEOF\nUSER 7\n");
        assert_eq!(numbered[0].of("USER").collect::<Vec<_>>(), ["7"]);
        let shift = stages("FROM scratch\nRUN cat <<< a && b\nUSER 7\n");
        assert_eq!(shift[0].of("USER").count(), 1, "a here string is no here document");
    }

    #[test]
    fn the_last_stage_is_a_target_though_its_command_is_inherited() {
        let all = stages("FROM scratch AS base\nUSER 7\nENTRYPOINT [\"/a\"]\nFROM Base AS final\nUSER 0\n");
        let names: Vec<&str> = targets(&all).iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!((names, all[1].chain(&all).len()), (vec!["base", "final"], 2));
    }

    #[test]
    fn both_forms_of_a_variable_and_of_a_copy_are_read() {
        let all = stages("FROM scratch\nENV A b c\nENV D=e F=\"g\"\nARG H\nARG I=j\n");
        let wanted = [("A", "b c"), ("D", "e"), ("F", "g"), ("I", "j")];
        assert_eq!(all[0].variables(), wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for copy in ["--chown=1:1 . /app", "[\".\", \"/\"]", ". /"] {
            assert_eq!(sources(copy), ["."], "{copy}");
        }
    }
}
