//! The users of a load, spread evenly over organisations.

use std::sync::Arc;

/// The identity of a virtual user in the history.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Number of the user in the history.
    pub process: u32,
    /// Number of its organisation, from 0.
    pub organisation: usize,
    /// Name of its organisation.
    pub tenant: Arc<str>,
    pub user: Arc<str>,
}

/// Returns the users of a load. Their names depend only on the seed: the same seed repeats a run, and two seeds against one store do not
/// share organisations.
pub fn users_of_load(seed: u64, users: u32, organisations: u32) -> Vec<Identity> {
    let mark = xxhash_rust::xxh3::xxh3_64(&seed.to_le_bytes()) as u32;
    let tenants: Vec<Arc<str>> =
        (0..organisations).map(|number| format!("org-{mark:08x}-{number:02}").into()).collect();
    let identity = |process: u32| {
        let organisation = (process % organisations) as usize;
        let user = format!("user-{process:03}").into();
        Identity { process, organisation, tenant: Arc::clone(&tenants[organisation]), user }
    };
    (0..users).map(identity).collect()
}

#[cfg(test)]
mod tests {
    use super::users_of_load;

    #[test]
    fn users_are_spread_evenly_and_a_seed_repeats_them() {
        let users = users_of_load(7, 100, 8);
        let mut counts = [0; 8];
        users.iter().for_each(|identity| counts[identity.organisation] += 1);
        assert!(counts.iter().all(|count| (12..=13).contains(count)));
        assert_eq!(users[99].tenant, users_of_load(7, 100, 8)[99].tenant);
        assert_ne!(users[0].tenant, users_of_load(8, 1, 1)[0].tenant);
    }
}
