//! Who takes part: users, spread evenly over organisations. Names follow from the seed, so that a seed repeats a run and
//! two runs against one store do not take each other's memories for their own.

use std::collections::HashSet;
use std::sync::Arc;

/// A virtual user.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Number of the user in the run, from 0.
    pub(crate) process: u32,
    /// Number of its organisation, from 0.
    pub(crate) organisation: usize,
    /// Name of its organisation.
    pub(crate) tenant: Arc<str>,
    /// Its name.
    pub(crate) user: Arc<str>,
}

/// Everyone who takes part.
#[derive(Debug)]
pub(crate) struct Directory {
    identities: Vec<Identity>,
    organisations: usize,
    names: HashSet<Arc<str>>,
}

impl Directory {
    /// Names so many users of so many organisations.
    pub(crate) fn new(seed: u64, users: u32, organisations: u32) -> Self {
        let mark = xxhash_rust::xxh3::xxh3_64(&seed.to_le_bytes()) as u32;
        let tenants: Vec<Arc<str>> = (0..organisations).map(|n| format!("org-{mark:08x}-{n:02}").into()).collect();
        let identities: Vec<Identity> = (0..users)
            .map(|process| {
                let organisation = (process % organisations) as usize;
                let user = format!("user-{process:03}").into();
                Identity { process, organisation, tenant: Arc::clone(&tenants[organisation]), user }
            })
            .collect();
        let users = identities.iter().map(|identity| Arc::clone(&identity.user));
        let names = tenants.iter().cloned().chain(users).collect();
        Self { identities, organisations: tenants.len(), names }
    }

    /// Everyone, by number.
    pub(crate) fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// How many organisations there are.
    pub(crate) const fn organisations(&self) -> usize {
        self.organisations
    }

    /// The shared copy of a name; a new one for a name of nobody here.
    pub(crate) fn name(&self, text: &str) -> Arc<str> {
        self.names.get(text).map_or_else(|| Arc::from(text), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::Directory;

    #[test]
    fn users_are_spread_evenly_and_a_seed_repeats_them() {
        let directory = Directory::new(7, 100, 8);
        let mut counts = [0; 8];
        directory.identities().iter().for_each(|identity| counts[identity.organisation] += 1);
        assert!(counts.iter().all(|count| (12..=13).contains(count)));
        let again = Directory::new(7, 100, 8);
        assert_eq!(directory.identities()[99].tenant, again.identities()[99].tenant);
        assert_ne!(directory.identities()[0].tenant, Directory::new(8, 1, 1).identities()[0].tenant);
    }

    #[test]
    fn a_name_is_shared_where_it_is_known() {
        let directory = Directory::new(7, 2, 1);
        let known = &directory.identities()[1].user;
        assert!(std::sync::Arc::ptr_eq(known, &directory.name(known)));
        assert_eq!(&*directory.name("stranger"), "stranger");
    }
}
