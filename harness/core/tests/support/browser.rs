//! A page in a real browser without a window: what it says on its console, and what a reader would miss.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use base64::Engine;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Command;

const SCRIPT: &str = include_str!("inspect.js");
/// Programs that are it, by what distributions call them.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Seconds until a browser that hangs is ended.
const PATIENCE: &str = "90";

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) dark: bool,
}

/// What was found.
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
    candidates.into_iter().find(|path| path.is_file()).expect("a browser is there: .ci/need chromium chromium")
}

/// The page in a frame of that width: no window of the browser is as narrow as a phone.
fn framed(html: &str, width: u32) -> String {
    let inner = html.replace("</body>", &format!("<script>{SCRIPT}</script></body>"));
    let inner = inner.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!doctype html><html style=\"color-scheme: light dark\"><head><meta charset=utf-8></head><body style=\"margin: 0\">\
         <iframe style=\"border: 0; width: {width}px; height: 1800px\" srcdoc=\"{inner}\"></iframe></body></html>"
    )
}

/// Looks at a page; what its console said is among the problems.
pub(crate) fn inspect(html: &str, look: Look) -> Inspected {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    std::fs::write(&page, framed(html, look.width)).unwrap();
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(program());
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions"]);
    command.args(["--no-first-run", "--disable-background-networking", "--enable-logging=stderr", "--log-level=0"]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    command.args(["--hide-scrollbars", "--window-size=1600,2000"]);
    // 0 is dark, 1 is light.
    command.arg(format!("--blink-settings=preferredColorScheme={}", i32::from(!look.dark)));
    command.args(["--virtual-time-budget=5000", "--dump-dom"]).arg(format!("file://{}", page.display()));
    let output = command.output().unwrap();
    let (dom, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer = dom.split_once(r#"<pre id="inspected">"#).and_then(|(_, rest)| rest.split_once("</pre>"));
    let (answer, _) = answer.unwrap_or_else(|| panic!("the page was not looked at: {said}"));
    let answer = base64::engine::general_purpose::STANDARD.decode(answer).unwrap();
    let mut inspected: Inspected = serde_json::from_slice(&answer).unwrap();
    let console = said.lines().filter(|line| line.contains("CONSOLE"));
    inspected.problems.extend(console.map(|line| format!("console: {line}")));
    inspected
}
