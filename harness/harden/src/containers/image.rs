//! How images are built: as whom they run, what they contain, and what they are made from.

use super::dockerfile::{ImageStage, stages};
use super::{NEEDS, Rule, judge};
use harness_core::drive::hardening::{HardeningCheck, Probe, Stop};
use std::future::ready;

const FILE: &str = "Dockerfile";
const IGNORED: &str = ".dockerignore";
/// Parts of names of variables that hold secrets.
const SECRET_NAMES: [&str; 6] = ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "API_KEY", "PRIVATE_KEY"];
const LABELS: [&str; 3] = ["image.version", "image.revision", "image.licenses"];

pub(crate) const IMAGE: HardeningCheck = HardeningCheck {
    id: "MCP-CON-01",
    title: "an image runs without root, checks its health, and has no secret and no setuid file",
    score: 7.5,
    why: "Everyone who can pull an image reads its layers, and a service that runs as root is root on the machine after a break-out.",
    sources: &["CIS Docker Benchmark, section 4", "OWASP MCP01:2025", "OWASP MCP04:2025", "CWE-250", "CWE-538"],
    needs: NEEDS,
    how: "Reads the Dockerfile. Every stage with a command must set a numeric user that is not root and a health check; no stage may set a secret in ENV or ARG, make a file setuid, or add a file from a URL.",
    remedy: "Set USER and HEALTHCHECK in the last stages; pass secrets at run time.",
    fix_in: &["Dockerfile"],
    follows: &[],
    alone: false,
    probing: |probe| Box::pin(ready(image(probe))),
};

pub(crate) const BASE: HardeningCheck = HardeningCheck {
    id: "MCP-CON-02",
    title: "an image starts from nothing or from a digest, is built from a named version, and says what it is",
    score: 5.9,
    why: "A tag is moved to other content at any time, and an image without its revision cannot be traced to its sources.",
    sources: &["CIS Docker Benchmark, section 4", "OWASP MCP04:2025", "SLSA 1.0, provenance", "CWE-829"],
    needs: NEEDS,
    how: "Reads the Dockerfile and `.dockerignore`. The base of every stage with a command must be `scratch` or have a digest, every image that only builds must name a version, the labels must have version, revision and licences, and a build that copies the whole folder must ignore `.git` and files of settings.",
    remedy: "Copy static programs into `scratch`, or pin the base by its digest; set the OCI labels.",
    fix_in: &["Dockerfile"],
    follows: &[],
    alone: false,
    probing: |probe| Box::pin(ready(base(probe))),
};

fn read(probe: &Probe<'_>) -> Result<Vec<ImageStage>, Stop> {
    let stages = stages(&probe.read_file(FILE)?);
    if !stages.iter().any(ImageStage::runs) {
        return Err(Stop::Unclear(format!("no stage of `{FILE}` has a command")));
    }
    probe.controlled();
    Ok(stages)
}

/// Returns the instructions of a stage and those before it. The values of variables are omitted: they may be secrets.
fn excerpt(chain: &[&ImageStage]) -> String {
    let mut lines = Vec::new();
    for stage in chain.iter().rev() {
        lines.push(format!("FROM {} AS {}", stage.base, stage.name));
        for (name, rest) in &stage.instructions {
            let is_variable = matches!(name.as_str(), "ENV" | "ARG");
            let rest = if is_variable { rest.split('=').next().unwrap_or_default() } else { rest };
            lines.push(format!("{name} {rest}"));
        }
    }
    lines.join("\n")
}

fn image(probe: &Probe<'_>) -> Result<(), Stop> {
    let all = read(probe)?;
    for stage in all.iter().filter(|stage| stage.runs()) {
        let chain = stage.chain(&all);
        let last = |name: &str| chain.iter().find_map(|stage| stage.of(name).next_back());
        let user = last("USER").unwrap_or_default().split(':').next().unwrap_or_default();
        let unprivileged = user.parse::<u32>().is_ok_and(|id| id > 0);
        let watched = last("HEALTHCHECK").is_some_and(|check| !check.eq_ignore_ascii_case("none"));
        let rules = [
            Rule {
                what: "it runs as a user that is not root",
                holds: unprivileged,
                fact: "USER is missing, root or a name",
                effect: "the program runs as root, or Kubernetes cannot tell that it does not",
            },
            Rule {
                what: "its health is checked",
                holds: watched,
                fact: "HEALTHCHECK is missing or NONE",
                effect: "a program that hangs seems to run",
            },
        ];
        judge(probe, FILE, &stage.name, &excerpt(&chain), &rules);
    }
    for stage in &all {
        let text = |name: &str| stage.of(name).collect::<Vec<_>>().join("\n");
        let (run, copied) = (text("RUN"), format!("{}\n{}", text("COPY"), text("ADD")));
        let rules = [
            Rule {
                what: "no variable has a secret",
                holds: !has_secret(stage),
                fact: "ENV or ARG gives a secret a value",
                effect: "everyone who pulls the image reads it",
            },
            Rule {
                what: "no file is setuid",
                holds: !makes_setuid(&run, &copied),
                fact: "a mode has the setuid or setgid bit",
                effect: "any user of the container becomes another",
            },
            Rule {
                what: "nothing comes from a URL",
                holds: !stage.of("ADD").any(|add| add.contains("://")),
                fact: "ADD has a URL",
                effect: "the content is what that server sends today",
            },
        ];
        judge(probe, FILE, &stage.name, &excerpt(&[stage]), &rules);
    }
    Ok(())
}

