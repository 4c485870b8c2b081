//! Tokens for calls on behalf of a user (decision 0010), cached for a short time because signing one for each call would cost more than some
//! calls do.

use mcp_contracts::{Claims, Plan, Scope, ToolError};
use mcp_kit::{Delegate, Settings};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIFETIME: Duration = Duration::from_secs(60);
/// A token is reused for half of its lifetime, so that it stays valid for the other half while a call uses it.
const REUSED_FOR: Duration = Duration::from_secs(30);
/// Maximum number of cached tokens.
const MAX_KEPT: usize = 4_096;

// Everything that the token contains, so that a change of a user's plan or role takes effect with the next call.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    org: String,
    workspace: String,
    user: String,
    role: String,
    plan: Plan,
    scopes: &'static [Scope],
}

pub struct Tokens {
    delegate: Delegate,
    kept: Mutex<HashMap<Key, (Instant, Arc<str>)>>,
}

impl Tokens {
    pub fn new(settings: &Settings) -> Self {
        Self { delegate: Delegate::new(settings), kept: Mutex::default() }
    }

    /// Returns the `Authorization` header for a call with exactly these scopes.
    pub fn bearer(&self, claims: &Claims, scopes: &'static [Scope], now: Instant) -> Result<Arc<str>, ToolError> {
        let key = Key {
            org: claims.org_id.clone(),
            workspace: claims.workspace_slug.clone(),
            user: claims.sub.clone(),
            role: claims.role.0.clone(),
            plan: claims.plan,
            scopes,
        };
        let fresh = |made: &Instant| now.saturating_duration_since(*made) < REUSED_FOR;
        if let Some((_, token)) = self.kept.lock().get(&key).filter(|(made, _)| fresh(made)) {
            return Ok(Arc::clone(token));
        }
        // Signed without the lock. If two calls do so at once, the later token is kept, and both are valid.
        let token: Arc<str> = format!("Bearer {}", self.delegate.mint(claims, scopes, LIFETIME)?).into();
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (made, _)| fresh(made));
            if kept.len() >= MAX_KEPT {
                // Every cached token is still fresh. Each costs one signature to make again.
                kept.clear();
            }
        }
        kept.insert(key, (now, Arc::clone(&token)));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_contracts::{Role, Service};
    use std::collections::BTreeMap;

    #[test]
    fn a_token_is_used_again_by_the_same_person_for_the_same_scopes_for_a_while() {
        let tokens = Tokens::new(&Settings::from_values(Service::Orchestrator, &BTreeMap::new()).unwrap());
        let ann = Claims {
            sub: "ann".into(),
            org_id: "acme".into(),
            workspace_slug: "default".into(),
            plan: Plan::Pro,
            role: Role::default(),
            scopes: vec![Scope::AgentsRun],
            exp: 0,
            iat: 0,
            jti: String::new(),
            aud: "mcp".into(),
        };
        let now = Instant::now();
        let read = tokens.bearer(&ann, &[Scope::MemoryRead], now).unwrap();
        assert_eq!(tokens.bearer(&ann, &[Scope::MemoryRead], now).unwrap(), read);
        assert_ne!(tokens.bearer(&ann, &[Scope::MemoryWrite], now).unwrap(), read);
        let others = [
            Claims { sub: "bob".into(), ..ann.clone() },
            Claims { org_id: "zeta".into(), ..ann.clone() },
            Claims { workspace_slug: "lab".into(), ..ann.clone() },
            Claims { plan: Plan::Team, ..ann.clone() },
        ];
        for other in others {
            assert_ne!(tokens.bearer(&other, &[Scope::MemoryRead], now).unwrap(), read);
        }
        assert_ne!(tokens.bearer(&ann, &[Scope::MemoryRead], now + REUSED_FOR).unwrap(), read);
    }
}
