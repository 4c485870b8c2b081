//! Runs the load with goose. goose starts the users, and each call is a goose transaction. The traffic engine decides
//! which call it is and when it is due. goose counts the calls as well, and the judgement compares this count with the
//! history (decision 0020). No other file uses goose.

use crate::driver::Driver;
use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{Scenario, Transaction, TransactionError, TransactionFunction};
use goose::metrics::GooseMetrics;
use goose::prelude::GooseUser;
use goose::{GooseAttack, GooseError};
use std::sync::Arc;

/// Number of users that goose starts per second. The users wait for each other before the first call, so this rate does
/// not affect the load.
const STARTS_PER_SECOND: &str = "1000";
/// goose requires a URL for its own HTTP clients, but these make no call.
const UNUSED_HOST: &str = "http://localhost/";

/// Runs all users until the load is over. Returns the number of calls that goose counted.
///
/// # Errors
/// goose refuses its configuration or cannot run.
pub(crate) async fn run(driver: &Arc<Driver>) -> Result<u64, GooseError> {
    let users = driver.assignment.workload.all_users() as usize;
    let scenario = Scenario::new("mcp")
        .register_transaction(Transaction::new(begin(driver)).set_on_start())
        .register_transaction(Transaction::new(call(driver)).set_name(CALLS))
        .register_transaction(Transaction::new(end(driver)).set_on_stop());
    // goose requires an HTTP client for each user, although the clients of the harness make the calls. All users share
    // one client that loads no CA certificates. This saves more than 10 MB, and works on a machine without a CA file.
    let idle_client = GooseClientBuilder::new().accept_invalid_certs(true).without_cookies();
    let attack = GooseAttack::initialize_with_config(configuration(users))?
        .set_client_builder_without_cookies(idle_client)?
        .register_scenario(scenario);
    Box::pin(attack.execute()).await.map(|metrics| calls(&metrics))
}

/// Name of the transaction that makes a call.
const CALLS: &str = "calls";

/// Returns the number of calls that goose counted. A transaction that made no call has failed (see [`call`]), so only successes count.
fn calls(metrics: &GooseMetrics) -> u64 {
    let transactions = metrics.transactions.iter().flatten();
    let calls = transactions.filter(|transaction| transaction.transaction_name.name_for_transaction() == CALLS);
    calls.map(|transaction| transaction.success_count as u64).sum()
}

fn configuration(users: usize) -> GooseConfiguration {
    let mut configuration = GooseConfiguration::default();
    configuration.host = Some(UNUSED_HOST.to_owned());
    configuration.users = Some(users);
    configuration.increase_rate = Some(STARTS_PER_SECOND.to_owned());
    // By default goose opens a telnet port that needs no password and controls the load.
    configuration.no_telnet = true;
    configuration.no_print_metrics = true;
    configuration.no_status_codes = true;
    // One iteration is one call, so the metric of the scenario would only repeat that of the transaction.
    configuration.no_scenario_metrics = true;
    configuration.no_error_summary = true;
    configuration.quiet = 2;
    configuration
}

/// Waits until every user has started.
fn begin(driver: &Arc<Driver>) -> TransactionFunction {
    let driver = Arc::clone(driver);
    Arc::new(move |_: &mut GooseUser| {
        let driver = Arc::clone(&driver);
        Box::pin(async move {
            driver.begin().await;
            Ok(())
        })
    })
}

fn call(driver: &Arc<Driver>) -> TransactionFunction {
    let driver = Arc::clone(driver);
    Arc::new(move |goose: &mut GooseUser| {
        let driver = Arc::clone(&driver);
        Box::pin(async move {
            if driver.next_call(goose.weighted_users_index).await {
                return Ok(());
            }
            // The pace decides when a user ends, because it is precise to a microsecond, and goose to a second. This
            // makes the current iteration the last one of the user.
            goose.config.iterations = Some(1);
            Err(Box::new(TransactionError::Custom("the load is over".to_owned())))
        })
    })
}

fn end(driver: &Arc<Driver>) -> TransactionFunction {
    let driver = Arc::clone(driver);
    Arc::new(move |_: &mut GooseUser| {
        let driver = Arc::clone(&driver);
        Box::pin(async move {
            driver.user_ends();
            Ok(())
        })
    })
}
