//! Faults: what can be done to a running stack, as data. How each is done and undone is one file per kind in this folder.

mod active;
mod database_locked;
mod disk_full;
mod error;
mod file_changed;
mod injection;
mod injector;
mod network;
mod pause;
mod problems;
mod process;
mod recover;
mod redis;
mod squeeze;

pub use active::{Active, Healed};
pub use error::FaultError;
pub use injector::Injector;
pub use recover::{Recovered, owes, recover};

use chaos_proxy::Rule;
use harness_history::experiment::FILE_CHANGED;
use mcp_contracts::Service;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A fault as an experiment orders it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// What is done.
    pub fault: FaultKind,
    /// How long after the fault phase began.
    pub after: Duration,
    /// How long it stays.
    pub lasts: Duration,
    /// How often it is done, one after the other.
    pub times: u32,
    /// From one injection to the next; without meaning where it is done once.
    pub every: Duration,
}

/// What can be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// A part ends at once (SIGKILL) and is started again when the fault is healed.
    Kill {
        /// The part.
        part: String,
    },
    /// A part is asked to end (SIGTERM) and is started again when the fault is healed.
    Stop {
        /// The part.
        part: String,
    },
    /// A part stands still (SIGSTOP, or a paused container).
    Pause {
        /// The part.
        part: String,
    },
    /// A part is restarted in order; healed as soon as it is back.
    Restart {
        /// The part.
        part: String,
    },
    /// Something happens on the way between two parts, or from the callers (`client`) to a part.
    Network {
        /// From this part, or `client`.
        from: String,
        /// To that part.
        to: String,
        /// What the proxy on the way does.
        rule: Rule,
    },
    /// A real Redis is brought into a state in which it answers and does not serve.
    Redis {
        /// The state.
        state: RedisState,
    },
    /// A part cannot make its files larger.
    DiskFull {
        /// The part.
        part: String,
    },
    /// Somebody else holds the write lock of a part's database.
    DatabaseLocked {
        /// The part.
        part: String,
    },
    /// A file of rules or patterns is another one, or gone, while its service watches.
    FileChanged {
        /// The service: `guardrails` or `patterns`.
        service: Service,
        /// Path of the file in its folder.
        file: String,
        /// What is in it; absent: the file is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A part gets so much of one core.
    CpuSqueeze {
        /// The part.
        part: String,
        /// Hundredths of a core.
        percent: u32,
    },
    /// A part gets so much memory.
    MemorySqueeze {
        /// The part.
        part: String,
        /// In MiB.
        mebibytes: u32,
    },
}

/// A state of a real Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisState {
    /// It loads its data (`-LOADING`).
    Loading,
    /// It follows a dead master (`-READONLY`).
    Readonly,
    /// It has no memory left for writes (`-OOM`).
    Oom,
    /// A script does not end (`-BUSY`).
    Busy,
    /// Writes wait (`CLIENT PAUSE WRITE`).
    PausedWrites,
    /// It forgets scripts again and again (`-NOSCRIPT`).
    ScriptsFlushed,
    /// All counters are gone.
    CountersLost,
    /// No more clients are let in.
    MaxClients,
    /// The services' user may not run scripts (`-NOPERM`).
    NoScripts,
    /// A password is required that nobody has (`-NOAUTH`).
    PasswordRequired,
}

impl FaultKind {
    /// The word of its kind, such as `kill`, `latency` or `oom`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Stop { .. } => "stop",
            Self::Pause { .. } => "pause",
            Self::Restart { .. } => "restart",
            Self::Network { rule, .. } => rule.toxic.kind(),
            Self::Redis { state } => state.name(),
            Self::DiskFull { .. } => "disk_full",
            Self::DatabaseLocked { .. } => "database_locked",
            Self::FileChanged { .. } => FILE_CHANGED,
            Self::CpuSqueeze { .. } => "cpu_squeeze",
            Self::MemorySqueeze { .. } => "memory_squeeze",
        }
    }

    /// What it is done to: a part, or a way such as `memory to redis`.
    pub fn target(&self) -> String {
        match self {
            Self::Kill { part }
            | Self::Stop { part }
            | Self::Pause { part }
            | Self::Restart { part }
            | Self::DiskFull { part }
            | Self::DatabaseLocked { part }
            | Self::CpuSqueeze { part, .. }
            | Self::MemorySqueeze { part, .. } => part.clone(),
            Self::Network { from, to, .. } => format!("{from} to {to}"),
            Self::Redis { .. } => "redis".to_owned(),
            Self::FileChanged { service, .. } => service.name().to_owned(),
        }
    }

    /// What is done, such as `kill redis` or `latency memory to redis`.
    pub fn name(&self) -> String {
        format!("{} {}", self.kind(), self.target())
    }

    /// The parts that it takes away: while it acts they do not answer.
    pub fn parts(&self) -> Vec<&str> {
        match self {
            Self::Kill { part } | Self::Stop { part } | Self::Pause { part } | Self::Restart { part } => vec![part],
            Self::Network { .. }
            | Self::Redis { .. }
            | Self::DiskFull { .. }
            | Self::DatabaseLocked { .. }
            | Self::FileChanged { .. }
            | Self::CpuSqueeze { .. }
            | Self::MemorySqueeze { .. } => Vec::new(),
        }
    }
}

impl RedisState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Loading,
        Self::Readonly,
        Self::Oom,
        Self::Busy,
        Self::PausedWrites,
        Self::ScriptsFlushed,
        Self::CountersLost,
        Self::MaxClients,
        Self::NoScripts,
        Self::PasswordRequired,
    ];

    /// Its word, as in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Readonly => "readonly",
            Self::Oom => "oom",
            Self::Busy => "busy",
            Self::PausedWrites => "paused_writes",
            Self::ScriptsFlushed => "scripts_flushed",
            Self::CountersLost => "counters_lost",
            Self::MaxClients => "max_clients",
            Self::NoScripts => "no_scripts",
            Self::PasswordRequired => "password_required",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FaultKind, RedisState, Rule};
    use chaos_proxy::Toxic;
    use chaos_proxy::toxic::Hang;

    #[test]
    fn a_fault_is_named_by_its_kind_and_what_it_is_done_to() {
        let kill = FaultKind::Kill { part: "redis".to_owned() };
        assert_eq!((kill.name().as_str(), kill.parts()), ("kill redis", vec!["redis"]));
        let (from, to) = ("memory".to_owned(), "redis".to_owned());
        let hang = FaultKind::Network { from, to, rule: Rule::new(Toxic::Hang(Hang {})) };
        assert_eq!((hang.kind(), hang.target().as_str(), hang.parts().len()), ("hang", "memory to redis", 0));
        assert_eq!(FaultKind::Redis { state: RedisState::Oom }.name(), "oom redis");
    }

    #[test]
    fn a_state_is_called_the_same_in_files_and_in_reports() {
        for state in RedisState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
