//! The whole driver against a small service: its record agrees with that of the service.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is its failure")]

#[path = "support/server.rs"]
mod server;

use harness_core::drive::{Assignment, DriverReport};
use harness_core::observe::clock::monotonic_us;
use harness_core::plan::run_dir::{DRIVER, HISTORY};
use harness_core::plan::workload::Workload;
use harness_core::stack::view::Progress;
use harness_history::{Effect, ErrorKind, Op, Outcome, Phase};
use loadtests::{Overrides, drive, workload};
use server::{Behaviour, Server};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn small(change: impl FnOnce(&mut Overrides)) -> Workload {
    let mut overrides = Overrides {
        users: Some(6),
        organisations: Some(3),
        warmup: Some(Duration::from_millis(200)),
        duration: Some(Duration::from_secs(1)),
        think_time: Some(Duration::from_millis(5)),
        ..Overrides::default()
    };
    change(&mut overrides);
    let mut workload = workload("memory-classic", &overrides).unwrap();
    workload.seed_memories = 3;
    workload.call_deadline = Duration::from_secs(60);
    workload
}

struct Run {
    ops: Vec<Op>,
    report: DriverReport,
    progress: Vec<Progress>,
    epoch_us: u64,
}

/// Drives to the end. `listen` gets every progress line and can stop the run by returning false.
async fn run(server: &Server, workload: Workload, listen: impl Fn(&Progress) -> bool + Send + 'static) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let epoch_us = monotonic_us();
    let assignment = Assignment {
        run_dir: dir.path().to_owned(),
        endpoints: BTreeMap::from([("memory".to_owned(), format!("http://{}/mcp", server.address))]),
        jwt_secret: "0123456789abcdef0123456789abcdef".to_owned(),
        epoch_us,
        seed: 11,
        workload,
        target: None,
    };
    let lines = Arc::new(Mutex::new(Vec::new()));
    let say = {
        let lines = Arc::clone(&lines);
        move |progress: &Progress| {
            lines.lock().unwrap().push(progress.clone());
            if listen(progress) { Ok(()) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
        }
    };
    let report = Box::pin(drive(assignment, CancellationToken::new(), say)).await.unwrap();
    let written: DriverReport = serde_json::from_slice(&std::fs::read(dir.path().join(DRIVER)).unwrap()).unwrap();
    assert_eq!(written, report);
    let text = std::fs::read_to_string(dir.path().join(HISTORY)).unwrap();
    let ops = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let progress = lines.lock().unwrap().clone();
    Run { ops, report, progress, epoch_us }
}

/// Returns the keys that were acknowledged, with their write and its digest.
fn acknowledged(ops: &[Op]) -> HashMap<&str, (&Op, u64)> {
    ops.iter()
        .filter_map(|op| match (&op.outcome, &op.effect) {
            (Outcome::Ok, Effect::Write { key: Some(key), value, .. }) => Some((&**key, (op, value.digest?))),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn every_acknowledged_write_is_read_back_by_its_writer() {
    let server = Server::start(Behaviour::default());
    let Run { ops, report, progress, .. } = run(&server, small(|_| {}), |_| true).await;
    let writes = acknowledged(&ops);
    let (finals, walks): (Vec<&Op>, Vec<&Op>) =
        ops.iter().filter(|op| op.phase == Phase::Final).partition(|op| &*op.name == "get_memory");
    assert_eq!(finals.len(), writes.len(), "one final read for each");
    for user in 0..report.users_peak {
        let listed = walks.iter().filter(|op| op.process == user).flat_map(|op| op.effect.returned());
        let listed: HashSet<&str> = listed.map(|(key, _)| &**key).collect();
        let own = writes.iter().filter(|(_, (write, _))| write.process == user);
        assert!(own.clone().count() > 0 && own.clone().all(|(key, _)| listed.contains(key)), "user {user} listed all");
    }
    assert_eq!(
        report.final_walks.map(|walks| (walks.users, walks.walked)),
        Some((report.users_peak, report.users_peak))
    );
    for op in finals {
        let Effect::Read { key, value: Some(value) } = &op.effect else { panic!("{op:?}") };
        let (writer, digest) = writes[&**key];
        assert_eq!((op.process, value.digest), (writer.process, Some(digest)));
        assert_eq!(value.canary.as_ref().map(|canary| &canary.user), Some(&writer.user));
    }
    assert!(ops.iter().all(|op| op.outcome == Outcome::Ok), "a memory of others that is not found is an answer");
    for phase in [Phase::Setup, Phase::Warmup, Phase::Measured] {
        assert!(ops.iter().any(|op| op.phase == phase), "{phase:?}");
    }
    let measured = ops.iter().filter(|op| op.phase == Phase::Measured);
    assert_eq!(measured.clone().count() as u64, report.calls);
    let names: HashSet<&str> = measured.map(|op| &*op.name).collect();
    let mix = workload("memory-classic", &Overrides::default()).unwrap().mix;
    assert_eq!(names, mix.keys().map(String::as_str).collect());
    let load = ops.iter().filter(|op| matches!(op.phase, Phase::Warmup | Phase::Measured)).count();
    assert_eq!(report.transactions, Some(load as u64), "goose counts every call of the load, and nothing else");
    assert_eq!(report.measured_until_us - report.measured_from_us, 1_000_000);
    assert!(report.cpu_us > 0 && report.rss_peak_bytes > 0 && !report.interrupted && report.problems.is_empty());
    assert!(progress.iter().map(|line| line.calls).sum::<u64>() == ops.len() as u64, "every call was reported");
}

#[tokio::test]
async fn updates_deletions_and_walks_are_recorded_with_their_versions_and_pages() {
    let server = Server::start(Behaviour::default());
    let mut changing = small(|_| {});
    // One user in each organisation: no other user changes a record between two updates of its owner.
    changing.organisations = changing.users;
    let mix = [
        ("store_memory", 4),
        ("update_memory", 2),
        ("update_if_unchanged", 2),
        ("delete_memory", 1),
        ("walk_memories", 1),
    ];
    changing.mix = mix.map(|(name, weight)| (name.to_owned(), weight)).into();
    let Run { ops, report, .. } = run(&server, changing, |_| true).await;
    assert!(ops.iter().all(|op| op.outcome == Outcome::Ok), "the versions that a user knows are right");
    let mut versions: HashMap<&str, u64> = HashMap::new();
    let (mut updates, mut conditional, mut pages) = (0, 0, 0);
    for op in &ops {
        match &op.effect {
            Effect::Write { key: Some(key), value, .. } => drop(versions.insert(key, value.version.unwrap())),
            Effect::Update { key, value, expected } => {
                let before = versions.insert(key, value.version.unwrap()).unwrap();
                assert_eq!(value.version, Some(before + 1));
                assert!(expected.is_none_or(|expected| expected == before), "{op:?}");
                (updates, conditional) = (updates + 1, conditional + u64::from(expected.is_some()));
            }
            Effect::Scan { query: Some(query), .. } => pages = pages.max(query.page),
            _ => {}
        }
    }
    assert!(conditional > 0 && updates > conditional && pages > 0, "{conditional} of {updates}, {pages} pages");
    let deleted: HashSet<&str> =
        ops.iter().filter_map(|op| if let Effect::Delete { key } = &op.effect { Some(&**key) } else { None }).collect();
    let gone = |op: &&Op| matches!(&op.effect, Effect::Read { key, value: None } if deleted.contains(&**key));
    assert_eq!(
        (ops.iter().filter(gone).count(), deleted.is_empty()),
        (deleted.len(), false),
        "each is read at the end"
    );
    let load = ops.iter().filter(|op| matches!(op.phase, Phase::Warmup | Phase::Measured)).count();
    assert_eq!(report.transactions, Some(load as u64), "each call of a walk is a transaction");
}

#[tokio::test]
async fn operations_of_one_user_never_overlap_and_foreign_ids_are_really_tried() {
    let server = Server::start(Behaviour::default());
    let Run { ops, .. } = run(&server, small(|_| {}), |_| true).await;
    let mut last: HashMap<u32, u64> = HashMap::new();
    for op in &ops {
        let before = last.insert(op.process, op.complete_us);
        assert!(before.is_none_or(|before| before <= op.invoke_us), "{op:?}");
    }
    let writes = acknowledged(&ops);
    let probes: Vec<&Op> = ops.iter().filter(|op| &*op.name == "probe_foreign").collect();
    let real = probes.iter().filter(|op| match &op.effect {
        Effect::Read { key, value: None } => writes.get(&**key).is_some_and(|(writer, _)| writer.tenant != op.tenant),
        _ => false,
    });
    assert_eq!((real.count(), probes.is_empty()), (probes.len(), false));
}

#[tokio::test]
async fn a_service_that_leaks_is_noticed_by_the_canaries() {
    let server = Server::start(Behaviour { leak: true, ..Behaviour::default() });
    let Run { ops, .. } = run(&server, small(|_| {}), |_| true).await;
    let leaked = ops.iter().filter(|op| match &op.effect {
        Effect::Read { value: Some(value), .. } => {
            value.canary.as_ref().is_some_and(|canary| canary.tenant != op.tenant)
        }
        _ => false,
    });
    assert!(leaked.count() > 0);
}

#[tokio::test]
async fn the_same_seed_gives_every_user_the_same_sequence() {
    let mut sequences = Vec::new();
    for _ in 0..2 {
        let server = Server::start(Behaviour::default());
        let Run { ops, .. } = run(&server, small(|_| {}), |_| true).await;
        let mut users: BTreeMap<u32, Vec<(String, Option<u64>)>> = BTreeMap::new();
        for op in ops.iter().filter(|op| op.phase != Phase::Final) {
            let written = if let Effect::Write { value, .. } = &op.effect { value.digest } else { None };
            users.entry(op.process).or_default().push((op.name.to_string(), written));
        }
        sequences.push(users);
    }
    for (process, first) in &sequences[0] {
        let second = &sequences[1][process];
        let common = first.len().min(second.len());
        assert!(common > 5 && first[..common] == second[..common], "user {process}");
    }
}

#[tokio::test]
async fn a_refusing_service_is_recorded_as_it_refuses() {
    let server = Server::start(Behaviour { refuse: Some(401), ..Behaviour::default() });
    let Run { ops, report, .. } = run(&server, small(|_| {}), |_| true).await;
    assert!(report.calls > 0 && ops.iter().all(|op| op.outcome == Outcome::Failed(ErrorKind::Http(401))));
    assert!(ops.iter().all(|op| !matches!(op.effect, Effect::Read { .. } | Effect::Scan { .. })), "nothing was read");
}

#[tokio::test]
async fn a_run_that_is_stopped_keeps_its_records_and_reports_the_interrupt() {
    let server = Server::start(Behaviour::default());
    let long = small(|overrides| overrides.duration = Some(Duration::from_secs(3_600)));
    let Run { ops, report, progress, .. } = run(&server, long, |progress| progress.phase < Phase::Measured).await;
    assert!(report.interrupted && report.measured_until_us < 3_600_000_000);
    assert!(!ops.is_empty() && ops.iter().all(|op| op.phase != Phase::Final));
    assert!(!progress.is_empty());
}

#[tokio::test]
async fn a_real_stall_is_in_the_latencies_to_the_last_arrival() {
    let stall = Some((Duration::from_millis(300), Duration::from_millis(500)));
    let server = Arc::new(Server::start(Behaviour { stall, ..Behaviour::default() }));
    let open = small(|overrides| {
        (overrides.think_time, overrides.rate) = (None, Some(200.0));
        overrides.duration = Some(Duration::from_secs(3));
    });
    let armed = Arc::clone(&server);
    let arm = move |progress: &Progress| {
        if progress.phase == Phase::Measured {
            armed.arm(monotonic_us());
        }
        true
    };
    let Run { ops, report, epoch_us, .. } = run(&server, open, arm).await;
    let measured: Vec<&Op> = ops.iter().filter(|op| op.phase == Phase::Measured).collect();
    assert_eq!((measured.len(), report.planned_arrivals), (600, Some(600)));
    // No call is recorded as shorter than in the record of the server, from the planned start to the reply.
    let served = server.served();
    for op in &measured {
        let planned = op.planned_us.expect("the open model plans") + epoch_us;
        let invoke = op.invoke_us + epoch_us;
        let complete = op.complete_us + epoch_us;
        assert!(planned <= invoke && invoke <= complete);
        assert!(
            served.iter().any(|call| invoke <= call.arrived_us && call.arrived_us <= complete),
            "the server saw it between its send and its end: {op:?}"
        );
    }
    // Six users wait in the stall; calls that were due meanwhile waited too, and only the plan shows it.
    let slow = |latency: fn(&Op) -> u64| measured.iter().filter(|op| latency(op) > 100_000).count();
    assert!(slow(Op::latency_us) > 60, "{} of about 80", slow(Op::latency_us));
    assert!(slow(Op::latency_us) > slow(Op::service_us));
}
