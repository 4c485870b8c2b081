//! Problems of data files. All of them are reported together, so that an author can fix a file at once.

use std::fmt;

/// Maximum number of problems that a message lists; further ones are counted.
const MAX_LISTED: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Name of the file, relative to its folder.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Id of the item with the problem, such as a rule; `None` before the reader has read an id.
    pub item: Option<String>,
    /// The problem and how to fix it.
    pub message: String,
}

impl Problem {
    /// Returns a problem of a file as a whole.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: 1, item: None, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(item) = &self.item {
            write!(f, "{item}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Every problem of a set of data files, by file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    data: &'static str,
    list: Vec<Problem>,
}

impl Problems {
    /// Sorts `list`; `data` names the set of files, such as `rules`.
    pub fn new(data: &'static str, mut list: Vec<Problem>) -> Self {
        list.sort();
        Self { data, list }
    }

    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        write!(f, "{count} problem{} in the {}:", if count == 1 { "" } else { "s" }, self.data)?;
        for problem in self.list.iter().take(MAX_LISTED) {
            write!(f, "\n  {problem}")?;
        }
        if count > MAX_LISTED {
            write!(f, "\n  and {} more", count - MAX_LISTED)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_sorted_and_each_names_its_place() {
        let problem = |line, item: Option<&str>| Problem {
            file: "a.yaml".into(),
            line,
            item: item.map(str::to_owned),
            message: "why".into(),
        };
        let problems = Problems::new("rules", vec![problem(7, Some("SEC-001")), problem(2, None)]);
        assert_eq!(problems.to_string(), "2 problems in the rules:\n  a.yaml:2: why\n  a.yaml:7: SEC-001: why");
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let problems = Problems::new("rules", vec![Problem::of_file("a.yaml", "why"); MAX_LISTED + 3]);
        assert!(problems.to_string().ends_with("\n  and 3 more"));
    }
}
