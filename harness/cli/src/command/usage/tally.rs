//! Sums up log lines by organisation, plan and model. Pure: it reads no file and no clock.

use harness_core::plan::settings::Price;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Maximum number of groups, so that a log with made-up names cannot use up the memory.
const MAX_GROUPS: usize = 100_000;
const PER_TOKENS: u128 = 1_000_000;

/// What the sums are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) organisation: String,
    /// `unknown` in the logs of versions that did not log it.
    pub(crate) plan: String,
    pub(crate) model: String,
    /// True if the settings have a price for the model, false if its cost is the logged one.
    pub(crate) priced: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) calls: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) cost_micro_usd: u64,
}

impl Sum {
    const fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(other.cost_micro_usd);
    }
}

/// The kind of a line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Written by a service, with or without a cost.
    Logged,
    /// Not written by a service.
    Foreign,
    Blank,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TallyError {
    #[error("it has more than {MAX_GROUPS} combinations of organisation, plan and model")]
    TooMany,
}

/// The fields of a log line that count. Every line of a service has the first two.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Logged {
    timestamp: Timestamp,
    service: String,
    org_id: Option<String>,
    plan: Option<String>,
    model: Option<String>,
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    cost_micro_usd: Option<u64>,
}

pub(crate) struct Tally {
    prices: BTreeMap<String, Price>,
    days: RangeInclusive<Option<Date>>,
    groups: BTreeMap<Group, Sum>,
}

impl Tally {
    /// Counts the lines of these days, both included; `None` is no bound.
    pub(crate) const fn new(prices: BTreeMap<String, Price>, days: RangeInclusive<Option<Date>>) -> Self {
        Self { prices, days, groups: BTreeMap::new() }
    }

    /// Adds a line of a log. Lines without a cost count nothing.
    pub(crate) fn add(&mut self, line: &[u8]) -> Result<Line, TallyError> {
        if line.trim_ascii().is_empty() {
            return Ok(Line::Blank);
        }
        let Ok(logged) = serde_json::from_slice::<Logged>(line) else { return Ok(Line::Foreign) };
        let (Some(organisation), Some(model), Some(logged_cost)) = (logged.org_id, logged.model, logged.cost_micro_usd)
        else {
            return Ok(Line::Logged);
        };
        let day = Offset::UTC.to_datetime(logged.timestamp).date();
        let is_of_these_days = self.days.start().is_none_or(|since| since <= day)
            && self.days.end().is_none_or(|until| day <= until)
            && logged.service == "orchestrator";
        if !is_of_these_days {
            return Ok(Line::Logged);
        }
        let (prompt_tokens, completion_tokens) =
            (logged.prompt_tokens.unwrap_or(0), logged.completion_tokens.unwrap_or(0));
        // A call whose tokens the endpoint did not report has the highest possible cost in the log, and no price can be applied to it.
        let price = self.prices.get(&model).filter(|_| prompt_tokens > 0 || completion_tokens > 0);
        let group = Group {
            organisation,
            plan: logged.plan.unwrap_or_else(|| "unknown".to_owned()),
            model,
            priced: price.is_some(),
        };
        if self.groups.len() == MAX_GROUPS && !self.groups.contains_key(&group) {
            return Err(TallyError::TooMany);
        }
        let cost_micro_usd = price.map_or(logged_cost, |price| cost(*price, prompt_tokens, completion_tokens));
        let sum = Sum { calls: 1, prompt_tokens, completion_tokens, cost_micro_usd };
        self.groups.entry(group).or_default().add(sum);
        Ok(Line::Logged)
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Group, &Sum)> {
        self.groups.iter()
    }

    pub(crate) fn total(&self) -> Sum {
        let mut total = Sum::default();
        self.groups.values().for_each(|sum| total.add(*sum));
        total
    }
}

