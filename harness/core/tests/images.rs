//! The images that `make images` builds: each starts under the restrictions of production, passes its own health check, is small, and has labels.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

#[path = "support/wait.rs"]
mod wait;

use mcp_contracts::Service;
use std::process::Command;
use wait::wait_until;

const MAX_SERVICE_BYTES: u64 = 40_000_000;
/// The harness is one program with the driver of loads, the client of Docker, the reports, and TLS and JSON Schema for
/// servers of any maker: 46.4 MB without its symbols.
const MAX_HARNESS_BYTES: u64 = 54_000_000;
/// Labels that every image has.
const LABELS: [&str; 6] = ["title", "description", "version", "revision", "created", "licenses"];

/// A container that is removed when the test ends.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

/// Runs the Docker client. Returns its output, or its error message.
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

#[tokio::test]
async fn every_service_is_healthy_without_privileges() {
    for service in Service::ALL {
        let image = format!("{}:latest", service.binary());
        let restricted =
            ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m"];
        let arguments =
            [&["run", "--detach"], restricted.as_slice(), &["--env", "APP_ENV=development", &image]].concat();
        let container = Container(docker(&arguments).unwrap());
        wait_until(&image, async || {
            let healthy = docker(&["exec", &container.0, "/service", "healthcheck"]);
            healthy.map(drop).map_err(|why| format!("{why}\n{:?}", docker(&["logs", &container.0])))
        })
        .await;
    }
}

#[test]
fn a_service_that_does_not_run_is_not_healthy() {
    let checked = docker(&["run", "--rm", "--entrypoint", "/service", "mcp-memory:latest", "healthcheck"]);
    assert!(checked.is_err(), "{checked:?}");
}

#[test]
fn the_harness_runs_in_its_image() {
    let version =
        docker(&["run", "--rm", "--read-only", "--cap-drop", "ALL", "mcp-harness:latest", "--version"]).unwrap();
    assert!(version.starts_with("harness "), "{version}");
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
fn images_are_small_unprivileged_and_labelled() {
    for name in names() {
        let image = image(name);
        let bytes = image["Size"].as_u64().unwrap();
        let most = if name == "mcp-harness" { MAX_HARNESS_BYTES } else { MAX_SERVICE_BYTES };
        assert!(bytes < most, "{name} has {bytes} bytes");
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
fn every_image_has_a_bill_of_materials() {
    for name in names() {
        let path = format!("{}/../../dist/sbom/{name}.cdx.json", env!("CARGO_MANIFEST_DIR"));
        let sbom: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(sbom["bomFormat"], "CycloneDX", "{name}");
        let components = sbom["components"].as_array().unwrap();
        assert!(components.iter().any(|component| component["name"] == "tokio"), "{name}");
    }
}
