//! An operation that comes from data: it fills the template of its arguments, and knows which record a call writes or reads. It is used for targets,
//! whose tools this program does not know.

use super::operation::{Operation, Request, RequestInput, ToolReply};
use crate::drive::canary::InternedNames;
use crate::drive::effect::{self, DataReply, SentEffect};
use crate::plan::operation::{OperationData, Placeholder};
use crate::plan::target::TARGET;
use harness_history::{Effect, Outcome};
use rand::{Rng as _, RngExt as _};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_128;

/// `{{number}}` is below this.
const NUMBERS: u64 = 1_000_000;

/// An operation of a target.
#[derive(Debug)]
pub(super) struct DataOperation {
    data: OperationData,
    keys: Arc<Keys>,
}

/// What is known of the keys of a target.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// True if the server gave a record a number as its key. Keys are texts in the history, and numbers in the arguments of such a server.
    are_numbers: AtomicBool,
}

impl Keys {
    fn value(&self, key: &str) -> Value {
        let number = || key.parse::<i64>().ok().filter(|_| self.are_numbers.load(Ordering::Relaxed));
        number().map_or_else(|| Value::from(key), Value::from)
    }
}

impl DataOperation {
    pub(super) fn all(operations: &[OperationData]) -> Vec<Arc<Self>> {
        let keys = Arc::new(Keys::default());
        operations.iter().map(|data| Arc::new(Self { data: data.clone(), keys: Arc::clone(&keys) })).collect()
    }

    pub(super) const fn data(&self) -> &OperationData {
        &self.data
    }

    /// Returns the request for the record with this key; the operation reads any record.
    pub(super) fn request_for(&self, key: &str, input: &mut RequestInput<'_>) -> Request {
        self.filled(&mut Filler { keys: &self.keys, input, chosen: Some(key), known: Vec::new(), existing: false })
    }

    /// Returns the outcome and the effect of a call.
    pub(super) fn effect(
        &self,
        sent: &SentEffect,
        outcome: &Outcome,
        reply: DataReply<'_>,
        names: &InternedNames,
    ) -> (Outcome, Effect) {
        let done = effect::of_data(&self.data, sent, outcome, reply, names);
        if done.key_is_number {
            self.keys.are_numbers.store(true, Ordering::Relaxed);
        }
        (done.outcome, done.effect)
    }

    fn filled(&self, filler: &mut Filler<'_, '_>) -> Request {
        let arguments = self.data.arguments.render(&mut |placeholder| filler.value(placeholder));
        Request {
            service: TARGET.into(),
            tool: self.data.tool.clone().into(),
            name: self.data.name.clone().into(),
            arguments: arguments.to_string(),
            page: 0,
            repeats: 0,
            pause: Duration::ZERO,
            context: Value::Null,
            sent: SentEffect::Data { arguments: Box::new(arguments), existing: filler.existing },
        }
    }
}

impl Operation for DataOperation {
    fn name(&self) -> &str {
        &self.data.name
    }

    fn service(&self) -> &str {
        TARGET
    }

    fn request(&self, input: &mut RequestInput<'_>) -> Request {
        self.filled(&mut Filler { keys: &self.keys, input, chosen: None, known: Vec::new(), existing: false })
    }

    fn follow_up(&self, _: &Request, _: &ToolReply<'_>) -> Option<Request> {
        None
    }
}

/// Gives the placeholders of one call their values.
struct Filler<'f, 'd> {
    keys: &'f Keys,
    input: &'f mut RequestInput<'d>,
    /// The record that the call is for; `None` if the random numbers choose it.
    chosen: Option<&'f str>,
    /// The values so far: a placeholder has one value in a call.
    known: Vec<(Placeholder, Value)>,
    /// True if a placeholder was filled with the key of a record that exists.
    existing: bool,
}

impl Filler<'_, '_> {
    fn value(&mut self, placeholder: Placeholder) -> Value {
        if let Some((_, value)) = self.known.iter().find(|(known, _)| *known == placeholder) {
            return value.clone();
        }
        let value = self.drawn(placeholder);
        self.known.push((placeholder, value.clone()));
        value
    }

    fn drawn(&mut self, placeholder: Placeholder) -> Value {
        match placeholder {
            Placeholder::Word => {
                let words = self.input.words();
                words.split(' ').next().unwrap_or_default().into()
            }
            Placeholder::Words => self.input.words().into(),
            Placeholder::Uuid => {
                let bytes = self.fresh().to_be_bytes();
                uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into()
            }
            Placeholder::Number => self.input.rng.random_range(0..NUMBERS).into(),
            Placeholder::User => Value::from(&*self.input.identity.user),
            Placeholder::Organisation => Value::from(&*self.input.identity.tenant),
            Placeholder::Key => self.new_key(),
            Placeholder::Content => self.input.content(true).0.into(),
            Placeholder::KnownKey | Placeholder::SharedKey | Placeholder::ForeignKey => self.known_key(placeholder),
        }
    }

