//! Pacing in virtual time, with the same result to the microsecond on every machine.

use super::{After, CancellationToken, Duration, Model, Pace, Phase, UnscheduledPace, Window, Workload};
use crate::drive::traffic::clock::virtual_time::{VirtualClock, run};
use crate::drive::traffic::clock::{Clock as _, sleep_until};
use crate::drive::traffic::tally::Tally;
use crate::plan::workload::{RateStage, SideArrivals};
use harness_history::{Effect, Op, Outcome};
use parking_lot::Mutex;
use std::pin::Pin;

/// Virtual service time of the server, in microseconds.
const SERVICE_US: u64 = 1_000;

/// Drives a server. `reply_us` returns the time of the reply to a call that arrives at a given time.
fn drive(workload: &Workload, reply_us: impl Fn(u64) -> u64, stop_at_us: Option<u64>) -> (Vec<Op>, Tally, Option<u64>) {
    let clock = VirtualClock::default();
    let stop = CancellationToken::new();
    let pace = Pace::new(workload, Window::new(workload, 0), stop.clone());
    let (ops, tally) = (Mutex::new(Vec::new()), Tally::default());
    let users = (0..workload.users).map(|process| {
        let (clock, pace, ops, tally, reply_us) = (&clock, &pace, &ops, &tally, &reply_us);
        Box::pin(async move {
            let mut after = After::Start(f64::from(process) / f64::from(workload.users));
            while let Some(timing) = pace.next(clock, after).await {
                after = After::Call;
                let invoke_us = clock.now_us();
                tally.begin();
                sleep_until(clock, reply_us(invoke_us)).await;
                let op = Op {
                    process,
                    tenant: "org".into(),
                    user: "user".into(),
                    workspace: None,
                    name: "get_memory".into(),
                    phase: timing.phase,
                    planned_us: timing.planned_us,
                    invoke_us,
                    complete_us: clock.now_us(),
                    outcome: Outcome::Ok,
                    strays: Vec::new(),
                    effect: Effect::None,
                };
                tally.end(&op, timing.send_lag_us(invoke_us));
                ops.lock().push(op);
            }
        }) as Pin<Box<dyn Future<Output = ()> + '_>>
    });
    let stopper = stop_at_us.map(|at| {
        let (clock, stop) = (&clock, stop.clone());
        Box::pin(async move {
            sleep_until(clock, at).await;
            stop.cancel();
        }) as Pin<Box<dyn Future<Output = ()> + '_>>
    });
    run(&clock, users.chain(stopper).collect::<Vec<_>>());
    let planned = pace.planned_arrivals();
    (ops.into_inner(), tally, planned)
}

/// A hundred users and one rate.
fn open(rate: f64, seconds: u64) -> Workload {
    let duration = Duration::from_secs(seconds);
    Workload {
        name: "paced".to_owned(),
        service: Some(mcp_contracts::Service::Memory),
        operations: Vec::new(),
        users: 100,
        organisations: 10,
        model: Model::Open { stages: vec![RateStage { from_per_second: rate, to_per_second: rate, duration }] },
        beside: None,
        warmup: Duration::ZERO,
        duration,
        call_deadline: Duration::from_secs(5),
        longest_gap: Duration::from_secs(1),
        mix: std::collections::BTreeMap::new(),
        seed_memories: 0,
        final_read_concurrency: 1,
        final_read_records: 1_000,
        thresholds: Vec::new(),
    }
}

fn percentile(mut sorted: Vec<u64>, percentile: f64) -> f64 {
    sorted.sort_unstable();
    sorted[((sorted.len() as f64 * percentile / 100.0).ceil() as usize).max(1) - 1] as f64
}

/// A server that holds every call of the seconds 10 and 11 until second 12.
fn stalled(arrival_us: u64) -> u64 {
    let held = (10_000_000..12_000_000).contains(&arrival_us);
    if held { 12_000_000 + SERVICE_US } else { arrival_us + SERVICE_US }
}

#[test]
fn a_server_that_stalls_two_seconds_shows_it_in_the_percentiles() {
    let workload = open(1_000.0, 20);
    let (ops, tally, planned) = drive(&workload, stalled, None);
    // The expected values follow from arithmetic: 20,000 arrivals, of which 2,000 are delayed uniformly by up to 2 s.
    assert_eq!((ops.len(), planned), (20_000, Some(20_000)));
    let latencies: Vec<u64> = ops.iter().map(Op::latency_us).collect();
    let within = |at: f64, truth: f64, share: f64| {
        let found = percentile(latencies.clone(), at);
        assert!((found - truth).abs() <= truth * share, "p{at} is {found}");
        found
    };
    within(95.0, 1_000_000.0, 0.05);
    let p99 = within(99.0, 1_800_000.0, 0.02);
    within(100.0, 2_000_000.0, 0.01);
    assert!(p99 >= 500_000.0, "`p99<500ms` does not hold");
    let shown = tally.progress(0).latency_us_p99 as f64;
    assert!((shown - p99).abs() <= p99 * 0.002, "the live figure is the same: {shown}");
    // The service time of the same calls hides the stall of the server, because only a hundred calls were in flight
    // during it.
    assert_eq!(tally.send_lag_us(99.0), Some(0));
    let service: Vec<u64> = ops.iter().map(Op::service_us).collect();
    assert_eq!(percentile(service, 99.0), SERVICE_US as f64);
}

