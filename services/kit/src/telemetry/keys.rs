//! Gauges of the keys that sign tokens: how many are accepted, and since when the first one signs. They show nothing of the keys themselves.

use crate::settings::Settings;
use jiff::tz::Offset;
use mcp_contracts::metric;

pub(crate) fn publish(settings: &Settings) {
    let service = settings.service.name();
    let accepted = settings.accepted_secrets().count();
    metrics::gauge!(metric::KEYS_ACCEPTED, "service" => service).set(accepted as f64);
    metrics::gauge!(metric::KEY_SINCE_TIMESTAMP_SECONDS, "service" => service).set(since(settings) as f64);
}

/// Returns the beginning of the day (UTC) in seconds since 1970; 0 if it is not known.
fn since(settings: &Settings) -> i64 {
    let midnight = settings.secret_since.and_then(|day| Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok());
    midnight.map_or(0, |midnight| midnight.as_second())
}

#[cfg(test)]
mod tests {
    use super::since;
    use crate::settings::Settings;
    use mcp_contracts::{Service, env};

    #[test]
    fn the_age_of_a_key_counts_from_the_beginning_of_its_day() {
        let settings = |values: &[(&str, &str)]| {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Settings::from_values(Service::Memory, &values).unwrap()
        };
        assert_eq!(since(&settings(&[])), 0);
        assert_eq!(since(&settings(&[(env::JWT_SECRET_SINCE, "1970-01-03")])), 2 * 86_400);
    }
}
