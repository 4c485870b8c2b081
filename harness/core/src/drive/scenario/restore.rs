//! Brings the parts of a stack back to the state that they had before a probe, whatever the probe left behind.

use super::{Stage, StepFailed};
use std::collections::BTreeMap;

/// What was done to the parts of a stack since the last [`Stage::restore`].
#[derive(Debug, Default)]
pub(super) struct ChangedParts(BTreeMap<String, BTreeMap<String, Setting>>);

/// Names and values of settings; `None` removes one.
type Settings = BTreeMap<String, Option<String>>;

/// A setting that was changed.
#[derive(Debug)]
struct Setting {
    before: Option<String>,
    now: Option<String>,
}

impl ChangedParts {
    /// Notes that a part may be ended or paused.
    pub(super) fn part(&mut self, part: &str) {
        self.0.entry(part.to_owned()).or_default();
    }

    /// Notes changed settings of a part with their previous values.
    pub(super) fn settings(&mut self, part: &str, changes: &[(&str, Option<&str>)], previous: Vec<Option<String>>) {
        let settings = self.0.entry(part.to_owned()).or_default();
        for ((name, value), before) in changes.iter().zip(previous) {
            let setting = settings.entry((*name).to_owned()).or_insert(Setting { before, now: None });
            setting.now = value.map(str::to_owned);
        }
    }

    /// Takes the parts, each with the settings that must be changed back.
    fn take(&mut self) -> Vec<(String, Settings)> {
        let parts = std::mem::take(&mut self.0).into_iter();
        let changed = |settings: BTreeMap<String, Setting>| {
            let changed = settings.into_iter().filter(|(_, setting)| setting.now != setting.before);
            changed.map(|(name, setting)| (name, setting.before)).collect()
        };
        parts.map(|(part, settings)| (part, changed(settings))).collect()
    }
}

impl Stage<'_> {
    /// Resumes the parts that are paused, gives those with changed settings their previous ones, and starts those that have ended. Does nothing to a part
    /// that was not touched. A probe that fails, panics or is dropped at its deadline cannot do this itself.
    ///
    /// # Errors
    /// A part does not start. The others are restored.
    pub(crate) async fn restore(&self) -> Result<(), StepFailed> {
        let changed_parts = self.changed_parts.lock().take();
        let mut failed = Ok(());
        for (part, settings) in changed_parts {
            failed = failed.and(self.restore_part(&part, &settings).await);
        }
        // Restoring touches the parts again.
        self.changed_parts.lock().take();
        failed
    }

    async fn restore_part(&self, part: &str, settings: &Settings) -> Result<(), StepFailed> {
        // Fails if the part has ended, which is handled below.
        if self.down.lock().contains(part) {
            let _ = self.resume(part).await;
        }
        if !settings.is_empty() {
            // Fails if the part has ended already.
            let _ = self.end(part).await;
            let changes: Vec<(&str, Option<&str>)> =
                settings.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            self.reconfigure(part, &changes)?;
        }
        if self.stack.is_running(part).await { Ok(()) } else { self.start_again(part).await }
    }
}

#[cfg(test)]
mod tests {
    use super::ChangedParts;
    use std::collections::BTreeMap;

    #[test]
    fn only_settings_that_differ_from_the_first_values_are_changed_back() {
        let mut changed_parts = ChangedParts::default();
        changed_parts.settings("a", &[("X", Some("1")), ("Y", Some("2"))], vec![Some("0".to_owned()), None]);
        changed_parts.settings("a", &[("X", Some("3")), ("Y", None)], vec![Some("1".to_owned()), Some("2".to_owned())]);
        changed_parts.part("a");
        changed_parts.part("b");
        let wanted = BTreeMap::from([("X".to_owned(), Some("0".to_owned()))]);
        assert_eq!(changed_parts.take(), [("a".to_owned(), wanted), ("b".to_owned(), BTreeMap::new())]);
        assert!(changed_parts.take().is_empty(), "what was taken is not restored again");
    }
}
