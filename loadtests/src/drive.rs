//! The driver: reads its assignment, seeds the services, drives the load, reads back every write, and reports the
//! result. It is a separate process, so that its CPU and memory can be measured apart from the harness, and so that the
//! harness can kill it (decision 0002).

pub use crate::error::DriveError;

use crate::driver::{Driver, Measured};
use crate::usage::Usage;
use crate::{error, goose_run, interrupt, seed};
use harness_core::drive::{Assignment, DriverReport};
use harness_core::observe::clock::monotonic_us;
use harness_core::observe::heartbeat::Heartbeat;
use harness_core::plan::run_dir::DRIVER;
use harness_core::stack::view::Progress;
use serde::Deserialize as _;
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Reads an [`Assignment`] from stdin, drives it, and writes [`Progress`] lines to stdout. Exit codes: 0 done, 2 the history is incomplete, 64 the
/// input is not an assignment, 70 a bug of the driver, 130 interrupted.
pub fn drive_from_stdin() -> ExitCode {
    let stop = CancellationToken::new();
    match driven(&stop) {
        Ok(report) if report.interrupted => ExitCode::from(130),
        Ok(report) if report.problems.is_empty() => ExitCode::SUCCESS,
        Ok(report) => {
            report.problems.iter().for_each(|problem| error::print(problem));
            ExitCode::from(2)
        }
        Err(error) => {
            error::print(&error.to_string());
            error.exit_code()
        }
    }
}

fn driven(stop: &CancellationToken) -> Result<DriverReport, DriveError> {
    let start = |error: &dyn std::error::Error| DriveError::Start(error.to_string());
    // Otherwise goose would set its own logger, which writes to stdout, where only progress lines belong.
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).try_init();
    interrupt::install(stop).map_err(|error| start(&error))?;
    let mut progress = take_stdout().map_err(|error| start(&error))?;
    let assignment = read_assignment(std::io::stdin().lock())?;
    // One thread, because more threads would make every call more expensive. If one core is not enough, the judgement
    // reports the driver as the bottleneck.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| start(&error))?;
    runtime.block_on(drive(assignment, stop.clone(), move |line| write_line(&mut progress, line)))
}

/// Returns the real stdout for progress lines, and redirects stdout to /dev/null, because goose prints to stdout whatever its configuration is.
fn take_stdout() -> std::io::Result<File> {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    Ok(File::from(stdout))
}

/// Writes one line; fails if the reader has closed the pipe.
fn write_line(stdout: &mut File, progress: &Progress) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(progress)?;
    line.push(b'\n');
    stdout.write_all(&line)
}

/// Reads one JSON value. It does not wait for the end of the input, because the input may be a pipe that stays open.
fn read_assignment(input: impl Read) -> Result<Assignment, DriveError> {
    Assignment::deserialize(&mut serde_json::Deserializer::from_reader(input))
        .map_err(|error| DriveError::Assignment(error.to_string()))
}

/// Drives one assignment to its end, or until `stop` is cancelled. Calls `report` about once a second. If `report`
/// fails, the drive stops, because the process that reads the progress has ended.
///
/// # Errors
/// The assignment cannot be carried out, or `driver.json` cannot be written. An incomplete history is not an error; it
/// is reported in [`DriverReport::problems`].
pub async fn drive(
    assignment: Assignment,
    stop: CancellationToken,
    report: impl FnMut(&Progress) -> std::io::Result<()> + Send + 'static,
) -> Result<DriverReport, DriveError> {
    let shares = seed::shares(&assignment.workload);
    let seeds = shares.iter().map(|share| u64::from(*share)).sum();
    let driver = Arc::new(Driver::new(assignment, seeds, stop)?);
    let heartbeat = Heartbeat::start(driver.assignment.epoch_us);
    let (mut ticker, done) = (JoinSet::new(), CancellationToken::new());
    ticker.spawn(tick(Arc::clone(&driver), done.clone(), report));
    let result = phases(&driver, &shares).await;
    done.cancel();
    let cpu_peak = ticker.join_next().await.and_then(Result::ok).unwrap_or_default();
    let report = driver.report(result?, cpu_peak, heartbeat.stop());
    let path = driver.assignment.run_dir.join(DRIVER);
    serde_json::to_vec_pretty(&report)
        .map_err(std::io::Error::from)
        .and_then(|bytes| std::fs::write(&path, bytes))
        .map_err(|error| DriveError::Report { path, why: error.to_string() })?;
    Ok(report)
}

async fn phases(driver: &Arc<Driver>, shares: &[u32]) -> Result<Measured, DriveError> {
    seed::seed(driver, shares).await;
    if driver.stop.is_cancelled() {
        return Ok(Measured::default());
    }
    let load = async { goose_run::run(driver).await.map_err(|error| DriveError::Load(format!("{error:?}"))) };
    let (transactions, measured) = tokio::try_join!(load, async { Ok(driver.meter().await) })?;
    driver.note_transactions(transactions);
    // The final read takes its ids from `history.jsonl`, so everything recorded so far must be in the file.
    if driver.flushed() && !driver.stop.is_cancelled() {
        if let Err(error) = seed::read_back(driver).await {
            driver.give_up(format!("cannot read the history back for the final reads: {error}"));
        }
        seed::walk(driver).await;
        driver.flushed();
    }
    seed::end_sessions(driver).await;
    Ok(measured)
}

/// Reports progress until `done`, and once more at the end. Returns the share of a core used in the busiest second of the measured phase.
async fn tick(
    driver: Arc<Driver>,
    done: CancellationToken,
    mut report: impl FnMut(&Progress) -> std::io::Result<()>,
) -> f64 {
    let mut every = tokio::time::interval(PROGRESS_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick of an interval is immediate, and a report before the first second would have no rate.
    every.tick().await;
    let (mut peak, mut last) = (0.0_f64, None::<(u64, u64)>);
    loop {
        let over = tokio::select! {
            biased;
            () = done.cancelled() => true,
            _ = every.tick() => false,
        };
        if report(&driver.progress()).is_err() {
            driver.stop.cancel();
        }
        let now = driver.is_measuring().then(|| (monotonic_us(), Usage::now().cpu_us));
        if let (Some((then_us, then_cpu)), Some((now_us, now_cpu))) = (last, now) {
            peak = peak.max((now_cpu - then_cpu) as f64 / (now_us - then_us).max(1) as f64);
        }
        last = now;
        if over {
            return peak;
        }
    }
}
