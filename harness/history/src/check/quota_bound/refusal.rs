//! Refusals that no limit explains: the organisation had calls left.

use super::Quota;
use super::window::CallTimes;

/// Refusals for longer than this, with no call admitted since, are not those of a burst limit, which is one of a second.
const FOR_GOOD_US: u64 = 2_000_000;
/// Part of a limit that may be lost, because each instance of a limiter without its store admits a share, rounded down: one of this number.
const ROUNDED_OFF: u64 = 10;

/// Returns the refused calls that none of the limits explains. `used` are the calls that the limiter may have counted.
pub(super) fn unexplained(refused: &[(u32, CallTimes)], used: Vec<CallTimes>, quotas: &[&Quota]) -> Vec<u32> {
    let windows: Vec<&&Quota> = quotas.iter().filter(|quota| quota.window_us.is_some()).collect();
    if windows.is_empty() { refused_for_good(refused, &used, quotas) } else { refused_in_window(refused, used, quotas) }
}

/// Refusals of an organisation that gets no call, or no more, although its limit is not used up.
fn refused_for_good(refused: &[(u32, CallTimes)], used: &[CallTimes], quotas: &[&Quota]) -> Vec<u32> {
    let explained = |quota: &&Quota| used.len() as u64 >= quota.limit - quota.limit / ROUNDED_OFF;
    let last_us = used.iter().map(|(invoke_us, _)| *invoke_us).max();
    let since: Vec<&(u32, CallTimes)> =
        refused.iter().filter(|(_, (invoke_us, _))| last_us.is_none_or(|last_us| *invoke_us > last_us)).collect();
    let from_us = since.iter().map(|(_, (invoke_us, _))| *invoke_us).min().unwrap_or_default();
    let until_us = since.iter().map(|(_, (_, complete_us))| *complete_us).max().unwrap_or_default();
    let for_good = last_us.is_none() || until_us.saturating_sub(from_us) >= FOR_GOOD_US;
    if quotas.iter().any(explained) || !for_good { Vec::new() } else { since.iter().map(|(at, _)| *at).collect() }
}

/// Refusals while fewer calls than the limit may lie in the window of the refusal.
fn refused_in_window(refused: &[(u32, CallTimes)], used: Vec<CallTimes>, quotas: &[&Quota]) -> Vec<u32> {
    let mut begins: Vec<u64> = used.iter().map(|(invoke_us, _)| *invoke_us).collect();
    let mut ends: Vec<u64> = used.into_iter().map(|(_, complete_us)| complete_us).collect();
    begins.sort_unstable();
    ends.sort_unstable();
    let explained = |(_, (invoke_us, complete_us)): &&(u32, CallTimes)| {
        quotas.iter().any(|quota| {
            // The window of the refusal began at most one window before it.
            let from_us = quota.window_us.map_or(0, |window_us| invoke_us.saturating_sub(window_us));
            let begun = begins.partition_point(|begin| begin <= complete_us);
            let over = ends.partition_point(|end| *end < from_us);
            begun.saturating_sub(over) as u64 >= quota.limit
        })
    };
    refused.iter().filter(|refusal| !explained(refusal)).map(|(at, _)| *at).collect()
}
