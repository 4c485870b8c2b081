//! Reads the claims of a token whose signature was checked: everything that RFC 7519 allows, for the shared secret and for an identity provider.

use super::Refusal;
use mcp_contracts::claims::{AUDIENCE, DEFAULT_WORKSPACE, MAX_TOKEN_LIFETIME_SECS};
use mcp_contracts::{Claims, Plan, Role, Scope};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Tolerance for an issuer whose clock is ahead, in seconds. RFC 7519 (sections 4.1.4 and 4.1.5) allows a few minutes.
// Not for `exp`: a token ends when it says, at the latest.
pub(crate) const MAX_CLOCK_SKEW_SECS: u64 = 60;
/// Longest organisation, user or workspace name, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// Largest time that a number with a fraction holds exactly, far in the future.
const MAX_SECONDS: f64 = 9_007_199_254_740_991.0;

/// The claims as they were sent.
pub(crate) struct RawClaims(Map<String, Value>);

/// What an issuer's tokens must have, and the names of their claims.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) issuer: Option<String>,
    pub(crate) audience: String,
    pub(crate) max_lifetime_secs: u64,
    pub(crate) names: ClaimNames,
}

/// Names of claims. A name with dots is also a path, such as `realm_access.roles`.
#[derive(Debug, Clone)]
pub(crate) struct ClaimNames {
    pub(crate) organisation: String,
    pub(crate) workspace: String,
    pub(crate) user: String,
    pub(crate) scopes: String,
    pub(crate) plan: String,
}

impl Expected {
    /// Returns what is expected of tokens that the shared secret signs.
    pub(crate) fn of_shared_secret() -> Self {
        let names = ClaimNames {
            organisation: "orgId".to_owned(),
            workspace: "workspaceSlug".to_owned(),
            user: "sub".to_owned(),
            scopes: "scopes".to_owned(),
            plan: "plan".to_owned(),
        };
        Self { issuer: None, audience: AUDIENCE.to_owned(), max_lifetime_secs: MAX_TOKEN_LIFETIME_SECS, names }
    }
}

impl<'de> Deserialize<'de> for RawClaims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;

        impl<'de> Visitor<'de> for Unique {
            type Value = Map<String, Value>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without repeated claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = entries.next_entry::<String, Value>()? {
                    // Two readers could take different ones (RFC 7519, section 4).
                    if claims.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a claim is repeated"));
                    }
                }
                Ok(claims)
            }
        }

        deserializer.deserialize_map(Unique).map(Self)
    }
}

impl RawClaims {
    /// Checks the claims and returns them by the names of the contract.
    pub(crate) fn read(&self, expected: &Expected, now: u64) -> Result<Claims, Refusal> {
        let (iat, exp) = self.check_times(expected, now)?;
        if let Some(issuer) = &expected.issuer
            && self.0.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(Refusal("issuer"));
        }
        self.check_audience(&expected.audience)?;
        // Our own issuers send texts only.
        let (names, of_provider) = (&expected.names, expected.issuer.is_some());
        let plan = self.optional_text(&names.plan)?.map(|name| Plan::ALL.into_iter().find(|plan| plan.name() == name));
        Ok(Claims {
            sub: self.name(&names.user, false)?,
            org_id: self.name(&names.organisation, of_provider)?,
            workspace_slug: match self.find(&names.workspace) {
                None | Some(Value::Null) => DEFAULT_WORKSPACE.to_owned(),
                Some(_) => self.name(&names.workspace, of_provider)?,
            },
            plan: plan.map_or(Ok(Plan::default()), |plan| plan.ok_or(Refusal("plan")))?,
            role: self.optional_text("role").ok().flatten().map_or_else(Role::default, |role| Role(role.to_owned())),
            scopes: self.scopes(&names.scopes)?,
            exp,
            iat,
            jti: self.optional_text("jti")?.unwrap_or_default().to_owned(),
            aud: AUDIENCE.to_owned(),
        })
    }

    fn check_times(&self, expected: &Expected, now: u64) -> Result<(u64, u64), Refusal> {
        let exp = self.seconds("exp")?.ok_or(Refusal("claim_missing"))?;
        let iat = self.seconds("iat")?.ok_or(Refusal("claim_missing"))?;
        if exp <= now {
            return Err(Refusal("expired"));
        }
        if iat > now + MAX_CLOCK_SKEW_SECS {
            return Err(Refusal("issued_in_future"));
        }
        if self.seconds("nbf")?.is_some_and(|begin| begin > now + MAX_CLOCK_SKEW_SECS) {
            return Err(Refusal("not_yet_valid"));
        }
        if exp <= iat || exp - iat > expected.max_lifetime_secs {
            return Err(Refusal("lifetime"));
        }
        Ok((iat, exp))
    }

    /// Reads a `NumericDate`, which may have a fraction (RFC 7519, section 2). The fraction is dropped, so that no token lives longer.
    fn seconds(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
                (Some(seconds), _) => Ok(Some(seconds)),
                (None, Some(seconds)) if (0.0..=MAX_SECONDS).contains(&seconds) => Ok(Some(seconds as u64)),
                (None, _) => Err(Refusal("malformed")),
            },
            Some(_) => Err(Refusal("malformed")),
        }
    }

    /// Checks `aud`: a text, or a list that has the audience among others (RFC 7519, section 4.1.3).
    fn check_audience(&self, expected: &str) -> Result<(), Refusal> {
        let accepted = match self.0.get("aud").ok_or(Refusal("claim_missing"))? {
            Value::String(audience) => audience == expected,
            Value::Array(audiences) => audiences.iter().any(|audience| audience == expected),
            _ => false,
        };
        if accepted { Ok(()) } else { Err(Refusal("audience")) }
    }

    /// Returns the claim of this name, else the one at this path.
    fn find(&self, name: &str) -> Option<&Value> {
        // First as it is, because a name may be a URL.
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let mut parts = name.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    fn optional_text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.find(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal("malformed")),
        }
    }

    /// Reads a name. Names become tags, parts of Redis keys and fields of the log. `grouped`: a list or an object with one entry is a name, too.
    fn name(&self, name: &str, grouped: bool) -> Result<String, Refusal> {
        let text = match self.find(name).ok_or(Refusal("claim_missing"))? {
            Value::String(text) => text.as_str(),
            // Keycloak sends the organisations of a user as a list, or as an object by name. With several, the token does not say which one is meant.
            Value::Array(items) if grouped && items.len() == 1 => items[0].as_str().ok_or(Refusal("malformed"))?,
            Value::Object(items) if grouped && items.len() == 1 => {
                items.keys().next().map(String::as_str).unwrap_or_default()
            }
            Value::Array(_) | Value::Object(_) if grouped => return Err(Refusal("ambiguous")),
            _ => return Err(Refusal("malformed")),
        };
        let usable = !text.is_empty()
            && text.len() <= MAX_NAME_BYTES
            && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        if usable { Ok(text.to_owned()) } else { Err(Refusal("name")) }
    }

    /// Reads scopes: a list, or a text with spaces between them (RFC 8693, section 4.2). Unknown ones are ignored.
    fn scopes(&self, name: &str) -> Result<Vec<Scope>, Refusal> {
        let scope = |text: &str| Scope::deserialize(Value::from(text)).unwrap_or(Scope::Unknown);
        match self.find(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text.split_ascii_whitespace().map(scope).collect()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(scope).ok_or(Refusal("malformed"))).collect()
            }
            Some(_) => Err(Refusal("malformed")),
        }
    }
}
