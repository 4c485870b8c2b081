//! Arguments of `harness harden`.

use super::record::{Lies, RecordArguments};
use super::{BackendArguments, Ownership, ServerArguments};
use clap::{Args, ValueEnum};
use harness_core::plan::hardening::Severity;
use std::path::PathBuf;

#[derive(Args, Clone)]
pub(crate) struct HardenArguments {
    /// Lists the checks and their requirements.
    #[arg(long)]
    pub(crate) list: bool,
    /// Runs only this check, or the checks of this family, such as `AUTH`; repeatable.
    #[arg(long, value_name = "ID|FAMILY")]
    pub(crate) only: Vec<String>,
    /// Skips a check; the report shows the reason; repeatable.
    #[arg(long, value_name = "ID=REASON", value_parser = parse_skip)]
    pub(crate) skip: Vec<(String, String)>,
    /// Runs only checks of at least this severity.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) min_severity: Option<SeverityName>,
    /// Runs one check again; ID as a report shows it.
    #[arg(long, value_name = "ID", conflicts_with_all = ["only", "skip", "min_severity", "list"])]
    pub(crate) repeat: Option<String>,
    /// Folder with the sources of the stack, for the checks of containers and of the supply chain.
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: BackendArguments,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    #[command(flatten)]
    pub(crate) ownership: Ownership,
    #[command(flatten)]
    pub(crate) lies: Lies,
    #[command(flatten)]
    pub(crate) record: RecordArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeverityName {
    /// Every check.
    Low,
    /// A score of 4.0 and more.
    Medium,
    /// A score of 7.0 and more.
    High,
    /// A score of 9.0 and more.
    Critical,
}

impl From<SeverityName> for Severity {
    fn from(name: SeverityName) -> Self {
        match name {
            SeverityName::Low => Self::Low,
            SeverityName::Medium => Self::Medium,
            SeverityName::High => Self::High,
            SeverityName::Critical => Self::Critical,
        }
    }
}

fn parse_skip(text: &str) -> Result<(String, String), String> {
    let (id, reason) = text.split_once('=').map_or((text, ""), |(id, reason)| (id, reason.trim()));
    if reason.is_empty() {
        return Err(format!("`{id}` is skipped without a reason; write `{id}='why it does not apply'`"));
    }
    Ok((id.to_owned(), reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::parse_skip;

    #[test]
    fn a_check_is_skipped_only_with_a_reason() {
        let parsed = parse_skip("MCP-TRN-12=the gateway=nginx adds it").unwrap();
        assert_eq!(parsed, ("MCP-TRN-12".to_owned(), "the gateway=nginx adds it".to_owned()));
        for text in ["MCP-TRN-12", "MCP-TRN-12=", "MCP-TRN-12=  "] {
            assert!(parse_skip(text).unwrap_err().contains("without a reason"), "{text}");
        }
    }
}
