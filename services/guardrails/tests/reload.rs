//! Rules change while the service runs: good files are applied; bad ones are reported and change nothing.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::Plan;
use mcp_contracts::guardrails::{ActionKind, ActionRequest};
use mcp_guardrails::judge::judge;
use mcp_guardrails::rules::{Library, Subject};
use mcp_kit::Readiness;
use mcp_kit::data::{Live, ReloadOutcome, Reloader};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, Once};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const APPLE: &str = "\
category: testing
rules:
- id: OWN-001
  title: No apple
  severity: critical
  when: { keywords: [apple] }
  message: there is an apple
  remediation: take it out
  tests: { trips: [an apple], passes: [a pineapple] }
";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn broken(live: &Live<Library>, text: &str) -> Vec<String> {
    let request =
        ActionRequest { action: ActionKind::Edit, intent: "do it".into(), files: Vec::new(), text: Some(text.into()) };
    let judged = judge(live.get().of("acme"), Plan::Enterprise, &[Subject::of_request(&request)]);
    judged.broken.into_iter().map(|rule| rule.id).collect()
}

/// Returns the log of this process since the first call. There is one subscriber for all threads, because `tracing` caches for the whole
/// process whether a line is of interest.
fn log_text() -> String {
    static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static SUBSCRIBED: Once = Once::new();
    struct Lines;
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LINES.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    SUBSCRIBED.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Lines).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    String::from_utf8(LINES.lock().unwrap().clone()).unwrap()
}

#[test]
fn a_bad_file_changes_nothing_and_is_reported_until_it_is_repaired() {
    log_text();
    let folder = tempfile::tempdir().unwrap();
    let readiness = Readiness::default();
    let (mut reloader, live) = Reloader::<Library>::start(folder.path().to_owned(), readiness.clone()).unwrap();
    assert_eq!((reloader.reload(), broken(&live, "an apple")), (ReloadOutcome::Unchanged, vec![]));
    write(folder.path(), "own.yaml", APPLE);
    assert_eq!((reloader.reload(), broken(&live, "an apple")), (ReloadOutcome::Applied, vec!["OWN-001".to_owned()]));
    let version = live.get().of("acme").version.clone();

    write(folder.path(), "own.yaml", &APPLE.replace("critical", "catastrophic"));
    assert_eq!(reloader.reload(), ReloadOutcome::Rejected);
    let log = log_text();
    let line = log.lines().find(|line| line.contains("catastrophic")).unwrap();
    for word in ["own.yaml", "line=5", "OWN-001"] {
        assert!(line.contains(word), "`{word}` is not logged: {line}");
    }
    assert_eq!(broken(&live, "an apple"), ["OWN-001"], "the last good rules stay");
    assert_eq!(live.get().of("acme").version, version);
    assert_eq!((readiness.reply().fallbacks, readiness.reply().ready), (vec!["rules".to_owned()], true));
    assert_eq!(reloader.reload(), ReloadOutcome::Unchanged, "the same bad file is reported once");

    write(folder.path(), "own.yaml", &APPLE.replace("critical", "low"));
    assert_eq!(reloader.reload(), ReloadOutcome::Applied);
    assert!(!readiness.reply().degraded);
    assert_ne!(live.get().of("acme").version, version);
}

#[test]
fn one_bad_file_rejects_the_whole_set() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "own.yaml", APPLE);
    let (mut reloader, live) = Reloader::<Library>::start(folder.path().to_owned(), Readiness::default()).unwrap();
    write(folder.path(), "own.yaml", &APPLE.replace("apple", "pear"));
    write(folder.path(), "two.yaml", "rules: [");
    assert_eq!(reloader.reload(), ReloadOutcome::Rejected);
    assert_eq!((broken(&live, "an apple"), broken(&live, "a pear")), (vec!["OWN-001".to_owned()], vec![]));
}

#[test]
fn the_last_good_rules_stay_if_the_folder_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("rules");
    std::fs::create_dir(&inner).unwrap();
    write(&inner, "own.yaml", APPLE);
    let readiness = Readiness::default();
    let (mut reloader, live) = Reloader::<Library>::start(inner.clone(), readiness.clone()).unwrap();
    std::fs::remove_dir_all(&inner).unwrap();
    assert_eq!(reloader.reload(), ReloadOutcome::Rejected);
    assert_eq!(broken(&live, "an apple"), ["OWN-001"]);
    assert!(readiness.reply().degraded);
}

#[test]
fn the_last_good_rules_stay_if_the_folder_is_emptied() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "own.yaml", APPLE);
    let readiness = Readiness::default();
    let (mut reloader, live) = Reloader::<Library>::start(folder.path().to_owned(), readiness.clone()).unwrap();
    std::fs::remove_file(folder.path().join("own.yaml")).unwrap();
    assert_eq!((reloader.reload(), broken(&live, "an apple")), (ReloadOutcome::Rejected, vec!["OWN-001".to_owned()]));
    assert_eq!((readiness.reply().fallbacks, reloader.reload()), (vec!["rules".to_owned()], ReloadOutcome::Unchanged));
    write(folder.path(), "own.yaml", "# no rules of our own\n");
    assert_eq!((reloader.reload(), broken(&live, "an apple")), (ReloadOutcome::Applied, vec![]));
    assert!(!readiness.reply().degraded);
}

#[test]
fn a_service_does_not_start_with_bad_rules() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "own.yaml", "rules: [");
    let Err(problems) = Reloader::<Library>::start(folder.path().to_owned(), Readiness::default()) else {
        panic!("it started with a bad file")
    };
    assert!(problems.to_string().contains("own.yaml:"), "{problems}");
    assert!(Reloader::<Library>::start(folder.path().join("none"), Readiness::default()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_applied_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let (reloader, live) = Reloader::<Library>::start(folder.path().to_owned(), Readiness::default()).unwrap();
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(reloader.run(stop.clone()));
    write(folder.path(), "own.yaml", APPLE);
    let applied = async {
        while broken(&live, "an apple").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), applied).await.expect("the change was not applied");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), tasks.join_all()).await.expect("the reloader does not stop");
}
