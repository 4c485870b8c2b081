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
    /// Its workspace; `None` is the default one.
    pub workspace: Option<Arc<str>>,
    /// True if another virtual user calls as the same user at the same time, as a person with two clients does.
    pub has_second_client: bool,
}

/// The second workspace of every organisation that has at least three users.
pub const ANNEX: &str = "annex";
/// Of each four users of an organisation, the first two are clients of one user, and the third one works in [`ANNEX`].
const GROUP: u32 = 4;

/// Returns the users of a load. Their names depend only on the seed: the same seed repeats a run, and two seeds against one store do not
/// share organisations.
pub fn users_of_load(seed: u64, users: u32, organisations: u32) -> Vec<Identity> {
    let mark = xxhash_rust::xxh3::xxh3_64(&seed.to_le_bytes()) as u32;
    let tenants: Vec<Arc<str>> =
        (0..organisations).map(|number| format!("org-{mark:08x}-{number:02}").into()).collect();
    let identity = |process: u32| {
        let organisation = (process % organisations) as usize;
        let (place, owner) = (process / organisations % GROUP, owner_of(process, organisations));
        Identity {
            process,
            organisation,
            tenant: Arc::clone(&tenants[organisation]),
            user: format!("user-{owner:03}").into(),
            workspace: (place == 2).then(|| ANNEX.into()),
            has_second_client: has_second_client(process, users, organisations),
        }
    };
    (0..users).map(identity).collect()
}

/// Returns the users of a load on a target, spread evenly over its tokens. Their names depend on the run, because the store of a target outlives the
/// run, and may have records of an earlier one with the same seed.
pub fn users_of_target(run: &str, users: u32, tokens: u32) -> Vec<Identity> {
    let mark = xxhash_rust::xxh3::xxh3_64(run.as_bytes()) as u32;
    let tenants: Vec<Arc<str>> = (0..tokens).map(|number| format!("org-{mark:08x}-{number:02}").into()).collect();
    let identity = |process: u32| {
        let organisation = (process % tokens) as usize;
        Identity {
            process,
            organisation,
            tenant: Arc::clone(&tenants[organisation]),
            user: format!("user-{process:03}").into(),
            workspace: None,
            // To the server, all users of a token are one caller.
            has_second_client: false,
        }
    };
    (0..users).map(identity).collect()
}

/// Returns the number of the user that this client belongs to.
pub(crate) const fn owner_of(process: u32, organisations: u32) -> u32 {
    if process / organisations % GROUP == 1 { process - organisations } else { process }
}

/// Returns true if another client belongs to the same user.
pub(crate) const fn has_second_client(process: u32, users: u32, organisations: u32) -> bool {
    let place = process / organisations % GROUP;
    place == 1 || place == 0 && process + organisations < users
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
        let (twins, others): (Vec<_>, Vec<_>) = users.iter().partition(|identity| identity.has_second_client);
        assert!(twins.iter().all(|one| twins.iter().filter(|two| one.user == two.user).count() == 2));
        assert!(others.iter().all(|one| users.iter().filter(|two| one.user == two.user).count() == 1));
        let annexed = |organisation| {
            let mates = users.iter().filter(|identity| identity.organisation == organisation);
            mates.filter(|identity| identity.workspace.is_some()).count()
        };
        assert!((0..8).all(|organisation| (3..=4).contains(&annexed(organisation))));
        assert_eq!(users[99].tenant, users_of_load(7, 100, 8)[99].tenant);
        assert_ne!(users[0].tenant, users_of_load(8, 1, 1)[0].tenant);
    }
}
