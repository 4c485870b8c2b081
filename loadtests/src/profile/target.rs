//! Profiles of loads on a target: a file with a table `[target]`, or the options of a command line. The forms of the target and of its operations are in
//! `harness-core`, because experiments have them too.

use super::parser::{LoadKeys, check_load};
use super::{Overrides, Problem, ProfileError};
use harness_core::plan::data_file::form::{self, Note, Thresholds};
use harness_core::plan::data_file::{nearest, threshold};
use harness_core::plan::operation::OperationData;
use harness_core::plan::target::Target;
use harness_core::plan::target_form::{OperationForm, TargetForm, calls, operations};
use harness_core::plan::workload::{Metric, Workload};
use harness_history::counted;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Number of users of a load from the command line, without `--users`.
const USERS: u32 = 10;
/// The threshold of a load from the command line, unless a `--threshold` is on the error rate.
const THRESHOLD: &str = "error_rate<1%";
/// Name of a load from the command line.
const NAME: &str = "target";

/// A load on a server that is not part of this product.
// Without `deny_unknown_fields`, which serde does not combine with `flatten`. The form rejects unknown keys.
#[derive(Deserialize, JsonSchema)]
pub(super) struct TargetProfile {
    #[serde(flatten)]
    load: LoadKeys,
    /// The server.
    target: TargetForm,
    /// The calls.
    #[schemars(length(min = 1))]
    operation: Vec<OperationForm>,
    /// Thresholds by operation that decide the verdict; `all` applies to all operations together.
    #[schemars(schema_with = "thresholds")]
    thresholds: Thresholds,
}

/// Thresholds by operation. The names of the operations are in the same file, so that they are checked after it is read.
fn thresholds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "default": {},
        "additionalProperties": { "type": "array", "items": { "type": "string", "format": "bound" } },
    })
}

/// A load on a target, as far as it can be read, and every problem.
pub(super) type Parsed = (Workload, Target, Vec<Problem>);

pub(super) fn parse(name: &str, file: &str, text: &str) -> Result<Parsed, Vec<Problem>> {
    let mut profile = form::read::<TargetProfile>(file, text, &[])?;
    let model = profile.value.load.model();
    check_load(&mut profile, model);
    let (target, mut notes) = profile.value.target.target();
    let (operations, mix, more) =
        operations(&profile.value.operation, &profile.value.target, |path| profile.place(path));
    notes.extend(more);
    notes.extend(unknown_names(&profile.value.thresholds, &mix));
    profile.note_all(notes);
    let (profile, problems) = profile.into_parts();
    let workload = profile.load.workload(name);
    let workload = Workload { thresholds: profile.thresholds.0, ..on(workload, &target, operations, mix) };
    Ok((workload, target, problems))
}

/// Returns a load on the target with these operations. Its users are spread over the tokens.
fn on(workload: Workload, target: &Target, operations: Vec<OperationData>, mix: BTreeMap<String, u32>) -> Workload {
    Workload { organisations: target.organisations(), operations, mix, ..workload }
}

fn unknown_names(thresholds: &Thresholds, mix: &BTreeMap<String, u32>) -> Vec<Note> {
    let names: Vec<&str> = mix.keys().map(String::as_str).collect();
    let named = thresholds.0.iter().filter_map(|threshold| threshold.operation.as_deref());
    let unknown = named.filter(|name| !mix.contains_key(*name)).map(|name| Note {
        path: format!("thresholds.{name}"),
        what: format!("there is no operation `{name}`{}", did_you_mean(name, &names)),
        allowed: format!("`all`, `{}`", names.join("`, `")),
    });
    unknown.collect()
}

