//! Settings that only memory has.

use mcp_contracts::{Plan, env};
use mcp_kit::database::postgres::PostgresTarget;
use mcp_kit::{EnvReader, ServiceSettings};

/// Largest accepted storage quota, in MiB.
const MOST_MIB: u64 = 1 << 30;

#[derive(Debug, Clone)]
pub struct MemorySettings {
    pub storage: StorageQuota,
    /// The server of the store; none if the store is a file.
    pub postgres: Option<PostgresTarget>,
}

/// Bytes that an organisation may store, by plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageQuota([u64; 4]);

impl StorageQuota {
    /// No bound, for stores that no organisation uses.
    pub const UNLIMITED: Self = Self([u64::MAX; 4]);

    /// Takes the bytes in the order of [`Plan::ALL`].
    pub const fn new(bytes: [u64; 4]) -> Self {
        Self(bytes)
    }

    pub const fn allowed(self, plan: Plan) -> u64 {
        match plan {
            Plan::Free => self.0[0],
            Plan::Pro => self.0[1],
            Plan::Team => self.0[2],
            Plan::Enterprise => self.0[3],
        }
    }
}

impl ServiceSettings for MemorySettings {
    fn read(reader: &mut EnvReader<'_>) -> Self {
        let names = [
            env::STORAGE_QUOTA_FREE_MIB,
            env::STORAGE_QUOTA_PRO_MIB,
            env::STORAGE_QUOTA_TEAM_MIB,
            env::STORAGE_QUOTA_ENTERPRISE_MIB,
        ];
        let storage = StorageQuota(names.map(|name| reader.number(name, 0, MOST_MIB) << 20));
        Self { storage, postgres: reader.postgres() }
    }
}
