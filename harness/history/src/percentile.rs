//! The rank of a percentile. The judgement and the report share it, so that both name the same call.

/// Parts of one per cent in which a percentile is counted: `99.9` is 99,900 of 100,000.
const PARTS: f64 = 1_000.0;
/// A hundred per cent.
const WHOLE: u64 = 100_000;

/// Number of values that must lie beyond a percentile. With fewer, it says more about those few than about the service.
pub const BEYOND: u64 = 10;

/// Returns the nearest rank, from 1: that of the smallest value such that at least `percentile` per cent of `count` values are not above it; 0 if there
/// is no value. It counts in whole numbers, because `99.9 / 100.0 * 4000.0` is more than 3,996.
pub fn rank(percentile: f64, count: u64) -> u64 {
    let part = u128::from(parts(percentile)) * u128::from(count);
    let rank = part.div_ceil(u128::from(WHOLE)) as u64;
    rank.max(1).min(count)
}

/// Returns the percentile of the values, by the nearest rank; `None` if there is no value. Changes the order of the values.
pub fn of<T: Ord + Copy>(values: &mut [T], percentile: f64) -> Option<T> {
    let index = rank(percentile, values.len() as u64).checked_sub(1)?;
    Some(*values.select_nth_unstable(index as usize).1)
}

/// Returns the fewest values that have [`BEYOND`] values beyond the percentile: 1,000 for the 99th, 200 for the 95th. The maximum has none beyond it
/// and needs only one.
pub fn least_calls(percentile: f64) -> u64 {
    match WHOLE - parts(percentile) {
        0 => 1,
        beyond => (BEYOND * WHOLE).div_ceil(beyond),
    }
}

fn parts(percentile: f64) -> u64 {
    ((percentile * PARTS).round() as u64).min(WHOLE)
}

#[cfg(test)]
mod tests {
    use super::{least_calls, of, rank};

    #[test]
    fn a_rank_is_exact() {
        let cases = [
            (99.9, 4_000, 3_996),
            (99.9, 1_000, 999),
            (99.99, 10_000, 9_999),
            (99.0, 100, 99),
            (95.0, 20, 19),
            (50.0, 3, 2),
            (100.0, 7, 7),
            (0.0, 7, 1),
            (99.0, 1, 1),
            (50.0, 0, 0),
        ];
        for (percentile, count, expected) in cases {
            assert_eq!(rank(percentile, count), expected, "p{percentile} of {count}");
        }
    }

    #[test]
    fn the_value_is_that_of_the_rank() {
        let mut values: Vec<u64> = (1..=4_000).rev().collect();
        assert_eq!(of(&mut values, 99.9), Some(3_996));
        assert_eq!(of::<u64>(&mut [], 50.0), None);
    }

    #[test]
    fn a_percentile_needs_ten_values_beyond_it() {
        for (percentile, least) in [(50.0, 20), (90.0, 100), (95.0, 200), (99.0, 1_000), (99.9, 10_000), (100.0, 1)] {
            assert_eq!(least_calls(percentile), least, "p{percentile}");
        }
    }
}