/// Rounded up for each call, as in the ledger of the orchestrator.
fn cost(price: Price, prompt_tokens: u64, completion_tokens: u64) -> u64 {
    let exact = u128::from(price.prompt) * u128::from(prompt_tokens)
        + u128::from(price.completion) * u128::from(completion_tokens);
    u64::try_from(exact.div_ceil(PER_TOKENS)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Group, Line, Price, Sum, Tally};
    use jiff::civil::date;

    const PAID: &[u8] = br#"{"timestamp":"2026-11-24T23:59:59.5Z","service":"orchestrator","severity":"info","orgId":"acme","plan":"team","model":"m","promptTokens":1000,"completionTokens":500,"costMicroUsd":1250,"message":"a call to a model was paid"}"#;

    fn tally() -> Tally {
        Tally::new([].into(), None..=None)
    }

    #[test]
    fn calls_are_summed_by_organisation_plan_and_model() {
        let mut tally = tally();
        for (from, to) in [("acme", "acme"), ("acme", "acme"), ("acme", "zeta"), ("\"team\"", "\"pro\"")] {
            let line = String::from_utf8_lossy(PAID).replace(from, to);
            assert_eq!(tally.add(line.as_bytes()), Ok(Line::Logged));
        }
        let sums: Vec<_> = tally
            .groups()
            .map(|(group, sum)| (&*group.organisation, &*group.plan, sum.calls, sum.cost_micro_usd))
            .collect();
        assert_eq!(sums, [("acme", "pro", 1, 1250), ("acme", "team", 2, 2500), ("zeta", "team", 1, 1250)]);
        assert_eq!(tally.total(), Sum { calls: 4, prompt_tokens: 4000, completion_tokens: 2000, cost_micro_usd: 5000 });
    }

    #[test]
    fn a_price_of_the_settings_replaces_the_logged_cost_unless_the_tokens_are_missing() {
        let prices = [("m".to_owned(), Price { prompt: 1_000_000, completion: 3_000_001 })];
        let mut tally = Tally::new(prices.into(), None..=None);
        tally.add(PAID).unwrap();
        let unmeasured = String::from_utf8_lossy(PAID).replace(":1000,", ":0,").replace(":500,", ":0,");
        tally.add(unmeasured.as_bytes()).unwrap();
        let group = |priced| Group { organisation: "acme".into(), plan: "team".into(), model: "m".into(), priced };
        assert_eq!(tally.groups[&group(true)].cost_micro_usd, 2_501, "rounded up");
        assert_eq!(tally.groups[&group(false)].cost_micro_usd, 1_250);
    }

    #[test]
    fn days_are_utc_and_both_ends_count() {
        let day = date(2026, 11, 24);
        for (days, calls) in [
            (Some(day)..=Some(day), 1),
            (Some(day.tomorrow().unwrap())..=None, 0),
            (None..=Some(day.yesterday().unwrap()), 0),
            (None..=None, 1),
        ] {
            let mut tally = Tally::new([].into(), days.clone());
            tally.add(PAID).unwrap();
            assert_eq!(tally.total().calls, calls, "{days:?}");
        }
    }

    #[test]
    fn other_lines_count_nothing() {
        let mut tally = tally();
        let other = String::from_utf8_lossy(PAID).replace("orchestrator", "memory");
        let call =
            br#"{"timestamp":"2026-11-24T10:00:00Z","service":"orchestrator","orgId":"acme","tool":"run_workflow"}"#;
        for (line, kind) in [
            (other.as_bytes(), Line::Logged),
            (call.as_slice(), Line::Logged),
            (b"\n", Line::Blank),
            (b"error: port in use\n", Line::Foreign),
            (b"{\"timestamp\":\"yesterday\",\"service\":\"orchestrator\"}", Line::Foreign),
            (b"\xff\xfe", Line::Foreign),
        ] {
            assert_eq!(tally.add(line), Ok(kind), "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(tally.total(), Sum::default());
    }

    #[test]
    fn sums_do_not_overflow() {
        let mut tally = tally();
        let most = String::from_utf8_lossy(PAID).replace(":1250,", ":18446744073709551615,");
        tally.add(most.as_bytes()).unwrap();
        tally.add(most.as_bytes()).unwrap();
        assert_eq!(tally.total().cost_micro_usd, u64::MAX);
    }
}
