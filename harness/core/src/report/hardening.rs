//! The figures of a hardening run.

use super::figures::{
    CheckFigures, ExchangeFigures, HardeningFigures, NotMadeFigures, OmittedFigures, ViolationFigures,
};
use crate::drive::RunPurpose;
use crate::drive::hardening::{CheckRecord, CheckState, ViolationRecord};
use crate::judge::Recorded;
use crate::judge::hardening::cause_of;
use crate::plan::Backend;
use crate::plan::bearer::BearerSource;
use crate::plan::hardening::{CheckTexts, Hardening};
use crate::plan::reach::{another_machine, without_secrets};
use crate::plan::target::Target;
use indexmap::IndexMap;

/// Returns the figures; `None` for another kind of run.
pub(super) fn figures(recorded: &Recorded) -> Option<HardeningFigures> {
    let RunPurpose::Hardening(plan) = &recorded.plan.subject else { return None };
    let made = plan.checks.iter().map(|texts| check(texts, plan, recorded));
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
    let (checks, omitted): (Vec<CheckFigures>, Vec<OmittedFigures>) = (made.collect(), skipped.collect());
    let count = |state: CheckState| checks.iter().filter(|check| check.state == state.name()).count() as u64;
    let (passed, failed, unknown) = (count(CheckState::Pass), count(CheckState::Fail), count(CheckState::Unknown));
    let not_made = not_made(&checks, &omitted);
    Some(HardeningFigures { target, checks, omitted, not_made, passed, failed, unknown })
}

/// Returns the checks that decided nothing, by their reason. Many checks miss the same, and one line for each would hide what a reader can change.
fn not_made(checks: &[CheckFigures], omitted: &[OmittedFigures]) -> Vec<NotMadeFigures> {
    let unfit = checks.iter().filter(|check| check.state == CheckState::NotApplicable.name());
    let unfit = unfit.map(|check| (&check.state, &check.summary, &check.id));
    let mut groups: IndexMap<(&str, &str), Vec<String>> = IndexMap::new();
    for (state, why, id) in omitted.iter().map(|one| (&one.state, &one.why, &one.id)).chain(unfit) {
        groups.entry((state.as_str(), why.as_str())).or_default().push(id.clone());
    }
    let group = |((state, why), checks): ((&str, &str), Vec<String>)| NotMadeFigures {
        state: state.to_owned(),
        why: why.to_owned(),
        checks,
    };
    let mut groups: Vec<NotMadeFigures> = groups.into_iter().map(group).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.checks.len()));
    groups
}

fn check(texts: &CheckTexts, plan: &Hardening, recorded: &Recorded) -> CheckFigures {
    let record = recorded.hardening.iter().find(|record| record.id == texts.id);
    let of = |field: fn(&CheckRecord) -> u64| record.map(field).unwrap_or_default();
    CheckFigures {
        id: texts.id.clone(),
        title: texts.title.clone(),
        severity: texts.severity().name().to_owned(),
        score: texts.score,
        state: record.map_or(CheckState::Unknown, |record| record.state).name().to_owned(),
        summary: record.map_or_else(|| "the run ended before this check".to_owned(), |record| record.summary.clone()),
        same_cause_as: cause_of(&texts.id, plan, &recorded.hardening).map(str::to_owned),
        why: texts.why.clone(),
        sources: texts.sources.clone(),
        how: texts.how.clone(),
        remedy: texts.remedy.clone(),
        mend: texts.mend.clone(),
        repeat: repeat(&texts.id, &recorded.plan.backend, plan),
        cases: of(|record| record.cases),
        controls: of(|record| record.controls),
        attempts: record.map(|record| record.attempts).unwrap_or_default(),
        took_secs: of(|record| record.took_us) as f64 / 1e6,
        violations: record.into_iter().flat_map(|record| &record.violations).map(violation).collect(),
        doubts: record.map(|record| record.doubts.clone()).unwrap_or_default(),
    }
}

/// Returns the command that runs one check on a stack of the same kind, and on the same repository.
fn repeat(id: &str, backend: &Backend, plan: &Hardening) -> String {
    let place = match backend {
        Backend::Target(_) if plan.profile.is_some() => plan.profile.iter().map(|words| format!(" {words}")).collect(),
        Backend::Process => String::new(),
        Backend::Docker => " --backend docker".to_owned(),
        Backend::Target(target) => at_target(target),
        Backend::External { urls, .. } => urls
            .iter()
            .map(|(service, url)| format!(" --url {}{}", word(&format!("{service}={url}")), owned(url)))
            .collect(),
    };
    let files = plan.repository.as_ref().map(|folder| format!(" --repository {}", word(&folder.display().to_string())));
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
    use super::{Backend, BearerSource, Hardening, Target, repeat};
    use crate::plan::reach::Reach;
    use std::path::PathBuf;
    use std::time::Duration;

    fn plan(repository: Option<&str>, profile: Option<&str>) -> Hardening {
        Hardening {
            name: "catalogue".to_owned(),
            about: String::new(),
            deadline: Duration::from_secs(1),
            checks: Vec::new(),
            omitted: Vec::new(),
            repository: repository.map(PathBuf::from),
            profile: profile.map(str::to_owned),
        }
    }

    fn target(url: &str, tokens: Vec<BearerSource>) -> Backend {
        let (ca_file, reach) = (Some("/etc/my ca.pem".into()), Reach::default());
        Backend::Target(Box::new(Target { url: url.to_owned(), tokens, ca_file, reach, start: None }))
    }

    #[test]
    fn the_command_that_repeats_a_check_of_files_names_their_folder() {
        assert_eq!(
            repeat("MCP-CON-01", &Backend::Process, &plan(Some("/srv/my stack"), None)),
            "harness harden --repeat MCP-CON-01 --repository '/srv/my stack'"
        );
    }

    #[test]
    fn the_command_that_repeats_a_check_of_a_target_has_all_that_the_run_needed() {
        let tokens = ["A", "B"].map(|name| BearerSource::Variable(name.to_owned())).to_vec();
        assert_eq!(
            repeat("MCP-TRN-01", &target("https://Staging.example/a;b", tokens), &plan(None, None)),
            "harness harden --repeat MCP-TRN-01 --target 'https://Staging.example/a;b' --bearer-env A --other-bearer-env B \
             --ca-file '/etc/my ca.pem' --allow-host staging.example --i-own-this-host staging.example"
        );
        let near = target("http://127.0.0.1:8000/mcp", Vec::new());
        assert_eq!(
            repeat("MCP-TRN-01", &near, &plan(None, None)),
            "harness harden --repeat MCP-TRN-01 --target http://127.0.0.1:8000/mcp --ca-file '/etc/my ca.pem'"
        );
        // The URL of a server that the harness starts has no port, so the profile is named.
        assert_eq!(
            repeat("MCP-TRN-01", &near, &plan(None, Some("--profile mine.toml --bearer-env A"))),
            "harness harden --repeat MCP-TRN-01 --profile mine.toml --bearer-env A"
        );
    }
}
