//! The faults of an experiment: `[[fault]]` with `kind`, the keys of that kind, and the times.

use super::ExperimentParser;
use crate::fault::{FaultKind, FaultOrder};
use crate::plan::data_file::DURATION_TEXT;
use std::time::Duration;
use toml_edit::{Item, Table};

/// The keys of every fault; the others belong to its kind.
const TIMES: &[&str] = &["after", "lasts", "times", "every"];
/// How long a fault may last.
const LASTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3_600);

impl ExperimentParser<'_> {
    pub(super) fn faults(&mut self, table: &Table) -> Vec<FaultOrder> {
        let Some(faults) = table.get("fault").and_then(Item::as_array_of_tables) else {
            self.notes.missing("fault", "at least one table `[[fault]]`");
            return Vec::new();
        };
        faults.iter().filter_map(|fault| self.fault(fault)).collect()
    }

    fn fault(&mut self, table: &Table) -> Option<FaultOrder> {
        let mut own = table.clone();
        TIMES.iter().for_each(|key| drop(own.remove(key)));
        // Serde reads the kind's own keys, and reports an unknown kind or key by itself.
        let fault: Result<FaultKind, _> = toml::from_str(&own.to_string());
        let times = self.notes.number(table, "times", 1..=1_000, Some(1));
        let every = self.notes.length(table, "every", LASTS, Some(Duration::ZERO));
        if times > 1 && every.is_zero() {
            self.notes.note(table.span(), "every", "a fault with `times` above 1 needs it".to_owned(), DURATION_TEXT);
        }
        let lasts = self.notes.length(table, "lasts", LASTS, None);
        if times > 1 && lasts > every && !every.is_zero() {
            let what = "the fault would be injected again before it is healed".to_owned();
            self.notes.note(table.get("every").and_then(Item::span), "every", what, "at least `lasts`");
        }
        let after = self.notes.length(table, "after", Duration::ZERO..=*LASTS.end(), Some(Duration::ZERO));
        match fault {
            Ok(fault) => Some(FaultOrder { fault, after, lasts, times, every }),
            Err(error) => {
                let what = error.message().lines().next().unwrap_or_default().to_owned();
                // Serde names an unknown key, but its position is lost in a tagged enum.
                let key = what.split('`').nth(1).and_then(|name| table.key(name)).and_then(toml_edit::Key::span);
                self.notes.note(
                    key.or(table.span()),
                    "fault",
                    what,
                    "docs/adding-an-experiment.md lists every kind with its keys",
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::drive::experiment::{ExperimentError, read};

    #[test]
    fn an_unknown_key_or_kind_is_reported_with_its_line() {
        let path = format!("{}/../../chaos/experiments/redis-outage.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let problem = |from: &str, to: &str| match read("redis-outage", "x.toml", &text.replace(from, to)) {
            Err(error @ ExperimentError::Problems(_)) => error.to_string(),
            other => panic!("no problem: {other:?}"),
        };
        let line = |start: &str| 1 + text.lines().position(|line| line.starts_with(start)).unwrap();
        let unknown = problem("part = \"redis\"\n", "part = \"redis\"\nprat = 1\n");
        let expected = format!("x.toml:{}", line("part = \"redis\"") + 1);
        assert!(unknown.contains(&expected) && unknown.contains("unknown field `prat`"), "{unknown}");
        let unknown = problem("kind = \"kill\"", "kind = \"kil\"");
        let expected = format!("x.toml:{}", line("[[fault]]"));
        assert!(unknown.contains(&expected) && unknown.contains("unknown variant `kil`"), "{unknown}");
    }
}
