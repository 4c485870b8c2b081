//! Chooses the operation of the n-th call of a run. The choice depends only on the seed and the number of the call, not on the user or the
//! time, so that a seed repeats a run.

use super::data::DataOperation;
use super::operation::Operation;
use super::operations::OPERATIONS;
use crate::plan::operation::OperationData;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// An operation that a mix may draw.
#[derive(Clone)]
pub(super) enum MixOperation {
    BuiltIn(&'static dyn Operation),
    Data(Arc<DataOperation>),
}

impl Deref for MixOperation {
    type Target = dyn Operation;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::BuiltIn(operation) => *operation,
            Self::Data(operation) => &**operation,
        }
    }
}

/// Weighted operations, and the random numbers of every call.
pub struct Mix {
    /// Each operation, with the sum of the weights up to and including its own.
    sums: Vec<(MixOperation, u32)>,
    /// All operations of a target, in the order of the profile; those with a weight of 0 included, which serve to read records back.
    data: Vec<Arc<DataOperation>>,
    // ChaCha has streams, and gives the same numbers for a seed with every release of `rand`. `StdRng` promises
    // neither.
    rng: ChaCha8Rng,
}

impl Mix {
    /// Creates a mix from the weight of each operation, which is built in, or one of the `data` of a target. Unknown names were rejected when the
    /// file was read.
    pub fn new(seed: u64, weights: &BTreeMap<String, u32>, data: &[OperationData]) -> Self {
        let data = DataOperation::all(data);
        let choices: Vec<MixOperation> = if data.is_empty() {
            OPERATIONS.iter().map(|operation| MixOperation::BuiltIn(*operation)).collect()
        } else {
            data.iter().cloned().map(MixOperation::Data).collect()
        };
        let mut sum = 0;
        let weighted = choices.into_iter().filter_map(|operation| {
            sum += weights.get(operation.name()).copied().filter(|weight| *weight > 0)?;
            Some((operation, sum))
        });
        Self { sums: weighted.collect(), data, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Returns the operation of a call, and the random numbers that it draws from.
    pub(super) fn draw(&self, number: u64) -> (MixOperation, ChaCha8Rng) {
        let mut rng = self.numbers_of(number);
        let drawn = rng.random_range(0..self.sums.last().map_or(1, |(_, sum)| *sum));
        let operation = self.sums.iter().find(|(_, until)| drawn < *until);
        (operation.expect("a mix has a weight above 0").0.clone(), rng)
    }

    /// Returns the first operation of a target that creates a record.
    pub(super) fn creator(&self) -> Option<&Arc<DataOperation>> {
        self.data.iter().find(|operation| operation.data().creates())
    }

    /// Returns the first operation of a target that reads any record by its key.
    pub(super) fn reader(&self) -> Option<&Arc<DataOperation>> {
        self.data.iter().find(|operation| operation.data().reads_any())
    }

    /// Returns the first operation of a target that lists records, if possible with their values.
    pub(super) fn lister(&self) -> Option<&Arc<DataOperation>> {
        let has_values =
            |operation: &OperationData| operation.lists.as_ref().is_some_and(|lists| lists.value.is_some());
        let mut lists = self.data.iter().filter(|operation| operation.data().lists.is_some());
        lists.clone().find(|operation| has_values(operation.data())).or_else(|| lists.next())
    }

    /// Returns the names of the operations of a target.
    pub(super) fn data_names(&self) -> impl Iterator<Item = &str> {
        self.data.iter().map(|operation| operation.name())
    }

    // A stream for each call, so that the numbers that one call draws do not change those of another.
    pub(super) fn numbers_of(&self, number: u64) -> ChaCha8Rng {
        let mut rng = self.rng.clone();
        rng.set_stream(number);
        rng
    }

    /// Returns the service of the first call of each operation.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.sums.iter().map(|(operation, _)| operation.service())
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Mix, OperationData};
    use serde_json::{Value, json};

    fn drawn(seed: u64) -> Vec<String> {
        let weights = [("store_memory", 3), ("get_memory", 1), ("run_workflow", 0)];
        let weights: BTreeMap<_, _> = weights.map(|(name, weight)| (name.to_owned(), weight)).into();
        let mix = Mix::new(seed, &weights, &[]);
        // In any order: a call does not depend on the calls before it.
        let mut drawn: Vec<_> = (0..4_000).rev().map(|number| mix.draw(number).0.name().to_owned()).collect();
        drawn.reverse();
        drawn
    }

    #[test]
    fn a_seed_draws_the_same_operation_for_the_same_call() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn the_list_after_the_load_has_values_if_an_operation_lists_them() {
        let list = |name: &str, lists: Value| {
            let data = json!({ "name": name, "place": "p", "tool": name, "arguments": {}, "lists": lists });
            serde_json::from_value::<OperationData>(data).unwrap()
        };
        let keys = list("keys", json!({ "items": "/reply", "key": "/id" }));
        let values = list("values", json!({ "items": "/reply", "key": "/id", "value": "/text" }));
        let lister = |data: &[OperationData]| Mix::new(7, &BTreeMap::new(), data).lister().unwrap().data().name.clone();
        assert_eq!(lister(&[keys.clone(), values]), "values");
        assert_eq!(lister(&[keys]), "keys");
    }

    #[test]
    fn operations_are_drawn_as_often_as_they_weigh() {
        let stores = drawn(7).iter().filter(|name| *name == "store_memory").count();
        assert!((2_850..3_150).contains(&stores), "{stores} of 4,000 instead of 3,000");
        assert!(!drawn(7).contains(&"run_workflow".to_owned()));
    }
}
