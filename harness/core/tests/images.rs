//! The images as `make images` makes them: each starts as it would serve, answers its own health check, is small, and says what it is.
#![expect(clippy::unwrap_used, reason = "helpers of tests end a test by it")]

use mcp_contracts::Service;
use std::process::Command;
use std::time::{Duration, Instant};

/// Most bytes of an image.
const MAX_BYTES: u64 = 40_000_000;
/// How long a service may take until its health check passes.
const HEALTHY: Duration = Duration::from_secs(30);
/// Labels that every image has.
const LABELS: [&str; 6] = ["title", "description", "version", "revision", "created", "licenses"];

/// A container that is removed with whatever the test ends.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

/// Runs the client of Docker: what it says, or what went wrong.
fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn image(name: &str) -> serde_json::Value {
    let text = docker(&["image", "inspect", &format!("{name}:latest")]).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()[0].take()
}

fn names() -> Vec<&'static str> {
    Service::ALL.iter().map(|service| service.binary()).chain(["mcp-harness"]).collect()
}

#[test]
fn every_service_starts_without_rights_and_finds_itself_healthy() {
    for service in Service::ALL {
        let image = format!("{}:latest", service.binary());
        let restricted =
            ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m"];
        let arguments =
            [&["run", "--detach"], restricted.as_slice(), &["--env", "APP_ENV=development", &image]].concat();
        let container = Container(docker(&arguments).unwrap());
        let since = Instant::now();
        while let Err(why) = docker(&["exec", &container.0, "/service", "healthcheck"]) {
            assert!(since.elapsed() < HEALTHY, "{image}: {why}\n{:?}", docker(&["logs", &container.0]));
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_service_that_is_not_there_is_not_healthy() {
    let asked = docker(&["run", "--rm", "--entrypoint", "/service", "mcp-memory:latest", "healthcheck"]);
    assert!(asked.is_err(), "{asked:?}");
}

#[test]
fn the_harness_runs_in_its_image() {
    let said = docker(&["run", "--rm", "--read-only", "--cap-drop", "ALL", "mcp-harness:latest", "--version"]).unwrap();
    assert!(said.starts_with("harness "), "{said}");
    let planned = docker(&[
        "run",
        "--rm",
        "--env",
        "JWT_SECRET=x",
        "mcp-harness:latest",
        "plan",
        "load",
        "memory",
        "--url",
        "memory=http://memory:7420",
    ]);
    assert!(planned.as_ref().is_ok_and(|text| text.contains("external")), "{planned:?}");
}

#[test]
fn images_are_small_unprivileged_and_say_what_they_are() {
    for name in names() {
        let image = image(name);
        let bytes = image["Size"].as_u64().unwrap();
        assert!(bytes < MAX_BYTES, "{name} has {bytes} bytes");
        assert_eq!(image["Config"]["User"], "65532:65532", "{name}");
        assert!(!image["Config"]["Healthcheck"]["Test"].is_null(), "{name}");
        for label in LABELS {
            let value = &image["Config"]["Labels"][format!("org.opencontainers.image.{label}")];
            assert!(value.as_str().is_some_and(|value| !value.is_empty()), "{name} lacks {label}");
        }
        assert_eq!(image["Config"]["Labels"]["org.opencontainers.image.title"], name);
    }
}

#[test]
fn beside_every_image_is_what_it_is_made_of() {
    for name in names() {
        let path = format!("{}/../../dist/sbom/{name}.cdx.json", env!("CARGO_MANIFEST_DIR"));
        let sbom: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(sbom["bomFormat"], "CycloneDX", "{name}");
        let components = sbom["components"].as_array().unwrap();
        assert!(components.iter().any(|component| component["name"] == "tokio"), "{name}");
    }
}
