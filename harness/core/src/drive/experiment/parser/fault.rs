//! The faults of an experiment: `[[fault]]` with `kind`, what it needs, and when.

use super::ExperimentParser;
use crate::fault::{FaultKind, FaultOrder};
use crate::plan::data_file::DURATION_TEXT;
use std::time::Duration;
use toml_edit::{Item, Table};

/// Keys that say when; the others say what.
const WHEN: &[&str] = &["after", "lasts", "times", "every"];
/// How long a fault may stay.
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
        let mut what = table.clone();
        WHEN.iter().for_each(|key| drop(what.remove(key)));
        // The kinds are data of their own, so that an unknown kind or key is told by what reads them.
        let what: Result<FaultKind, _> = toml::from_str(&what.to_string());
        let times = self.notes.number(table, "times", 1..=1_000, Some(1));
        let every = self.notes.length(table, "every", LASTS, Some(Duration::ZERO));
        if times > 1 && every.is_zero() {
            self.notes.note(table.span(), "every", "a fault that comes again says how often".to_owned(), DURATION_TEXT);
        }
        let lasts = self.notes.length(table, "lasts", LASTS, None);
        if times > 1 && lasts > every && !every.is_zero() {
            let what = "it would come again before it is healed".to_owned();
            self.notes.note(table.get("every").and_then(Item::span), "every", what, "at least `lasts`");
        }
        let after = self.notes.length(table, "after", Duration::ZERO..=*LASTS.end(), Some(Duration::ZERO));
        match what {
            Ok(fault) => Some(FaultOrder { fault, after, lasts, times, every }),
            Err(error) => {
                let said = error.message().lines().next().unwrap_or_default().to_owned();
                self.notes.note(
                    table.span(),
                    "fault",
                    said,
                    "docs/adding-an-experiment.md lists every kind with its keys",
                );
                None
            }
        }
    }
}
