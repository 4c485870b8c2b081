//! How images are built: as whom they run, what they contain, and what they are made from.

use super::dockerfile::{ImageStage, set, stages, targets};
use super::layers;
use super::variables::filled;
use super::{NEEDS, Rule, judge};
use harness_core::drive::hardening::{HardeningCheck, Lane, Probe, Stop};
use std::collections::BTreeMap;
use std::future::ready;

const FILE: &str = "Dockerfile";
/// Files with what a build must not copy. A build reads only the first that there is.
const IGNORED: [&str; 2] = ["Dockerfile.dockerignore", ".dockerignore"];
/// Files at the top of the folder that no image may have.
const PRIVATE: [&str; 2] = [".env", ".env.production"];
const LABELS: [&str; 3] = ["image.version", "image.revision", "image.licenses"];

pub(crate) const IMAGE: HardeningCheck = HardeningCheck {
    id: "MCP-CON-01",
    title: "an image runs without root, has a health check, and contains no secret and no setuid file",
    score: 7.5,
    why: "Everyone who can pull an image reads its layers, and a service that runs as root is root on the machine after a break-out.",
    sources: &["CIS Docker Benchmark, section 4", "OWASP MCP01:2025", "OWASP MCP04:2025", "CWE-250", "CWE-538"],
    needs: NEEDS,
    how: "Reads `Dockerfile`. Every stage with a command, and the last one, must have a numeric user that is not root and a health check; no stage may give a secret a value in ENV or ARG, copy a file of secrets, give a file the setuid bit, or add a URL without a checksum. What a base image has is not read.",
    remedy: "Set USER and HEALTHCHECK in the last stages; pass secrets at run time.",
    fix_in: &["Dockerfile"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(ready(image(probe))),
};

pub(crate) const BASE: HardeningCheck = HardeningCheck {
    id: "MCP-CON-02",
    title: "an image starts from nothing or from a digest, is built from a named version, and says what it is",
    score: 5.9,
    why: "A tag is moved to other content at any time, and an image without its revision cannot be traced to its sources.",
    sources: &["CIS Docker Benchmark, section 4", "OWASP MCP04:2025", "SLSA 1.0, provenance", "CWE-829"],
    needs: NEEDS,
    how: "Reads `Dockerfile` and `.dockerignore` (or `Dockerfile.dockerignore`, which a build prefers). The base of every stage with a command, and of the last one, must be `scratch` or have a digest, every image that only builds or is copied from must name a version, the labels must have version, revision and licences, and a build that copies the whole folder must ignore `.git`, `.env` and `.env.production` at its top.",
    remedy: "Copy static programs into `scratch`, or pin the base by its digest; set the OCI labels.",
    fix_in: &["Dockerfile"],
    follows: &[],
    lane: Lane::Shared,
    probing: |probe| Box::pin(ready(base(probe))),
};

fn read(probe: &Probe<'_>) -> Result<Vec<ImageStage>, Stop> {
    let text = probe.read_file(FILE)?;
    let directive = text.lines().next().unwrap_or_default().to_ascii_lowercase().replace(' ', "");
    if directive.starts_with("#escape=") && !directive.ends_with('\\') {
        return Err(Stop::Unclear(format!("`{FILE}` continues its lines with another character")));
    }
    let stages = stages(&text);
    if stages.is_empty() {
        return Err(Stop::Unclear(format!("`{FILE}` has no stage")));
    }
    probe.count_control();
    Ok(stages)
}

/// Returns what decides as whom a stage runs: the last USER of its chain, filled in with the variables as they are at that line.
fn user_of(chain: &[&ImageStage]) -> Option<String> {
    let (mut variables, mut user) = (BTreeMap::<String, (String, bool)>::new(), None);
    for stage in chain.iter().rev() {
        // An argument ends with its stage.
        variables.retain(|_, (_, is_permanent)| *is_permanent);
        for (instruction, rest) in &stage.instructions {
            let value = |name: &str| variables.get(name).map(|(value, _)| value.clone());
            if instruction == "USER" {
                user = Some(filled(rest, &value));
                continue;
            }
            let changed: Vec<(String, String)> =
                set(instruction, rest).into_iter().map(|(name, text)| (name, filled(&text, &value))).collect();
            let is_permanent = instruction == "ENV";
            for (name, text) in changed {
                // A variable of the environment counts more than an argument of the same name.
                if is_permanent || !variables.get(&name).is_some_and(|(_, is_permanent)| *is_permanent) {
                    variables.insert(name, (text, is_permanent));
                }
            }
        }
    }
    user
}

/// Returns true if the user is a number that is not root; `None` if the file does not decide it.
fn is_unprivileged(chain: &[&ImageStage]) -> Option<bool> {
    match user_of(chain) {
        Some(user) if user.contains('$') => None,
        Some(user) => Some(user.split(':').next().is_some_and(|user| user.parse::<u32>().is_ok_and(|id| id > 0))),
        // Images with this tag set a user that is not root.
        None => Some(chain.last().is_some_and(|first| {
            let name = first.base.split('@').next().unwrap_or_default();
            name.rsplit('/')
                .next()
                .and_then(|name| name.split_once(':'))
                .is_some_and(|(_, tag)| tag.contains("nonroot"))
        })),
    }
}

fn is_watched(chain: &[&ImageStage]) -> bool {
    let check = chain.iter().find_map(|stage| stage.of("HEALTHCHECK").next_back());
    check.is_some_and(|check| !check.eq_ignore_ascii_case("none"))
}

/// A rule that is broken by what was found.
fn none_of(what: &'static str, found: &[String], fact: &'static str, effect: &'static str) -> Rule {
    Rule { what, holds: Some(found.is_empty()), fact, effect, shows: found.join("\n") }
}

fn image(probe: &Probe<'_>) -> Result<(), Stop> {
    let all = read(probe)?;
    for stage in targets(&all) {
        judge(probe, FILE, &stage.name, &running(&stage.chain(&all)));
    }
    for stage in &all {
        judge(probe, FILE, &stage.name, &content(stage));
    }
    Ok(())
}

fn running(chain: &[&ImageStage]) -> Vec<Rule> {
    vec![
        Rule {
            what: "it runs as a user that is not root",
            holds: is_unprivileged(chain),
            fact: "USER is missing, root or a name",
            effect: "the program runs as root, or Kubernetes cannot tell that it does not",
            shows: user_of(chain).map(|user| format!("USER {user}")).unwrap_or_default(),
        },
        Rule {
            what: "its health is checked",
            holds: Some(is_watched(chain)),
            fact: "HEALTHCHECK is missing or NONE",
            effect: "a program that hangs seems to run",
            shows: String::new(),
        },
    ]
}

fn content(stage: &ImageStage) -> Vec<Rule> {
    vec![
        none_of(
            "it is given no secret",
            &layers::secrets(stage),
            "ENV or ARG gives a secret a value, or a file of secrets is copied",
            "everyone who pulls the image or its stage reads it",
        ),
        none_of(
            "it makes no file setuid",
            &layers::setuid(stage),
            "a mode has the setuid bit",
            "any user of the container becomes another",
        ),
        none_of(
            "nothing comes from a URL without a checksum",
            &layers::urls(stage),
            "ADD has a URL and no checksum",
            "the content is what that server sends today",
        ),
    ]
}

fn base(probe: &Probe<'_>) -> Result<(), Stop> {
    let all = read(probe)?;
    for stage in targets(&all) {
        judge(probe, FILE, &stage.name, &origin(&stage.chain(&all)));
    }
    let is_stage = |name: &str| name == "scratch" || all.iter().any(|stage| stage.name.eq_ignore_ascii_case(name));
    for stage in &all {
        let external = Some(stage.base.clone()).filter(|base| !is_stage(base));
        let base = external.into_iter().map(|base| (layers::names_a_version(&base), base));
        let copied = layers::copied_images(stage, is_stage).into_iter();
        let images = base.chain(copied.map(|name| (layers::is_versioned_source(&name), name)));
        let rules = images.map(|(holds, image)| Rule {
            what: "each image that it is made from names a version",
            holds,
            fact: "an image has no tag, or one that moves",
            effect: "the next build has another compiler",
            shows: image,
        });
        judge(probe, FILE, &stage.name, &rules.collect::<Vec<_>>());
    }
    if all.iter().any(layers::copies_all) {
        let mut found = (IGNORED[1], String::new());
        for file in IGNORED.into_iter().rev() {
            if let Some(text) = probe.find_file(file)? {
                found = (file, text);
            }
        }
        judge(probe, found.0, "the context of the build", &context(&found.1));
    }
    Ok(())
}

fn origin(chain: &[&ImageStage]) -> Vec<Rule> {
    let base = chain.last().map(|first| first.base.clone()).unwrap_or_default();
    let pinned = base == "scratch" || base.contains("@sha256:");
    let labels: Vec<(String, String)> = chain.iter().flat_map(|stage| stage.labels()).collect();
    let has = |label: &str| labels.iter().any(|(name, value)| name.ends_with(label) && !value.is_empty());
    let missing: Vec<String> = LABELS.iter().filter(|label| !has(label)).map(|label| (*label).to_owned()).collect();
    vec![
        Rule {
            what: "its base is `scratch` or has a digest",
            holds: (pinned || !base.contains('$')).then_some(pinned),
            fact: "the base has no digest",
            effect: "the next build has another base",
            shows: format!("FROM {base}"),
        },
        none_of(
            "its labels have version, revision and licences",
            &missing,
            "a label of OCI is missing",
            "a running image cannot be traced to its sources",
        ),
    ]
}

fn context(ignored: &str) -> Vec<Rule> {
    let open = |files: &[&str]| -> Vec<String> {
        files.iter().filter(|file| !layers::is_ignored(ignored, file)).map(|file| (*file).to_owned()).collect()
    };
    vec![
        none_of(
            "it ignores the history",
            &open(&[".git"]),
            "`.git` is not ignored",
            "a layer has every secret that was ever committed",
        ),
        none_of(
            "it ignores files of settings",
            &open(&PRIVATE),
            "a file of settings is not ignored",
            "a layer has the keys of the developer",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Rule, content, context, origin, running};
    use crate::containers::dockerfile::{stages, targets};

    /// Returns the rules that the last stage breaks, and those that it does not decide.
    fn broken(text: &str) -> (Vec<&'static str>, usize) {
        let all = stages(text);
        let last = targets(&all).pop().unwrap();
        let chain = last.chain(&all);
        let rules: Vec<Rule> = running(&chain).into_iter().chain(content(last)).chain(origin(&chain)).collect();
        let wrong = rules.iter().filter(|rule| rule.holds == Some(false)).map(|rule| rule.what).collect();
        (wrong, rules.iter().filter(|rule| rule.holds.is_none()).count())
    }

    const GOOD: &str = "FROM scratch AS base\nLABEL image.version=1 image.revision=2 image.licenses=MIT\nUSER 65532\nHEALTHCHECK CMD [\"/a\"]\nENTRYPOINT [\"/a\"]\n";

    #[test]
    fn each_rule_is_broken_by_one_text_and_by_no_other() {
        assert_eq!(broken(GOOD), (vec![], 0));
        for (find, replace, rule) in [
            ("USER 65532", "USER 0", "it runs as a user that is not root"),
            ("USER 65532", "ENV U=7\nENV U=0\nUSER $U", "it runs as a user that is not root"),
            ("USER 65532", "ENV U=0\nUSER $U\nENV U=7", "it runs as a user that is not root"),
            ("USER 65532", "ARG U=7\nUSER ${U:+0}", "it runs as a user that is not root"),
            ("image.revision=2", "image.revision=", "its labels have version, revision and licences"),
            ("image.revision=2", "about=image.revision", "its labels have version, revision and licences"),
            ("USER", "COPY .env.production /app/.env\nUSER", "it is given no secret"),
            ("USER", "ENV DB_PASS=hunter2\nUSER", "it is given no secret"),
            ("USER", "RUN [\"chmod\", \"4755\", \"/x\"]\nUSER", "it makes no file setuid"),
            ("USER", "RUN (chmod 4755 /x)\nUSER", "it makes no file setuid"),
            ("USER 65532", "COPY <<EOF /etc/motd\nUSER 1000\nEOF", "it runs as a user that is not root"),
            ("ENTRYPOINT", "FROM base AS final\nUSER 00\nENTRYPOINT", "it runs as a user that is not root"),
            ("HEALTHCHECK CMD [\"/a\"]", "HEALTHCHECK NONE", "its health is checked"),
            ("USER", "ENV DB_PASSWORD hunter2\nUSER", "it is given no secret"),
            ("USER", "RUN <<EOF\nchmod 4755 /x\nEOF\nUSER", "it makes no file setuid"),
            ("USER", "ADD https://example.org/a /a\nUSER", "nothing comes from a URL without a checksum"),
            ("FROM scratch", "FROM debian:12", "its base is `scratch` or has a digest"),
            ("image.revision=2", "", "its labels have version, revision and licences"),
        ] {
            assert_eq!(broken(&GOOD.replace(find, replace)), (vec![rule], 0), "{replace}");
        }
    }

    #[test]
    fn ordinary_files_break_no_rule_and_what_an_argument_decides_is_open() {
        for (find, replace) in [
            ("USER 65532", "ARG UID=10001\nUSER $UID"),
            ("USER 65532", "ENV U=7\nARG U=0\nUSER $U"),
            ("ENTRYPOINT", "FROM base AS final\nENTRYPOINT"),
            ("ENTRYPOINT [\"/a\"]", "ENTRYPOINT [\"/a\"]\nFROM base AS final"),
            ("USER", "ENV MAX_TOKENS=4096 DB_PASSWORD_FILE=/run/secrets/db\nRUN chmod 2775 /data\nUSER"),
        ] {
            assert_eq!(broken(&GOOD.replace(find, replace)), (vec![], 0), "{replace}");
        }
        let nonroot = GOOD.replace("scratch", "a/b:nonroot@sha256:00").replace("USER 65532\n", "");
        assert_eq!(broken(&nonroot), (vec![], 0));
        assert_eq!(broken(&GOOD.replace("USER 65532", "ARG UID\nUSER $UID")), (vec![], 1));
    }

    #[test]
    fn the_context_is_open_if_a_pattern_opens_it_again() {
        let wrong = |ignored| context(ignored).iter().filter(|rule| rule.holds == Some(false)).count();
        assert_eq!((wrong("*\n!src"), wrong("*\n!.env"), wrong(".git\n.env"), wrong("")), (0, 1, 1, 2));
    }
}