#[test]
fn a_closed_loop_hides_the_same_stall_which_is_why_there_is_an_open_one() {
    let mut workload = open(1.0, 20);
    workload.model = Model::Closed { think_time: Duration::from_millis(99) };
    let (ops, tally, planned) = drive(&workload, stalled, None);
    assert_eq!((planned, tally.send_lag_us(99.0)), (None, None));
    assert!(percentile(ops.iter().map(Op::latency_us).collect(), 99.0) < 10_000.0);
    assert!(ops.len() < 18_500, "users that wait do not arrive: {}", ops.len());
}

#[test]
fn think_times_keep_users_out_of_lockstep() {
    let mut workload = open(1.0, 5);
    workload.model = Model::Closed { think_time: Duration::from_secs(1) };
    let (ops, tally, _) = drive(&workload, |arrival| arrival + SERVICE_US, None);
    assert_eq!(tally.peak(), 1, "a hundred users, ten milliseconds apart");
    assert_eq!(ops.len(), 500);
}

#[test]
fn the_warm_up_belongs_to_its_own_phase() {
    let mut workload = open(100.0, 3);
    workload.warmup = Duration::from_secs(2);
    let (ops, tally, planned) = drive(&workload, |arrival| arrival + SERVICE_US, None);
    let measured = ops.iter().filter(|op| op.phase == Phase::Measured).count();
    assert_eq!((ops.len(), measured, planned, tally.measured_calls()), (500, 300, Some(300), 300));
    assert!(ops.iter().all(|op| (op.planned_us.unwrap() >= 2_000_000) == (op.phase == Phase::Measured)));
}

#[test]
fn a_stopped_run_makes_no_further_call() {
    for model in [open(1_000.0, 20).model, Model::Closed { think_time: Duration::from_secs(3_600) }] {
        let mut workload = open(1_000.0, 20);
        workload.model = model;
        let (ops, _, _) = drive(&workload, |arrival| arrival + SERVICE_US, Some(5_000_000));
        assert!(ops.iter().all(|op| op.invoke_us <= 5_000_000), "{}", ops.len());
    }
}

#[test]
fn a_user_whose_connection_is_refused_does_not_spin() {
    let mut workload = open(1.0, 2);
    workload.model = Model::Closed { think_time: Duration::ZERO };
    let clock = VirtualClock::default();
    let pace = Pace::new(&workload, Window::new(&workload, 0), CancellationToken::new());
    let attempts = Mutex::new(0);
    let user = Box::pin(async {
        while pace.next(&clock, After::NoConnection).await.is_some() {
            *attempts.lock() += 1;
        }
    }) as Pin<Box<dyn Future<Output = ()> + '_>>;
    run(&clock, [user]);
    assert_eq!(*attempts.lock(), 39, "twenty a second");
}

#[test]
fn arrivals_beside_closed_users_have_numbers_that_no_closed_user_has() {
    let mut workload = open(100.0, 10);
    workload.model = Model::Closed { think_time: Duration::ZERO };
    workload.beside = Some(SideArrivals { rate: 100.0, users: 7 });
    let window = Window::new(&workload, 0);
    let pace = Pace::beside(&workload, window, CancellationToken::new()).unwrap();
    assert_eq!(pace.planned_arrivals(), Some(1_000));
    let super::Kind::Open { numbers, .. } = &pace.kind else { panic!("it is open") };
    let arrivals: std::collections::BTreeSet<u64> = (0..1_000).map(|arrival| numbers.of(arrival)).collect();
    assert_eq!(arrivals.len(), 1_000, "each has its own");
    assert!(arrivals.iter().all(|number| number % 107 >= 100), "the first hundred of a step are those of closed users");
}

#[test]
fn unscheduled_calls_of_all_users_keep_the_rate_bound() {
    for (per_second, expected_us) in [(Some(10), 1_900_000), (None, 0)] {
        let (clock, unscheduled) = (VirtualClock::default(), UnscheduledPace::new(per_second));
        let users = (0..4).map(|_| {
            let (clock, unscheduled) = (&clock, &unscheduled);
            Box::pin(async move {
                for _ in 0..5 {
                    unscheduled.wait(clock).await;
                }
            }) as Pin<Box<dyn Future<Output = ()> + '_>>
        });
        run(&clock, users);
        assert_eq!(clock.now_us(), expected_us, "20 calls at {per_second:?} per second");
    }
}
