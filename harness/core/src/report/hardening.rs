//! The figures of a hardening run.

use super::figures::{CheckFigures, ExchangeFigures, HardeningFigures, OmittedFigures, ViolationFigures};
use crate::drive::Subject;
use crate::drive::hardening::{CheckRecord, CheckState, ViolationRecord};
use crate::judge::Recorded;
use crate::judge::hardening::cause_of;
use crate::plan::Backend;
use crate::plan::bearer::BearerSource;
use crate::plan::hardening::{CheckTexts, Hardening};
use crate::plan::reach::{another_machine, without_secrets};
use crate::plan::target::Target;
use std::path::Path;

/// Returns the figures; `None` for another kind of run.
pub(super) fn figures(recorded: &Recorded) -> Option<HardeningFigures> {
    let Subject::Hardening(plan) = &recorded.plan.subject else { return None };
    let made = plan.checks.iter().map(|card| check(card, plan, recorded));
    let skipped = plan.omitted.iter().map(|omitted| OmittedFigures {
        id: omitted.id.clone(),
        title: omitted.title.clone(),
        state: if omitted.skipped { "skipped" } else { CheckState::NotApplicable.name() }.to_owned(),
        why: omitted.why.clone(),
    });
    let target = match &recorded.plan.backend {
        Backend::Target(target) => Some(without_secrets(&target.url)),
        Backend::Process | Backend::Docker | Backend::External { .. } => None,
    };
    Some(HardeningFigures { target, checks: made.collect(), omitted: skipped.collect() })
}

fn check(card: &CheckTexts, plan: &Hardening, recorded: &Recorded) -> CheckFigures {
    let record = recorded.hardening.iter().find(|record| record.id == card.id);
    let of = |field: fn(&CheckRecord) -> u64| record.map(field).unwrap_or_default();
    CheckFigures {
        id: card.id.clone(),
        title: card.title.clone(),
        severity: card.severity().name().to_owned(),
        score: card.score,
        state: record.map_or(CheckState::Unknown, |record| record.state).name().to_owned(),
        summary: record.map_or_else(|| "the run ended before this check".to_owned(), |record| record.summary.clone()),
        same_cause_as: cause_of(&card.id, plan, &recorded.hardening).map(str::to_owned),
        why: card.why.clone(),
        sources: card.sources.clone(),
        how: card.how.clone(),
        remedy: card.remedy.clone(),
        mend: card.mend.clone(),
        repeat: repeat(&card.id, &recorded.plan.backend, plan.repository.as_deref()),
        cases: of(|record| record.cases),
        controls: of(|record| record.controls),
        attempts: record.map(|record| record.attempts).unwrap_or_default(),
        took_secs: of(|record| record.took_us) as f64 / 1e6,
        violations: record.into_iter().flat_map(|record| &record.violations).map(violation).collect(),
        doubts: record.map(|record| record.doubts.clone()).unwrap_or_default(),
    }
}

/// Returns the command that runs one check on a stack of the same kind, and on the same repository.
fn repeat(id: &str, backend: &Backend, repository: Option<&Path>) -> String {
    let place = match backend {
        Backend::Process => String::new(),
        Backend::Docker => " --backend docker".to_owned(),
        Backend::Target(target) => at_target(target),
        Backend::External { urls, .. } => urls
            .iter()
            .map(|(service, url)| format!(" --url {}{}", word(&format!("{service}={url}")), owned(url)))
            .collect(),
    };
    let files = repository.map(|folder| format!(" --repository {}", word(&folder.display().to_string())));
    format!("harness harden --repeat {id}{place}{}", files.unwrap_or_default())
}

/// Returns the options that name a target. A token is named by its place.
fn at_target(target: &Target) -> String {
    let token = |(number, source): (usize, &BearerSource)| match (number, source) {
        (0, BearerSource::Variable(name)) => format!(" --bearer-env {}", word(name)),
        (0, BearerSource::File(path)) => format!(" --bearer-file {}", word(&path.display().to_string())),
        (_, BearerSource::Variable(name)) => format!(" --other-bearer-env {}", word(name)),
        (_, BearerSource::File(_)) => String::new(),
    };
    let tokens: String = target.tokens.iter().enumerate().map(token).collect();
    let file = target.ca_file.as_ref().map(|path| format!(" --ca-file {}", word(&path.display().to_string())));
    let allowed = host_of(&target.url).map(|host| format!(" --allow-host {host}"));
    let (file, allowed) = (file.unwrap_or_default(), allowed.unwrap_or_default());
    format!(" --target {}{tokens}{file}{allowed}{}", word(&target.url), owned(&target.url))
}

/// Returns the option with the owner's word, if the URL is on another machine.
fn owned(url: &str) -> String {
    host_of(url).map(|host| format!(" --i-own-this-host {host}")).unwrap_or_default()
}

/// Returns the host of a URL if it is another machine.
fn host_of(url: &str) -> Option<String> {
    another_machine(url).ok().flatten().map(|host| word(&host))
}

/// Returns a text as one word of a shell.
fn word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn violation(violation: &ViolationRecord) -> ViolationFigures {
    let exchanges = violation.exchanges.iter().map(|exchange| ExchangeFigures {
        request: exchange.request.clone(),
        reply: exchange.reply.clone(),
        curl: exchange.curl.clone(),
    });
    ViolationFigures {
        case: violation.case.clone(),
        file: violation.file.clone(),
        signs: violation.signs.clone(),
        exchanges: exchanges.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Backend, BearerSource, Path, Target, repeat};
    use crate::plan::reach::Reach;

    fn repeated(url: &str, tokens: Vec<BearerSource>) -> String {
        let (ca_file, reach) = (Some("/etc/my ca.pem".into()), Reach::default());
        repeat(
            "MCP-TRN-01",
            &Backend::Target(Box::new(Target { url: url.to_owned(), tokens, ca_file, reach, start: None })),
            None,
        )
    }

    #[test]
    fn the_command_that_repeats_a_check_of_files_names_their_folder() {
        assert_eq!(
            repeat("MCP-CON-01", &Backend::Process, Some(Path::new("/srv/my stack"))),
            "harness harden --repeat MCP-CON-01 --repository '/srv/my stack'"
        );
    }

    #[test]
    fn the_command_that_repeats_a_check_of_a_target_has_all_that_the_run_needed() {
        let tokens = ["A", "B"].map(|name| BearerSource::Variable(name.to_owned())).to_vec();
        assert_eq!(
            repeated("https://Staging.example/a;b", tokens),
            "harness harden --repeat MCP-TRN-01 --target 'https://Staging.example/a;b' --bearer-env A --other-bearer-env B \
             --ca-file '/etc/my ca.pem' --allow-host staging.example --i-own-this-host staging.example"
        );
        let near = repeated("http://127.0.0.1:8000/mcp", Vec::new());
        assert_eq!(
            near,
            "harness harden --repeat MCP-TRN-01 --target http://127.0.0.1:8000/mcp --ca-file '/etc/my ca.pem'"
        );
    }
}
