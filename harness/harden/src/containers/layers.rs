//! What the instructions of a Dockerfile put into an image: secrets, setuid files, bases that move, and the context of the build.

use super::dockerfile::{ImageStage, sources};

/// Words of the name of a variable that holds a secret. A name is divided at `_`, so that `MAX_TOKENS` is none.
const SECRET_WORDS: [&str; 9] =
    ["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "CREDENTIAL", "CREDENTIALS", "APIKEY", "PRIVATEKEY"];
/// Last words of such a name that are common words elsewhere.
const LAST_WORDS: [&str; 2] = ["PASS", "PWD"];
/// What a key belongs to if it is a secret.
const SECRET_KEYS: [&str; 4] = ["API", "PRIVATE", "ACCESS", "SIGNING"];
/// Last words of the name of a variable that only says where a secret is, or what it is called.
const PLACES: [&str; 5] = ["FILE", "PATH", "DIR", "NAME", "HEADER"];
const SECRET_FILES: [&str; 8] =
    [".env", "id_rsa", "id_ecdsa", "id_ed25519", ".npmrc", ".netrc", ".pypirc", ".git-credentials"];
/// Ends of files of settings that only show their form.
const EXAMPLES: [&str; 5] = ["example", "sample", "template", "dist", "schema"];
/// Tags that are moved to each new version.
const MOVING: [&str; 15] = [
    "latest", "stable", "edge", "main", "master", "nightly", "lts", "rolling", "testing", "current", "alpine", "slim",
    "dev", "beta", "canary",
];

/// Returns the names of the variables and files of a stage that are secrets.
pub(super) fn secrets(stage: &ImageStage) -> Vec<String> {
    let variables = stage.variables().into_iter().filter(|(name, value)| is_secret(name, value)).map(|(name, _)| name);
    let copied = stage.of("COPY").chain(stage.of("ADD")).flat_map(sources);
    let files = copied.filter(|source| source.rsplit('/').next().is_some_and(is_secret_file));
    variables.chain(files).collect()
}

fn is_secret_file(file: &str) -> bool {
    let is_example = file.rsplit('.').next().is_some_and(|end| EXAMPLES.contains(&end));
    SECRET_FILES.contains(&file) || file.starts_with(".env.") && !is_example
}

fn is_secret(name: &str, value: &str) -> bool {
    // A URL with a password has `:` and `@` before its host.
    let authority = value.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    if authority.split_once('@').is_some_and(|(user, _)| user.contains(':') && !user.contains('$')) {
        return true;
    }
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    let is_key = words.windows(2).any(|pair| SECRET_KEYS.contains(&pair[0]) && pair[1] == "KEY");
    let is_last = words.len() > 1 && words.last().is_some_and(|last| LAST_WORDS.contains(last));
    let named = is_key || is_last || words.iter().any(|word| SECRET_WORDS.contains(word));
    let is_place = words.last().is_some_and(|last| PLACES.contains(last));
    let is_plain = value.is_empty() || value.parse::<f64>().is_ok() || matches!(value, "true" | "false");
    named && !is_place && !is_plain
}

/// Returns the commands and flags that give a file the setuid bit. That of a folder's group is common and gives no right to a program.
pub(super) fn setuid(stage: &ImageStage) -> Vec<String> {
    let mut all = Vec::new();
    for run in stage.of("RUN") {
        // The other form is a list of words.
        let run = serde_json::from_str::<Vec<String>>(run).map_or_else(|_| run.to_owned(), |words| words.join(" "));
        for command in run.split(['&', ';', '|']) {
            let words: Vec<&str> =
                command.split_whitespace().map(|word| word.trim_start_matches(['(', '{', '`'])).collect();
            let program = |name: &str| words.iter().position(|word| word.rsplit('/').next() == Some(name));
            let after_chmod = program("chmod")
                .and_then(|at| words[at + 1..].iter().find(|word| !word.starts_with("--") && !is_option(word)));
            let of_install = program("install").and_then(|at| {
                let words = &words[at + 1..];
                let next = words.windows(2).find(|pair| matches!(pair[0], "-m" | "--mode")).map(|pair| &pair[1]);
                next.or_else(|| words.iter().find(|word| word.starts_with("-m") || word.starts_with("--mode=")))
            });
            let modes = [after_chmod, of_install].into_iter().flatten();
            all.extend(modes.filter(|mode| is_setuid(mode)).map(|mode| format!("mode {mode}")));
        }
    }
    let flags = stage.of("COPY").chain(stage.of("ADD")).flat_map(str::split_whitespace);
    all.extend(flags.filter(|flag| flag.strip_prefix("--chmod=").is_some_and(is_setuid)).map(str::to_owned));
    all
}

/// Returns true for an option of `chmod`, other than a mode that takes a right away, such as `-x`.
fn is_option(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| letters.bytes().all(|letter| b"Rvcf".contains(&letter)))
}