fn has_secret(stage: &ImageStage) -> bool {
    let pairs =
        stage.of("ENV").chain(stage.of("ARG")).flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='));
    pairs.filter(|(_, value)| !value.trim_matches('"').is_empty()).any(|(name, _)| {
        let name = name.to_ascii_uppercase();
        SECRET_NAMES.iter().any(|word| name.contains(word))
    })
}

/// Returns true if a mode of four digits begins with 2, 4, 6, or a mode in letters adds `s`.
fn makes_setuid(run: &str, copied: &str) -> bool {
    let is_set = |mode: &str| {
        let digits = mode.trim_start_matches('0');
        let is_octal = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_octal && matches!(digits.as_bytes()[0], b'2' | b'4' | b'6' | b'7') || mode.contains("+s")
    };
    let words: Vec<&str> = run.split_whitespace().collect();
    words.windows(2).any(|pair| pair[0] == "chmod" && is_set(pair[1]))
        || copied.split_whitespace().filter_map(|word| word.strip_prefix("--chmod=")).any(is_set)
}

fn base(probe: &Probe<'_>) -> Result<(), Stop> {
    let all = read(probe)?;
    let is_stage = |name: &str| all.iter().any(|stage| stage.name == name);
    for stage in all.iter().filter(|stage| stage.runs()) {
        let chain = stage.chain(&all);
        let first = &chain[chain.len() - 1].base;
        let pinned = first == "scratch" || first.contains("@sha256:");
        let labels: String = chain.iter().flat_map(|stage| stage.of("LABEL")).collect();
        let rules = [
            Rule {
                what: "its base is `scratch` or has a digest",
                holds: pinned,
                fact: "the base has only a tag",
                effect: "the next build has another base",
            },
            Rule {
                what: "its labels have version, revision and licences",
                holds: LABELS.iter().all(|label| labels.contains(label)),
                fact: "a label of OCI is missing",
                effect: "a running image cannot be traced to its sources",
            },
        ];
        judge(probe, FILE, &stage.name, &excerpt(&chain), &rules);
    }
    for stage in all.iter().filter(|stage| !is_stage(&stage.base) && stage.base != "scratch") {
        let tag = stage.base.rsplit('/').next().and_then(|name| name.split_once(':')).map(|(_, tag)| tag);
        let named = stage.base.contains("@sha256:") || tag.is_some_and(|tag| tag != "latest");
        let rules = [Rule {
            what: "its base names a version",
            holds: named,
            fact: "the base has no tag, or `latest`",
            effect: "the next build has another compiler",
        }];
        judge(probe, FILE, &stage.name, &excerpt(&[stage]), &rules);
    }
    let copies_all = all.iter().flat_map(|stage| stage.of("COPY")).any(|copy| copy.trim_start().starts_with(". "));
    if copies_all {
        let ignored = probe.read_file(IGNORED).unwrap_or_default();
        let lines: Vec<&str> = ignored.lines().map(str::trim).collect();
        let ignores = |names: &[&str]| names.iter().any(|name| lines.contains(name));
        // A list that ignores everything names what the build may see.
        let closed = ignores(&["*", "**"]);
        let rules = [
            Rule {
                what: "it ignores the history",
                holds: closed || ignores(&[".git", ".git/", "**/.git"]),
                fact: "`.git` is not in it",
                effect: "a layer has every secret that was ever committed",
            },
            Rule {
                what: "it ignores files of settings",
                holds: closed || ignores(&[".env", ".env*", ".env.*", "**/.env*", "*.env"]),
                fact: "`.env*` is not in it",
                effect: "a layer has the keys of the developer",
            },
        ];
        judge(probe, IGNORED, "the context of the build", &ignored, &rules);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{has_secret, makes_setuid};
    use crate::containers::dockerfile::stages;

    #[test]
    fn secrets_and_setuid_modes_are_recognized() {
        for (line, secret) in [
            ("ENV JWT_SECRET=abc", true),
            ("ARG api_token=1 A=2", true),
            ("ARG JWT_SECRET", false),
            ("ENV JWT_SECRET=\"\"", false),
            ("ENV PATH=/secret", false),
        ] {
            assert_eq!(has_secret(&stages(&format!("FROM scratch\n{line}"))[0]), secret, "{line}");
        }
        for (run, set) in [
            ("chmod 4755 /a", true),
            ("chmod u+s /a", true),
            ("chmod 0755 /a", false),
            ("chmod 755 /a", false),
            ("chmod 04755 /a", true),
        ] {
            assert_eq!(makes_setuid(run, ""), set, "{run}");
        }
        assert!(makes_setuid("", "--chmod=2755 a b") && !makes_setuid("", "--chmod=0755 a b"));
    }
}
