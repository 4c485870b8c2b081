//! The load itself, run by goose: it starts the users, and each call is one of its transactions. Which call that is and when it is due is
//! decided by the traffic engine. goose counts on its own, and its count is compared with the history. The only file that knows goose.

use crate::driver::Driver;
use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{Scenario, Transaction, TransactionError, TransactionFunction};
use goose::metrics::GooseMetrics;
use goose::prelude::GooseUser;
use goose::{GooseAttack, GooseError};
use std::sync::Arc;

/// How fast goose starts users, per second; they wait for each other before the first call.
const STARTS_PER_SECOND: &str = "1000";
/// goose wants a URL for its own HTTP clients, which make no call.
const UNUSED_HOST: &str = "http://localhost/";

/// Runs all users until the pace ends. Returns the number of calls by goose's count.
///
/// # Errors
/// goose refuses its configuration or cannot run.
pub(crate) async fn run(driver: &Arc<Driver>) -> Result<u64, GooseError> {
    let users = driver.assignment.workload.users as usize;
    let scenario = Scenario::new("mcp")
        .register_transaction(Transaction::new(begin(driver)).set_on_start())
        .register_transaction(Transaction::new(call(driver)).set_name(CALLS))
        .register_transaction(Transaction::new(end(driver)).set_on_stop());
    // goose insists on an HTTP client for each user; ours make the calls. One shared client that never looks for certificates saves more
    // than 10 MB, and starts on a machine without a CA file.
    let idle_client = GooseClientBuilder::new().accept_invalid_certs(true).without_cookies();
    let attack = GooseAttack::initialize_with_config(configuration(users))?
        .set_client_builder_without_cookies(idle_client)?
        .register_scenario(scenario);
    Box::pin(attack.execute()).await.map(|metrics| calls(&metrics))
}

/// Name of the transaction that makes a call.
const CALLS: &str = "calls";

/// Returns how many calls goose counted. A transaction that made none is a failed one, see [`call`].
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
    configuration.no_telnet = true;
    configuration.no_print_metrics = true;
    configuration.no_status_codes = true;
    // One iteration is one call, so that a scenario metric would only repeat the transaction's.
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

/// Makes one call.
fn call(driver: &Arc<Driver>) -> TransactionFunction {
    let driver = Arc::clone(driver);
    Arc::new(move |goose: &mut GooseUser| {
        let driver = Arc::clone(&driver);
        Box::pin(async move {
            if driver.turn(goose.weighted_users_index).await {
                return Ok(());
            }
            // goose would end a user to the second; our pace ends it to the microsecond. This iteration is the user's last.
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
