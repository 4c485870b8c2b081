//! Checks of numbers and texts. Each returns true if the value is valid.

use super::{FORMATS, FormReader, NameSet, choices, did_you_mean, duration};
use serde_json::Value;
use std::ops::Range;
use toml_edit::Item;

impl FormReader<'_, '_> {
    pub(super) fn integer(&mut self, item: &Item, form: &Value, key: &str) -> bool {
        // The schema of a `u32` has this format and no maximum, unless the form sets one.
        let widest = if form["format"] == "uint32" { i64::from(u32::MAX) } else { i64::MAX };
        let (least, most) = (form["minimum"].as_i64().unwrap_or(0), form["maximum"].as_i64().unwrap_or(widest));
        item.as_integer().is_some_and(|value| (least..=most).contains(&value))
            || self.wrong(item, key, "is out of range", &format!("a whole number from {least} to {most}"))
    }

    pub(super) fn number(&mut self, item: &Item, form: &Value, key: &str) -> bool {
        let (above, most) = (form["exclusiveMinimum"].as_f64(), form["maximum"].as_f64());
        let value = item.as_float().or_else(|| item.as_integer().map(|value| value as f64));
        // Every comparison with NaN is false, so NaN is out of range.
        let fits = |value: f64| {
            let above =
                above.map_or_else(|| value >= form["minimum"].as_f64().unwrap_or(f64::MIN), |above| value > above);
            above && most.is_none_or(|most| value <= most)
        };
        let limits = [
            form["minimum"].as_f64().map(|least| format!("from {least}")),
            above.map(|above| format!("above {above}")),
            most.map(|most| format!("up to {most}")),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        value.is_some_and(fits)
            || self.wrong(item, key, "is out of range", &format!("a number {}", limits.join(" and ")))
    }

    pub(super) fn text(&mut self, text: &str, span: Option<Range<usize>>, form: &Value, key: &str) -> bool {
        let choices: Vec<&str> = choices(form);
        if !choices.is_empty() {
            let what = format!("`{text}` is none of the allowed values{}", did_you_mean(text, &choices));
            return choices.contains(&text) || self.note(span, key, what, &format!("`{}`", choices.join("`, `")));
        }
        let Some(format) = form["format"].as_str() else { return true };
        if let Some(names) = self.names.iter().find(|names| names.kind == format) {
            return self.name(text, span, names, key, form["x-empty"] == true);
        }
        let Some((_, read, allowed)) = FORMATS.iter().find(|(name, ..)| *name == format) else { return true };
        match read(text) {
            Ok(()) => self.bounds(text, span, form, key),
            Err(what) => self.note(span, key, what, allowed),
        }
    }

    fn name(&mut self, text: &str, span: Option<Range<usize>>, names: &NameSet<'_>, key: &str, empty: bool) -> bool {
        let NameSet { kind, known, files } = names;
        if known.contains(&text) || (*files && text.ends_with(".toml")) || (empty && text.is_empty()) {
            return true;
        }
        let file = if *files { ", or a file that ends with `.toml`" } else { "" };
        let what = format!("there is no {kind} `{text}`{}", did_you_mean(text, known));
        self.note(span, key, what, &format!("`{}`{file}", known.join("`, `")))
    }

    fn bounds(&mut self, text: &str, span: Option<Range<usize>>, form: &Value, key: &str) -> bool {
        let (Some(least), Some(most)) = (form["x-at-least"].as_str(), form["x-at-most"].as_str()) else { return true };
        let read = |text| duration(text).unwrap_or_default();
        (read(least)..=read(most)).contains(&read(text))
            || self.note(span, key, format!("`{text}` is out of range"), &format!("`{least}` to `{most}`"))
    }
}
