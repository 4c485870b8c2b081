//! Revoked tokens: the copy of the list in Redis that an instance checks every token against. The copy is complete, so that no check asks Redis and
//! revocations stay in force while Redis is down (decision 0038).

mod command;
mod list;

pub(crate) use command::{Revoke, print_list};

use crate::settings::Settings;
use mcp_contracts::Claims;
use mcp_contracts::claims::MAX_TOKEN_LIFETIME_SECS;
use parking_lot::RwLock;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks at the list. A revocation is in force in every instance after this time.
pub(crate) const POLL: Duration = Duration::from_secs(1);

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Revocation {
    /// One token.
    Token { jti: String },
    /// Every token of an organisation whose `iat` is not later, in seconds since the epoch.
    Organisation { org_id: String, issued_until: u64 },
}

/// The revocations with their expiry, in seconds since the epoch. After it, every token that they refuse has expired by itself.
type Entries = HashMap<Revocation, u64>;

/// The revocations that are in force in this instance. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Revocations(Arc<RwLock<RevocationIndex>>);

/// A copy of the list, and the two indexes that a check uses.
#[derive(Default)]
struct RevocationIndex {
    /// The mark that the list had, if it has one. Every change of the list gives it a new one. `None`: the list must be read.
    mark: Option<Option<String>>,
    entries: Entries,
    tokens: HashSet<String>,
    /// The latest `issued_until` of each organisation.
    organisations: HashMap<String, u64>,
}

impl Revocations {
    /// Returns true if the token with these claims is revoked.
    pub(crate) fn include(&self, claims: &Claims) -> bool {
        let copied = self.0.read();
        copied.tokens.contains(&claims.jti)
            || copied.organisations.get(&claims.org_id).is_some_and(|until| claims.iat <= *until)
    }

    /// Reads the list if it has changed since the last time, or in any case if `anew`. Revocations that a Redis without its data has lost are
    /// written back.
    pub(crate) async fn refresh(
        &self,
        connection: &mut MultiplexedConnection,
        anew: bool,
        now: u64,
    ) -> RedisResult<()> {
        if anew {
            self.0.write().mark = None;
        }
        // The mark first: if the list changes in between, the next look finds a new mark and reads it again.
        let mut mark = list::mark(connection).await?;
        if self.0.read().mark.as_ref() == Some(&mark) {
            return Ok(());
        }
        let stored = list::read(connection, now).await?;
        let lost = self.0.write().merge(stored, now);
        let is_unmarked = mark.is_none() && !self.0.read().entries.is_empty();
        if !lost.is_empty() || is_unmarked {
            mark = Some(list::write(connection, &lost, now).await?);
        }
        self.0.write().mark = Some(mark);
        Ok(())
    }
}

impl RevocationIndex {
    /// Adds what is stored and returns what is missing there. An entry leaves only when it expires, because a Redis that lost its data must not
    /// lift a revocation.
    fn merge(&mut self, stored: Entries, now: u64) -> Entries {
        self.entries.retain(|_, expiry| *expiry > now);
        let is_stored = |entry: &Revocation| stored.contains_key(entry);
        let lost = self.entries.iter().filter(|(entry, _)| !is_stored(entry));
        let lost = lost.map(|(entry, expiry)| (entry.clone(), *expiry)).collect();
        self.entries.extend(stored);
        (self.tokens, self.organisations) = Default::default();
        for entry in self.entries.keys() {
            match entry {
                Revocation::Token { jti } => {
                    self.tokens.insert(jti.clone());
                }
                Revocation::Organisation { org_id, issued_until } => {
                    let until = self.organisations.entry(org_id.clone()).or_default();
                    *until = (*until).max(*issued_until);
                }
            }
        }
        lost
    }
}

/// Returns the longest time from `iat` to `exp` of a token that these settings accept, in seconds.
fn longest_lifetime(settings: &Settings) -> u64 {
    let of_provider = settings.provider.as_ref().map_or(0, |provider| provider.max_lifetime_secs());
    of_provider.max(MAX_TOKEN_LIFETIME_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::{Plan, Role};

    fn claims(org: &str, jti: &str, iat: u64) -> Claims {
        Claims {
            sub: "ann".into(),
            org_id: org.into(),
            workspace_slug: "default".into(),
            plan: Plan::Free,
            role: Role::default(),
            scopes: Vec::new(),
            exp: iat + 600,
            iat,
            jti: jti.into(),
            aud: "mcp".into(),
        }
    }

    fn token(jti: &str) -> Revocation {
        Revocation::Token { jti: jti.into() }
    }

    fn organisation(org: &str, issued_until: u64) -> Revocation {
        Revocation::Organisation { org_id: org.into(), issued_until }
    }

    #[test]
    fn a_revocation_applies_to_its_token_or_to_the_earlier_tokens_of_its_organisation() {
        let revocations = Revocations::default();
        assert!(!revocations.include(&claims("acme", "", 0)));
        let stored = [(token("a"), 900), (organisation("acme", 100), 900), (organisation("acme", 90), 900)];
        revocations.0.write().merge(stored.into(), 100);
        for (claims, revoked) in [
            (claims("zeta", "a", 500), true),
            (claims("zeta", "b", 50), false),
            (claims("zeta", "", 50), false),
            (claims("acme", "b", 99), true),
            (claims("acme", "b", 100), true),
            (claims("acme", "b", 101), false),
        ] {
            assert_eq!(revocations.include(&claims), revoked, "{claims:?}");
        }
    }

    #[test]
    fn revocations_that_redis_lost_stay_in_force_and_are_written_back() {
        let mut copied = RevocationIndex::default();
        assert_eq!(copied.merge([(token("a"), 200), (token("b"), 300)].into(), 100), Entries::new());
        assert_eq!(copied.merge([(token("b"), 300)].into(), 150), [(token("a"), 200)].into());
        assert!(copied.tokens.contains("a") && copied.tokens.contains("b"));
        assert_eq!(copied.merge(Entries::new(), 200), [(token("b"), 300)].into());
        assert!(!copied.tokens.contains("a"));
        assert_eq!(copied.merge(Entries::new(), 300), Entries::new());
        assert!(copied.tokens.is_empty() && copied.entries.is_empty());
    }
}