fn did_you_mean(name: &str, known: &[&str]) -> String {
    nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Returns the load that the options of a command line describe, before its overrides.
pub(super) fn from_calls(target: &Target, texts: &[String]) -> Result<Workload, ProfileError> {
    let failed = |problems| ProfileError::Problems { name: NAME.to_owned(), problems };
    let (operations, mix) = calls(texts).map_err(failed)?;
    let defaults = format!("users = {USERS}\nduration = \"30s\"\n");
    let keys = form::read::<LoadKeys>("command line", &defaults, &[]).map_err(failed)?.into_parts().0;
    Ok(on(keys.workload(NAME), target, operations, mix))
}

/// Adds the default threshold to a load from the command line, unless the user has one on the error rate: latencies alone say nothing of calls that failed.
pub(super) fn with_error_rate(mut workload: Workload) -> Workload {
    if !workload.thresholds.iter().any(|threshold| threshold.metric == Metric::ErrorRate) {
        workload.thresholds.push(threshold(THRESHOLD).expect("the default threshold is one"));
    }
    workload
}

/// Checks the command line of a load on a target, after it has overridden the profile.
pub(super) fn check(workload: &Workload, target: &Target, overrides: &Overrides, problems: &mut Vec<Problem>) {
    let mut refuse = |key: &str, what: String, allowed: &str| {
        let place = "command line".to_owned();
        problems.push(Problem { place, key: key.to_owned(), what, allowed: allowed.to_owned() });
    };
    if overrides.organisations.is_some() {
        let what = "the users of a target are spread over its tokens".to_owned();
        refuse("--organisations", what, "remove it; each token stands for one organisation");
    }
    let (users, tokens) = (workload.users, target.organisations());
    if tokens > users {
        let what = format!("{} cannot be spread over {tokens} tokens", counted(users, "user", "users"));
        refuse("--users", what, "at least one user for each token");
    }
    let names: Vec<&str> = workload.mix.keys().map(String::as_str).collect();
    let named = workload.thresholds.iter().filter_map(|threshold| threshold.operation.as_deref());
    // Those of a file are checked with their lines.
    for name in named.filter(|name| !overrides.thresholds.is_empty() && !names.contains(name)) {
        let what = format!("there is no operation `{name}`{}", did_you_mean(name, &names));
        refuse("--threshold", what, &format!("`{}`", names.join("`, `")));
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::super::{Load, of_calls, read};
    use super::{Overrides, Target};
    use harness_core::plan::bearer::BearerSource;
    use harness_core::plan::reach::Reach;

    const GOOD: &str = "users = 4\nduration = \"2s\"\n[target]\nurl = \"http://127.0.0.1:1/mcp\"\n\
        [[operation]]\ntool = \"put\"\narguments = { key = \"{{key}}\" }\nweight = 3\n[thresholds]\nput = [\"max<1s\"]\n";

    fn target(tokens: &[&str]) -> Target {
        Target {
            url: "http://127.0.0.1:1/mcp".to_owned(),
            tokens: tokens.iter().map(|name| BearerSource::Variable((*name).to_owned())).collect(),
            ca_file: None,
            reach: Reach::default(),
            start: None,
        }
    }

    fn problems(text: &str, overrides: &Overrides) -> String {
        read("mine", "mine.toml", text, overrides).unwrap_err().to_string()
    }

    #[test]
    fn a_profile_with_a_target_has_its_operations_and_no_service() {
        let Load { workload, target } = read("mine", "mine.toml", GOOD, &Overrides::default()).unwrap();
        assert_eq!((workload.service, workload.mix["put"], workload.operations.len()), (None, 3, 1));
        assert_eq!((target.unwrap().organisations(), workload.organisations), (1, 1));
        let two = GOOD
            .replace("[[operation]]", "[[target.token]]\nenv = \"A\"\n[[target.token]]\nfile = \"b\"\n[[operation]]");
        assert_eq!(read("mine", "mine.toml", &two, &Overrides::default()).unwrap().workload.organisations, 2);
        let one = Overrides { users: Some(1), ..Overrides::default() };
        assert!(problems(&two, &one).contains("1 user cannot be spread over 2 tokens"));
    }

    #[test]
    fn problems_of_a_target_come_together_with_those_of_the_load() {
        let text = GOOD.replace("users = 4", "userz = 4").replace("put = [", "putt = [").replace("{{key}}", "{{kee}}");
        let found = problems(&text, &Overrides { organisations: Some(2), ..Overrides::default() });
        for expected in [
            "mine.toml:1: `userz`: unknown key; did you mean `users`?",
            "`thresholds.putt`: there is no operation `putt`",
            "there is no placeholder `{{kee}}`; did you mean `{{key}}`?",
            "`--organisations`: the users of a target are spread over its tokens",
        ] {
            assert!(found.contains(expected), "{expected}: {found}");
        }
    }

    #[test]
    fn calls_of_the_command_line_become_a_load() {
        let calls = ["put {\"key\":\"{{key}}\"}:3".to_owned()];
        let Load { workload, .. } = of_calls(target(&["A", "B"]), &calls, &Overrides::default()).unwrap();
        assert_eq!((workload.name.as_str(), workload.users, workload.organisations), ("target", 10, 2));
        assert_eq!(workload.thresholds[0].to_string(), "error_rate<1 %");
        for (threshold, expected) in [
            ("p99<1s", &["p99<1 s", "error_rate<1 %"][..]),
            ("error_rate<5%", &["error_rate<5 %"]),
            ("put:error_rate<5%", &["put error_rate<5 %"]),
        ] {
            let overrides = Overrides { thresholds: vec![threshold.to_owned()], ..Overrides::default() };
            let Load { workload, .. } = of_calls(target(&[]), &calls, &overrides).unwrap();
            let thresholds: Vec<String> = workload.thresholds.iter().map(ToString::to_string).collect();
            assert_eq!(thresholds, expected, "{threshold}");
        }
        let overrides = Overrides { thresholds: vec!["pit:p99<1s".to_owned()], ..Overrides::default() };
        let refused = of_calls(target(&[]), &calls, &overrides).unwrap_err().to_string();
        assert!(refused.contains("`--threshold`: there is no operation `pit`"), "{refused}");
        let many = Overrides { users: Some(20_000), ..Overrides::default() };
        assert!(of_calls(target(&[]), &calls, &many).unwrap_err().to_string().contains("`20000` is out of range"));
    }
}
