//! The load itself, run by goose: it starts the users and collects its metrics; calls, pacing and the end are ours.
//! The only file that knows goose.

use crate::drive::driver::Driver;
use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{Scenario, Transaction, TransactionFunction};
use goose::prelude::GooseUser;
use goose::{GooseAttack, GooseError};
use std::sync::Arc;
use std::time::Duration;

/// How fast goose starts users, per second; they wait for each other before the first call.
const STARTS_PER_SECOND: &str = "1000";
/// The method under which goose lists our calls.
const METHOD: &str = "MCP";

/// Runs all users until the pace says that the run is over.
///
/// # Errors
/// goose refuses its configuration or cannot run.
pub(crate) async fn run(driver: &Arc<Driver>, host: &str) -> Result<(), GooseError> {
    let users = driver.assignment.workload.users as usize;
    let scenario = Scenario::new("mcp").register_transaction(Transaction::new(transaction(driver)).set_name("calls"));
    // goose insists on an HTTP client for each user; ours make the calls. One shared client that never looks for
    // certificates saves more than 10 MB, and starts where no CA file is.
    let idle_client = GooseClientBuilder::new().accept_invalid_certs(true).without_cookies();
    let attack = GooseAttack::initialize_with_config(configuration(host, users))?
        .set_client_builder_without_cookies(idle_client)?
        .register_scenario(scenario);
    Box::pin(attack.execute()).await.map(drop)
}

fn configuration(host: &str, users: usize) -> GooseConfiguration {
    let mut configuration = GooseConfiguration::default();
    configuration.host = Some(host.to_owned());
    configuration.users = Some(users);
    configuration.increase_rate = Some(STARTS_PER_SECOND.to_owned());
    // One iteration is one user's whole life: our pace decides its end to the microsecond, goose only to the second.
    configuration.iterations = Some(1);
    configuration.no_telnet = true;
    configuration.no_print_metrics = true;
    configuration.no_status_codes = true;
    configuration.quiet = 2;
    configuration
}

/// The whole life of one user.
fn transaction(driver: &Arc<Driver>) -> TransactionFunction {
    let driver = Arc::clone(driver);
    Arc::new(move |goose: &mut GooseUser| {
        let driver = Arc::clone(&driver);
        Box::pin(async move {
            let process = goose.weighted_users_index;
            let Some(pace) = driver.begin().await else { return Ok(()) };
            let mut last = None;
            while let Some(op) = driver.turn(process, &pace, last.as_ref()).await {
                let error = op.outcome.error();
                let latency = Duration::from_micros(op.latency_us());
                let tag = error.map(harness_history::ErrorKind::group);
                goose.record_custom_request_duration(METHOD, &op.name, latency, error.is_none(), None, tag).await?;
                last = Some(op);
            }
            driver.end();
            Ok(())
        })
    })
}
