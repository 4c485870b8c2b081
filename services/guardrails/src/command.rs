//! Subcommands for authors of rules, besides `serve`.

use crate::GuardrailsSettings;
use crate::detect::measure;
use crate::rules::{Library, Rules, SubjectKind, schema};
use clap::Subcommand;
use mcp_contracts::guardrails::Severity;
use mcp_kit::data::FolderData;
use mcp_kit::{ServiceCommand, Settings};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum GuardrailsCommand {
    /// Checks rule files as the service does: reports every problem, or the number of rules.
    CheckRules {
        /// Folder of rule files; default is `RULES_DIR`.
        folder: Option<PathBuf>,
    },
    /// Prints the JSON Schema of rule files.
    RulesSchema,
    /// Measures the detectors on the built-in labelled texts.
    Measure {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
}

impl ServiceCommand<GuardrailsSettings> for GuardrailsCommand {
    fn run(self, _settings: &Settings, own: &GuardrailsSettings) -> Result<(), String> {
        let text = match self {
            Self::CheckRules { folder } => {
                let folder = folder.or_else(|| own.rules_dir.clone());
                let library = folder.map_or_else(Library::built_in, |folder| Library::load(&folder));
                table(&library.map_err(|problems| problems.to_string())?)
            }
            Self::RulesSchema => schema::text(),
            Self::Measure { json } => measure::report(json)?,
        };
        std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("cannot write the output: {error}"))
    }
}

/// Renders the number of rules by category and severity.
fn table(library: &Library) -> String {
    let mut text = rows("rules of all organisations", library.common());
    let mut organisations: Vec<_> = library.organisations().collect();
    organisations.sort_by_key(|(organisation, _)| *organisation);
    for (organisation, rules) in organisations {
        text.push('\n');
        text.push_str(&rows(&format!("rules of `{organisation}`"), rules));
    }
    text
}

fn rows(title: &str, rules: &Rules) -> String {
    let mut categories: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for rule in rules.set.rules() {
        let counts = categories.entry(rule.compiled.rule.category.as_str()).or_default();
        let column = Severity::ALL.iter().position(|severity| *severity == rule.severity).unwrap_or_default();
        counts[column] += 1;
    }
    let icons = rules.set.rules().iter().filter(|rule| rule.compiled.rule.subject == SubjectKind::Icon).count();
    let mut lines =
        vec![format!("{title}: {} ({icons} of them for icons), version {}", rules.set.rules().len(), rules.version)];
    lines.push(format!("{:<20}{:>9}{:>9}{:>9}{:>9}", "category", "critical", "high", "medium", "low"));
    for (category, [low, medium, high, critical]) in categories {
        lines.push(format!("{category:<20}{critical:>9}{high:>9}{medium:>9}{low:>9}"));
    }
    lines.push(String::new());
    lines.join("\n")
}