fn is_setuid(mode: &str) -> bool {
    let mode = mode.trim_start_matches("--mode=").trim_start_matches("-m").trim_matches(['"', '\'']);
    let digits = mode.trim_start_matches('0');
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.len() == 4 && matches!(digits.as_bytes()[0], b'4'..=b'7');
    }
    mode.split(',').any(|clause| {
        let at = clause.find(['+', '=']).unwrap_or(clause.len());
        let (who, rights) = clause.split_at(at);
        let is_of_the_owner = who.is_empty() || who.contains(['u', 'a']);
        is_of_the_owner && who.bytes().all(|letter| b"ugoa".contains(&letter)) && rights.contains('s')
    })
}

/// Returns the URLs of `ADD` without a checksum, each without what may be a secret.
pub(super) fn urls(stage: &ImageStage) -> Vec<String> {
    let unproven = stage.of("ADD").filter(|add| !add.contains("--checksum="));
    let urls = unproven.flat_map(str::split_whitespace).filter_map(|word| word.split_once("://"));
    urls.map(|(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        format!("{}://{}", scheme.trim_start_matches(['[', '"']), host.rsplit('@').next().unwrap_or_default())
    })
    .collect()
}

/// Returns whether an image is named by a version; `None` if the file does not decide it.
pub(super) fn names_a_version(image: &str) -> Option<bool> {
    if image.contains("@sha256:") {
        return Some(true);
    }
    let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map(|(_, tag)| tag);
    if image.contains('$') {
        return None;
    }
    Some(tag.is_some_and(|tag| !MOVING.contains(&tag.split('-').next().unwrap_or_default())))
}

/// Returns the images that a stage copies files from, or that a command mounts.
pub(super) fn copied_images(stage: &ImageStage, is_stage: impl Fn(&str) -> bool) -> Vec<String> {
    let flags = stage.of("COPY").chain(stage.of("ADD")).flat_map(str::split_whitespace);
    let copied = flags.filter_map(|flag| flag.strip_prefix("--from="));
    let mounts = stage.of("RUN").flat_map(str::split_whitespace).filter_map(|flag| flag.strip_prefix("--mount="));
    let mounted = mounts.flat_map(|mount| mount.split(',')).filter_map(|option| option.strip_prefix("from="));
    copied.chain(mounted).filter(|name| !is_stage(name) && name.parse::<usize>().is_err()).map(str::to_owned).collect()
}

/// Returns whether what files are copied from is named by a version; `None` if it may be a context with a name instead of an image.
pub(super) fn is_versioned_source(name: &str) -> Option<bool> {
    names_a_version(name).filter(|_| name.contains([':', '/', '@']))
}

/// Returns true if the whole folder is copied into a stage.
pub(super) fn copies_all(stage: &ImageStage) -> bool {
    let from_the_context = stage.of("COPY").chain(stage.of("ADD")).filter(|copy| !copy.contains("--from="));
    from_the_context.flat_map(sources).any(|source| {
        let parts = source.split('/').filter(|part| !matches!(*part, "" | "."));
        matches!(parts.collect::<Vec<_>>()[..], [] | ["*"])
    })
}

/// Returns true if `.dockerignore` keeps a file at the top of the folder out of the build. The last pattern that matches decides.
pub(super) fn is_ignored(ignored: &str, file: &str) -> bool {
    let patterns = ignored.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    patterns.fold(false, |state, line| {
        let (pattern, ignores) = line.strip_prefix('!').map_or((line, true), |pattern| (pattern, false));
        let pattern = pattern.trim_start_matches("./").trim_matches('/');
        let pattern = pattern.strip_prefix("**/").unwrap_or(pattern);
        let pattern = pattern.strip_suffix("/**").or_else(|| pattern.strip_suffix("/*")).unwrap_or(pattern);
        if matches(pattern, file) { ignores } else { state }
    })
}

/// Returns true if a pattern with `*` matches a name.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let after = after.trim_start_matches('*');
    let Some(rest) = name.strip_prefix(before) else { return false };
    (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| matches(after, rest))
}

#[cfg(test)]
mod tests {
    use super::{copied_images, copies_all, is_ignored, is_versioned_source, names_a_version, secrets, setuid, urls};
    use crate::containers::dockerfile::{ImageStage, stages};

    fn stage(line: &str) -> ImageStage {
        stages(&format!("FROM scratch\n{line}")).remove(0)
    }

