//! The alerts and dashboards of `infra/observe`, as data.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use serde_json::Value;
use std::path::{Path, PathBuf};

/// A query, and the place where it is.
pub(crate) struct Query {
    pub(crate) place: String,
    pub(crate) text: String,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/observe")
}

/// Every rule of `alerts.yml`: those with `alert` and those with `record`.
pub(crate) fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(folder().join("alerts.yml")).unwrap()).unwrap();
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// Every panel of every dashboard that shows data, with the name of its file.
pub(crate) fn panels() -> Vec<(String, Value)> {
    let mut panels = Vec::new();
    for entry in std::fs::read_dir(folder().join("dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let dashboard: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let with_data = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
        panels.extend(with_data.map(|panel| (name.clone(), panel.clone())));
    }
    panels
}

/// The query of every rule and of every panel.
pub(crate) fn queries() -> Vec<Query> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_rules = rules().into_iter().map(|rule| {
        let name = if rule["alert"].is_null() { text(&rule["record"]) } else { text(&rule["alert"]) };
        Query { place: format!("alerts.yml, {name}"), text: text(&rule["expr"]) }
    });
    let of_panels = panels().into_iter().flat_map(|(file, panel)| {
        let place = format!("{file}, {}", text(&panel["title"]));
        let targets = panel["targets"].as_array().unwrap().clone();
        targets.into_iter().map(move |target| Query { place: place.clone(), text: text(&target["expr"]) })
    });
    of_rules.chain(of_panels).collect()
}
