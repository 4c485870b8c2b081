//! Opens a page in a headless browser. Returns the messages of its console, and everything on the page that a reader
//! could not see.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use base64::Engine;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;

const SCRIPT: &str = include_str!("inspect.js");
/// Names of the browser in different distributions.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Seconds after which a browser that hangs is killed.
const DEADLINE_SECS: &str = "90";

/// The width of the window and the colour scheme.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) dark: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Inspected {
    pub(crate) width: u32,
    pub(crate) dark: bool,
    pub(crate) charts: usize,
    pub(crate) problems: Vec<String>,
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let candidates = std::env::split_paths(&path).flat_map(|folder| PROGRAMS.map(|name| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file()).expect("a browser is installed: .ci/need chromium chromium")
}

/// Puts the page into a frame of that width, because a window of the browser cannot be as narrow as a phone.
fn framed(html: &str, width: u32) -> String {
    let inner = html.replace("</body>", &format!("<script>{SCRIPT}</script></body>"));
    let inner = inner.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!doctype html><html style=\"color-scheme: light dark\"><head><meta charset=utf-8></head><body style=\"margin: 0\">\
         <iframe style=\"border: 0; width: {width}px; height: 1800px\" srcdoc=\"{inner}\"></iframe></body></html>"
    )
}

/// Opens a page. The messages of its console are among the problems.
pub(crate) fn inspect(html: &str, screen: Screen) -> Inspected {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    std::fs::write(&page, framed(html, screen.width)).unwrap();
    let mut command = Command::new("timeout");
    command.arg(DEADLINE_SECS).arg(program());
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions"]);
    command.args(["--no-first-run", "--disable-background-networking", "--enable-logging=stderr", "--log-level=0"]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    command.args(["--hide-scrollbars", "--window-size=1600,2000"]);
    // 0 is dark, 1 is light.
    command.arg(format!("--blink-settings=preferredColorScheme={}", i32::from(!screen.dark)));
    command.args(["--virtual-time-budget=5000", "--dump-dom"]).arg(format!("file://{}", page.display()));
    let output = command.output().unwrap();
    let (dom, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer = dom.split_once(r#"<pre id="inspected">"#).and_then(|(_, rest)| rest.split_once("</pre>"));
    let (answer, _) = answer.unwrap_or_else(|| panic!("the page was not inspected: {stderr}"));
    let answer = base64::engine::general_purpose::STANDARD.decode(answer).unwrap();
    let mut inspected: Inspected = serde_json::from_slice(&answer).unwrap();
    let console = stderr.lines().filter(|line| line.contains("CONSOLE"));
    inspected.problems.extend(console.map(|line| format!("console: {line}")));
    inspected
}