    #[test]
    fn secrets_are_named_without_their_values() {
        for line in [
            "ENV JWT_SECRET=abc",
            "ENV DB_PASSWORD hunter2",
            "ARG api_token=hunter2 A=2",
            "ENV STRIPE_API_KEY=hunter2",
            "ENV DATABASE_URL=postgres://u:hunter2@h/d",
            "COPY --chown=1:1 .env /app/",
            "COPY [\"keys/id_rsa\", \"/root/\"]",
        ] {
            let found = secrets(&stage(line));
            assert!(found.len() == 1 && !found[0].contains("hunter2"), "{line}: {found:?}");
        }
        for line in [
            "ARG JWT_SECRET",
            "ENV JWT_SECRET=\"\"",
            "ENV PATH=/secret",
            "ENV MAX_TOKENS=4096",
            "ENV TOKEN_LIMIT=4096",
            "ENV DB_PASSWORD_FILE=/run/secrets/db",
            "ARG TOKENIZERS_PARALLELISM=false",
            "ENV REDIS_URL=redis://redis:6379",
            "COPY .env.example /app/",
            "ENV PWD=/app",
        ] {
            assert!(secrets(&stage(line)).is_empty(), "{line}");
        }
    }

    #[test]
    fn only_the_setuid_bit_of_a_file_is_one() {
        for run in [
            "chmod 4755 /a",
            "chmod -R 04755 /a",
            "/bin/chmod 6755 /a",
            "chmod u+s /a",
            "chmod ug+xs /a",
            "a && install -m 4755 a b",
        ] {
            assert_eq!(setuid(&stage(&format!("RUN {run}"))).len(), 1, "{run}");
        }
        for run in [
            "chmod 0755 /a",
            "chmod 2775 /data",
            "chmod g+s /data",
            "chmod -x /s",
            "chmod u=rwx /scripts",
            "install -m 0755 a b",
            "echo chmod",
        ] {
            assert!(setuid(&stage(&format!("RUN {run}"))).is_empty(), "{run}");
        }
        assert!(
            !setuid(&stage("COPY --chmod=4755 a b")).is_empty() && setuid(&stage("COPY --chmod=0755 a b")).is_empty()
        );
    }

    #[test]
    fn only_a_url_without_a_checksum_is_unproven() {
        assert_eq!(urls(&stage("ADD https://u:hunter2@example.org/a?t=1 /a")), ["https://example.org"]);
        assert!(urls(&stage("ADD --checksum=sha256:00 https://example.org/a /a")).is_empty());
        assert!(urls(&stage("ADD a.tar /a")).is_empty());
    }

    #[test]
    fn a_tag_that_moves_is_no_version() {
        for (image, named) in [
            ("debian:12", Some(true)),
            ("host:5000/debian", Some(false)),
            ("rust:1.95-bookworm", Some(true)),
            ("debian", Some(false)),
            ("debian:latest", Some(false)),
            ("debian:stable-slim", Some(false)),
            ("python:slim", Some(false)),
            ("postgres:17-alpine", Some(true)),
            ("debian@sha256:00", Some(true)),
            ("x:$UNSET", None),
        ] {
            assert_eq!(names_a_version(image), named, "{image}");
        }
        let is_stage = |name: &str| name == "build";
        assert_eq!(copied_images(&stage("COPY --from=nginx:latest /a /b"), is_stage), ["nginx:latest"]);
        assert!(copied_images(&stage("COPY --from=build /a /b"), is_stage).is_empty());
        assert_eq!(
            copied_images(&stage("RUN --mount=type=bind,from=alpine:latest,target=/a cp /a /b"), is_stage),
            ["alpine:latest"]
        );
        assert_eq!(copied_images(&stage("COPY --from=nginx /a /b"), is_stage), ["nginx"]);
        let named = ["nginx", "nginx:1", "nginx:latest", "a/nginx"].map(is_versioned_source);
        assert_eq!(named, [None, Some(true), Some(false), Some(false)]);
    }

    #[test]
    fn the_last_pattern_decides_what_is_ignored() {
        for (copy, all) in [
            ("COPY --chown=1:1 . /a", true),
            ("ADD ./ /a", true),
            ("COPY ./. /a", true),
            ("COPY [\".\", \"/\"]", true),
            ("COPY src /a", false),
        ] {
            assert_eq!(copies_all(&stage(copy)), all, "{copy}");
        }
        for (ignored, file, wanted) in [
            ("*\n!src", ".env", true),
            ("*\n!.env", ".env", false),
            (".env", ".env.production", false),
            ("**/.env*", ".env.production", true),
            ("/.git/", ".git", true),
            ("# .git", ".git", false),
            ("**", ".git", true),
        ] {
            assert_eq!(is_ignored(ignored, file), wanted, "{ignored} {file}");
        }
    }
}