    fn known_key(&mut self, placeholder: Placeholder) -> Value {
        if let Some(key) = self.chosen {
            self.existing = true;
            return self.keys.value(key);
        }
        let (other, choice) = (self.input.rng.next_u32(), self.input.rng.next_u32());
        let record = match placeholder {
            Placeholder::SharedKey => self.input.known_records.of_others(self.input.identity, self.input.own, choice),
            Placeholder::ForeignKey => self.input.known_records.foreign(self.input.identity, other, choice),
            _ => self.input.own.pick(choice),
        };
        match record {
            Some(record) => {
                self.existing = true;
                self.keys.value(&record.id)
            }
            // No record yet. A read of this key must find nothing, and a write to it creates a record.
            None => self.new_key(),
        }
    }

    /// A key that no record has, in any run: the organisation is named after the run.
    fn new_key(&mut self) -> Value {
        format!("key-{:024x}", self.fresh() >> 32).into()
    }

    fn fresh(&mut self) -> u128 {
        self.input.rng.random::<u128>() ^ xxh3_128(self.input.identity.tenant.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{DataOperation, Keys, Operation as _, RequestInput, SentEffect};
    use crate::drive::traffic::content::Corpus;
    use crate::drive::traffic::directory::{Identity, users_of_target};
    use crate::drive::traffic::known_records::{KnownRecord, KnownRecords, RecentRecords};
    use crate::plan::operation::OperationData;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;
    use serde_json::{Value, json};
    use std::sync::atomic::Ordering;

    fn operation(arguments: &Value) -> std::sync::Arc<DataOperation> {
        let data: OperationData =
            serde_json::from_value(json!({ "name": "n", "place": "p", "tool": "t", "arguments": arguments })).unwrap();
        DataOperation::all(&[data]).remove(0)
    }

    /// The world of three users: two of one token and one of another, whose records are named after them.
    struct World {
        users: Vec<Identity>,
        known_records: KnownRecords,
        recent: Vec<RecentRecords>,
    }

    impl World {
        fn new(run: &str) -> Self {
            let users = users_of_target(run, 3, 2);
            Self {
                known_records: KnownRecords::new(2),
                recent: users.iter().map(|_| RecentRecords::default()).collect(),
                users,
            }
        }

        fn add(&mut self, user: usize, id: &str) {
            let record = KnownRecord { id: id.into(), version: None, shared: true, canary: None };
            assert!(!self.known_records.add(&self.users[user], &record), "no record of a target is hot");
            self.recent[user].add(record);
        }

        fn filled(&self, user: usize, seed: u64, arguments: &Value) -> (Value, bool) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let corpus = Corpus::built_in();
            let (identity, own, known_records) = (&self.users[user], &self.recent[user], &self.known_records);
            let mut input = RequestInput { rng: &mut rng, number: seed, identity, corpus: &corpus, own, known_records };
            let request = operation(arguments).request(&mut input);
            let SentEffect::Data { existing, .. } = request.sent else { panic!("{request:?}") };
            (serde_json::from_str(&request.arguments).unwrap(), existing)
        }
    }

    #[test]
    fn a_seed_repeats_the_values_and_a_run_has_keys_of_its_own() {
        let arguments =
            json!({ "w": "{{word}}", "k": "{{key}}", "u": "{{uuid}}", "n": "{{number}}", "again": "<{{key}}>" });
        let (first, other) = (World::new("run-1"), World::new("run-2"));
        let (one, _) = first.filled(0, 7, &arguments);
        assert_eq!(one, first.filled(0, 7, &arguments).0);
        let (eight, elsewhere) = (first.filled(0, 8, &arguments).0, other.filled(0, 7, &arguments).0);
        for name in ["k", "u"] {
            assert_ne!(one[name], eight[name], "{name}");
            assert_ne!(one[name], elsewhere[name], "{name}");
        }
        assert_eq!((&one["w"], one["n"].is_u64()), (&elsewhere["w"], true));
        assert_eq!(one["again"], format!("<{}>", one["k"].as_str().unwrap()), "a placeholder has one value in a call");
    }

    #[test]
    fn keys_are_those_of_the_user_of_its_colleagues_and_of_the_other_token() {
        let mut world = World::new("run");
        let key = |world: &World, placeholder: &str| {
            let (filled, existing) = world.filled(0, 3, &json!({ "k": format!("{{{{{placeholder}}}}}") }));
            (filled["k"].as_str().unwrap().to_owned(), existing)
        };
        for placeholder in ["known_key", "shared_key", "foreign_key"] {
            let (drawn, existing) = key(&world, placeholder);
            assert!(drawn.starts_with("key-") && !existing, "no record yet: {drawn}");
        }
        world.add(0, "mine");
        assert!(!key(&world, "shared_key").1, "an own record is not that of another user");
        world.add(2, "of a colleague");
        world.add(1, "foreign");
        for (placeholder, expected) in
            [("known_key", "mine"), ("shared_key", "of a colleague"), ("foreign_key", "foreign")]
        {
            assert_eq!(key(&world, placeholder), (expected.to_owned(), true), "{placeholder}");
        }
    }

    #[test]
    fn a_key_is_a_number_only_on_a_server_with_numbers() {
        let keys = Keys::default();
        assert_eq!(keys.value("17"), json!("17"));
        keys.are_numbers.store(true, Ordering::Relaxed);
        assert_eq!((keys.value("17"), keys.value("key-1")), (json!(17), json!("key-1")));
    }
}
