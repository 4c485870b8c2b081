//! Chooses the store and the instances of memory for the stack of a run: from the command line or, if it names none, from the settings. A stack that
//! runs elsewhere has what it has.

use crate::arguments::{BackendArguments, BackendChoice, InstanceArguments, StoreArguments, StoreChoice};
use crate::exit::Failure;
use crate::settings;
use harness_core::plan::settings::{Settings, StackSettings};
use harness_core::plan::topology::{Store, Topology};
use mcp_contracts::Service;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChosenStore {
    pub(crate) store: Store,
    instances: u32,
}

impl ChosenStore {
    /// Returns the store for a stack with one instance of each service, or those that its purpose has.
    pub(crate) fn of(arguments: &StoreArguments, place: &BackendArguments) -> Result<Self, Failure> {
        let only_store = StackSettings { instances: 1, ..settings::load(None)?.stack };
        Self::choose(arguments, &InstanceArguments::default(), place, only_store)
    }

    /// Returns the store and the number of instances for a stack under load.
    pub(crate) fn of_load(
        arguments: &StoreArguments,
        instances: &InstanceArguments,
        place: &BackendArguments,
    ) -> Result<Self, Failure> {
        Self::choose(arguments, instances, place, settings::load(None)?.stack)
    }

    fn choose(
        arguments: &StoreArguments,
        instances: &InstanceArguments,
        place: &BackendArguments,
        settings: StackSettings,
    ) -> Result<Self, Failure> {
        let runs_elsewhere = !place.url.is_empty() || place.backend == BackendChoice::External;
        let default = if runs_elsewhere { StackSettings { store: Store::Sqlite, instances: 1 } } else { settings };
        let chosen = Self {
            store: arguments.store.map_or(default.store, Store::from),
            instances: instances.instances.unwrap_or(default.instances),
        };
        if runs_elsewhere && (arguments.store.is_some() || instances.instances.is_some()) {
            return Err(Failure::usage(
                "a running stack has its store and its instances; remove `--store` and `--instances`",
            ));
        }
        if chosen.instances > 1 && chosen.store == Store::Sqlite {
            return Err(Failure::usage(format!(
                "{} instances of memory need a store that several machines can share, and SQLite is a file of one\nhint: add `--store postgres`, or use one instance",
                chosen.instances
            )));
        }
        Ok(chosen)
    }

    /// Returns the stack with this store and these instances. Instances that the stack has already stay.
    pub(crate) fn apply(self, topology: Topology) -> Topology {
        let topology = match self.store {
            Store::Sqlite => topology,
            Store::Postgres => topology.with_postgres(),
        };
        let is_single = topology.of(Service::Memory).count() == 1;
        if self.instances > 1 && is_single { topology.instances(Service::Memory, self.instances) } else { topology }
    }

    /// Renders the choice as options of a command, each with a leading space. The defaults of the program are omitted.
    pub(crate) fn options(self) -> String {
        let store = if self.store == Store::Sqlite { String::new() } else { format!(" --store {}", self.store.name()) };
        let instances = if self.instances > 1 { format!(" --instances {}", self.instances) } else { String::new() };
        store + &instances
    }
}

/// Returns the arguments with what the settings of a gate choose in place of what is omitted, for the parts of the gate.
pub(crate) fn with_defaults(
    store: &StoreArguments,
    instances: &InstanceArguments,
    place: &BackendArguments,
    settings: &Settings,
) -> (StoreArguments, InstanceArguments) {
    if !place.url.is_empty() || place.backend == BackendChoice::External {
        return (store.clone(), instances.clone());
    }
    let StackSettings { store: default, instances: number } = settings.stack;
    let default = match default {
        Store::Sqlite => StoreChoice::Sqlite,
        Store::Postgres => StoreChoice::Postgres,
    };
    let store = StoreArguments { store: store.store.or(Some(default)) };
    (store, InstanceArguments { instances: instances.instances.or(Some(number)) })
}

impl From<StoreChoice> for Store {
    fn from(choice: StoreChoice) -> Self {
        match choice {
            StoreChoice::Sqlite => Self::Sqlite,
            StoreChoice::Postgres => Self::Postgres,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ChosenStore, InstanceArguments, StackSettings, StoreArguments, StoreChoice};
    use crate::arguments::{BackendArguments, BackendChoice};
    use harness_core::plan::topology::{Store, Topology};
    use mcp_contracts::Service;

    fn choose(
        store: Option<StoreChoice>,
        instances: Option<u32>,
        settings: StackSettings,
    ) -> Result<ChosenStore, String> {
        let place = BackendArguments { backend: BackendChoice::Auto, url: Vec::new() };
        ChosenStore::choose(&StoreArguments { store }, &InstanceArguments { instances }, &place, settings)
            .map_err(|failure| failure.to_string())
    }

    const PLAIN: StackSettings = StackSettings { store: Store::Sqlite, instances: 1 };

    #[test]
    fn the_command_line_has_priority_over_the_settings() {
        let two = StackSettings { store: Store::Postgres, instances: 2 };
        assert_eq!(choose(None, None, two).unwrap().options(), " --store postgres --instances 2");
        assert_eq!(choose(Some(StoreChoice::Sqlite), Some(1), two).unwrap().options(), "");
        let topology = choose(None, None, two).unwrap().apply(Topology::for_load(Service::Memory));
        let names: Vec<&str> = topology.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["redis", "postgres", "memory-1", "memory-2"]);
    }

    #[test]
    fn several_instances_of_a_file_are_refused_with_the_way_out() {
        let why = choose(None, Some(2), PLAIN).unwrap_err();
        assert!(why.contains("2 instances") && why.contains("--store postgres"), "{why}");
    }

    #[test]
    fn a_running_stack_keeps_its_store() {
        let place = BackendArguments {
            backend: BackendChoice::Auto,
            url: vec![("memory".to_owned(), "http://127.0.0.1:7420".to_owned())],
        };
        let (none, one) = (StoreArguments::default(), InstanceArguments::default());
        let postgres = StackSettings { store: Store::Postgres, instances: 2 };
        assert_eq!(
            ChosenStore::choose(&none, &one, &place, postgres).map(ChosenStore::options).unwrap_or_default(),
            ""
        );
        let asked = StoreArguments { store: Some(StoreChoice::Postgres) };
        assert!(ChosenStore::choose(&asked, &one, &place, PLAIN).is_err());
    }
}
