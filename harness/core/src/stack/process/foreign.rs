//! Starts the server of a target: the command that the user wrote, with the port and the folder filled in. The only assumption about the server is
//! that it speaks MCP at its URL.

use super::super::ready::log_tail;
use super::super::{StackError, StackRequest};
use super::PartProcess;
use crate::plan::target::{PORT_MARK, Start, TARGET};
use crate::stack::owned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Stands for the folder of the run that the server may use.
const DATA_MARK: &str = "{{data}}";
/// Pause between two requests. Longer than for our services, because an interpreter takes a second to start anyway.
const PAUSE: Duration = Duration::from_millis(50);
/// Variables that every server gets: without them interpreters and package runners do not start.
const PASSED: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "USER"];

/// Returns the command of the server.
///
/// # Errors
/// The program or its folder does not exist, or a variable that it needs is not set.
pub(super) fn command(request: &StackRequest, start: &Start, port: u16) -> Result<Command, StackError> {
    let failed = |why: String| StackError::start(TARGET, why);
    let data = data_folder(&request.dir);
    std::fs::create_dir_all(&data).map_err(|error| failed(format!("`{}`: {error}", data.display())))?;
    let filled =
        |text: &str| text.replace(PORT_MARK, &port.to_string()).replace(DATA_MARK, &data.display().to_string());
    let words: Vec<String> = start.command.iter().map(|word| filled(word)).collect();
    let (program, arguments) = words.split_first().ok_or_else(|| failed("its command is empty".to_owned()))?;
    let folder = start.directory.clone().map_or_else(std::env::current_dir, Ok);
    let folder = folder.and_then(std::path::absolute).map_err(|error| failed(error.to_string()))?;
    if !folder.is_dir() {
        return Err(failed(format!(
            "its folder `{}` does not exist\nhint: correct `target.start.directory`",
            folder.display()
        )));
    }
    let program = find_program(program, &folder).ok_or_else(|| StackError::MissingBinary {
        binary: program.clone(),
        looked: format!("the folders of PATH, and `{}`", folder.display()),
        hint: "correct `target.start.command`, or install the program".to_owned(),
    })?;
    let mut command =
        if request.detached { Command::new(&program) } else { owned::command(&request.executable, &program) };
    command.args(arguments).env_clear().envs(environment(start, &filled)?).current_dir(folder);
    Ok(command)
}

/// The folder of the run that the server may write to.
fn data_folder(dir: &Path) -> PathBuf {
    dir.join("data").join(TARGET)
}

/// Returns the variables of the server: those of [`PASSED`] that are set here, and those of the plan. The values of variables that are passed on are
/// read only now, so that no plan has them.
fn environment(
    start: &Start,
    filled: &impl Fn(&str) -> String,
) -> Result<BTreeMap<String, std::ffi::OsString>, StackError> {
    let passed = PASSED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?)));
    let mut values: BTreeMap<String, std::ffi::OsString> = passed.collect();
    for (name, value) in &start.environment {
        let value = match value {
            Some(value) => filled(value).into(),
            None => std::env::var_os(name).ok_or_else(|| {
                StackError::start(TARGET, format!("the variable `{name}` is not set\nhint: set it, or give it a value in `target.start.environment`"))
            })?,
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// Returns the program as an absolute path: a path below the folder of the command, or a name on `PATH`. It is looked up here, because `exec` would
/// look it up in the environment of the server.
fn find_program(program: &str, folder: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(folder.join(program)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join(program)).find(|path| path.is_file())
}

/// Waits until the server is ready: until its `ready` path answers with a status below 500 or, if it has none, until its endpoint answers a request
/// for its tools. Fails when its process ends, or at the deadline.
pub(super) async fn wait_ready(
    http: &reqwest::Client,
    start: &Start,
    endpoint: &str,
    log: &Path,
    process: &mut PartProcess,
) -> Result<(), StackError> {
    let (since, part) = (Instant::now(), TARGET.to_owned());
    let mut last = "no answer".to_owned();
    while since.elapsed() < start.deadline {
        if let Some(status) = process.ended_with_log().await {
            return Err(StackError::Died { part, status, tail: log_tail(log) });
        }
        match answers(http, start, endpoint).await {
            Ok(()) => return Ok(()),
            Err(why) => last = why,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(StackError::NotReady { part, seconds: start.deadline.as_secs(), last, tail: log_tail(log) })
}

/// Requests the readiness of the server once. Returns why it is not ready.
async fn answers(http: &reqwest::Client, start: &Start, endpoint: &str) -> Result<(), String> {
    let silent = |error: reqwest::Error| error.without_url().to_string();
    if let Some(path) = &start.ready {
        let url = origin_of(endpoint).unwrap_or_default() + path;
        let status = http.get(url).send().await.map_err(silent)?.status().as_u16();
        return if status < 500 { Ok(()) } else { Err(format!("`{path}` answers with status {status}")) };
    }
    // Servers of either era answer it, if only by a refusal: 400 without `initialize`, 401 without a token. A server without this path answers 404.
    let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
    let request = http.post(endpoint).header("accept", "application/json, text/event-stream").json(&body);
    match request.send().await.map_err(silent)?.status().as_u16() {
        404 | 405 => Err("it answers, but not at the path of its URL".to_owned()),
        status @ 500.. => Err(format!("it answers with status {status}")),
        _ => Ok(()),
    }
}

/// Returns scheme, host and port of a URL.
fn origin_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

#[cfg(test)]
mod tests {
    use super::{environment, find_program, origin_of};
    use crate::plan::target::Start;
    use std::time::Duration;

    fn start(environment: &[(&str, Option<&str>)]) -> Start {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
        Start {
            command: vec!["sh".to_owned()],
            directory: None,
            environment: environment.collect(),
            ready: None,
            deadline: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_server_gets_the_variables_of_its_plan_and_few_others() {
        let filled = |text: &str| text.replace("{{port}}", "7");
        let values = environment(&start(&[("PORT", Some("{{port}}")), ("HOME", Some("/elsewhere"))]), &filled).unwrap();
        assert_eq!((values["PORT"].to_str(), values["HOME"].to_str()), (Some("7"), Some("/elsewhere")));
        assert!(values.contains_key("PATH") && !values.contains_key("CARGO_MANIFEST_DIR"), "{values:?}");
        let why = environment(&start(&[("NO_SUCH_VARIABLE_HERE", None)]), &filled).unwrap_err().to_string();
        assert!(why.contains("`NO_SUCH_VARIABLE_HERE` is not set") && why.contains("hint:"), "{why}");
    }

    #[test]
    fn a_program_is_a_name_on_the_path_or_a_file_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("serve"), "").unwrap();
        assert!(find_program("sh", folder.path()).unwrap().is_absolute());
        assert_eq!(find_program("./serve", folder.path()), Some(folder.path().join("./serve")));
        assert_eq!(find_program("serve", folder.path()), None, "the folder is not on PATH");
        assert_eq!(origin_of("http://127.0.0.1:7/mcp").as_deref(), Some("http://127.0.0.1:7"));
    }
}
