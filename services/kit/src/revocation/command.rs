//! The commands `revoke` and `revocations`, which every service has. They change and print the list in Redis; running instances read it.

use super::list::{self, MAX_ENTRIES};
use super::{Entries, POLL, Revocation, longest_lifetime};
use crate::auth::{MAX_CLOCK_SKEW_SECS, now_secs};
use crate::settings::Settings;
use clap::Args;
use jiff::Timestamp;
use mcp_contracts::env;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use std::io::Write;
use std::time::Duration;

/// Deadline of a command, for each server that it may have to contact.
const DEADLINE: Duration = Duration::from_secs(5);
/// Longest id of a token, in bytes. With `MAX_ENTRIES` it limits the list to 5 MiB.
const MAX_JTI_BYTES: usize = 512;

/// Which tokens are revoked.
#[derive(Debug, Clone, Args)]
pub(crate) struct Revoke {
    /// The id of one token, its claim `jti`.
    #[arg(long, value_name = "JTI", required_unless_present = "organisation", conflicts_with = "organisation")]
    token: Option<String>,
    /// Every token of this organisation that was issued until now.
    #[arg(long)]
    organisation: Option<String>,
    /// Revoke only tokens of the organisation that were issued until this time, such as `2026-11-30T08:00:00Z`.
    #[arg(long, value_name = "TIME", requires = "organisation", conflicts_with = "token")]
    issued_until: Option<Timestamp>,
}

impl Revoke {
    /// Adds the revocation to the list.
    pub(crate) fn run(self, settings: &Settings) -> Result<(), String> {
        let now = now_secs();
        let (revocation, expiry) = self.resolve(longest_lifetime(settings), now)?;
        let line = line(&revocation, expiry);
        on_list(settings, async |connection| {
            let mut entries = list::read(connection, now).await?;
            let is_full = entries.len() as u64 >= MAX_ENTRIES && !entries.contains_key(&revocation);
            if !is_full {
                entries = Entries::from([(revocation, expiry)]);
                list::write(connection, &entries, now).await?;
            }
            Ok(is_full)
        })
        .and_then(|is_full| {
            if is_full {
                return Err(format!(
                    "the list of revocations is full: it has the maximum of {MAX_ENTRIES} entries\n\
                     hint: revoke the whole organisation, or rotate the key"
                ));
            }
            print(&format!("{line}\nrunning instances refuse these tokens within {} s\n", 2 * POLL.as_secs()))
        })
    }

    /// Returns the entry, and the time at which the last of its tokens has expired.
    fn resolve(self, lifetime: u64, now: u64) -> Result<(Revocation, u64), String> {
        // An issuer's clock may be ahead by this.
        let latest = now + MAX_CLOCK_SKEW_SECS;
        let usable = |text: &str, what: &str| {
            let fits = !text.is_empty() && text.len() <= MAX_JTI_BYTES;
            if fits { Ok(text.to_owned()) } else { Err(format!("{what} must have 1 to {MAX_JTI_BYTES} bytes")) }
        };
        if let Some(organisation) = &self.organisation {
            let until = self.issued_until.map_or(now, |time| u64::try_from(time.as_second()).unwrap_or(0));
            if until > latest {
                return Err(
                    "`--issued-until` is more than a minute in the future, and tokens that do not exist yet cannot be revoked".to_owned()
                );
            }
            if until + lifetime <= now {
                return Err(format!(
                    "every token that was issued until then has expired: none lives longer than {lifetime} s"
                ));
            }
            let org_id = usable(organisation, "the name of an organisation")?;
            return Ok((Revocation::Organisation { org_id, issued_until: until }, until + lifetime));
        }
        let jti = usable(self.token.as_deref().unwrap_or_default(), "the id of a token")?;
        Ok((Revocation::Token { jti }, latest + lifetime))
    }
}

/// Prints the revocations that are in force, in order of their end.
pub(crate) fn print_list(settings: &Settings) -> Result<(), String> {
    let now = now_secs();
    let entries = on_list(settings, async |connection| list::read(connection, now).await)?;
    let mut entries: Vec<(u64, String)> =
        entries.into_iter().map(|(entry, expiry)| (expiry, line(&entry, expiry))).collect();
    entries.sort_unstable();
    let lines: String = entries.iter().map(|(_, line)| format!("{line}\n")).collect();
    print(if lines.is_empty() { "no token is revoked\n" } else { &lines })
}

fn line(revocation: &Revocation, expiry: u64) -> String {
    let ends = moment(expiry);
    match revocation {
        Revocation::Token { jti } => format!("token `{jti}`: revoked until {ends}"),
        Revocation::Organisation { org_id, issued_until } => {
            let issued = moment(*issued_until);
            format!("organisation `{org_id}`: tokens issued until {issued} are revoked until {ends}")
        }
    }
}

fn moment(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{seconds} s"), |time| time.to_string())
}

fn print(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("cannot write the output: {error}"))
}

/// Runs `action` on a connection to the Redis of these settings.
fn on_list<T>(
    settings: &Settings,
    action: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
) -> Result<T, String> {
    let Some(target) = &settings.redis else {
        return Err(format!(
            "`{}` is not set, and revocations are stored in Redis\nhint: run this with the environment of a service",
            env::REDIS_URL
        ));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    let work = async {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(DEADLINE)).set_response_timeout(None);
        action(&mut target.connect(&config).await?).await
    };
    match runtime.block_on(async { tokio::time::timeout(DEADLINE * target.places(), work).await }) {
        Ok(done) => done.map_err(|error| format!("the list of revocations in Redis cannot be used: {error}")),
        Err(_) => Err("Redis does not answer; it is unknown if a revocation was stored\nhint: try again".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn organisation(issued_until: Option<u64>) -> Revoke {
        let issued_until = issued_until.map(|seconds| Timestamp::from_second(seconds as i64).unwrap());
        Revoke { token: None, organisation: Some("acme".to_owned()), issued_until }
    }

    #[test]
    fn a_revocation_ends_when_the_last_of_its_tokens_has_expired() {
        let token = Revoke { token: Some("a".to_owned()), organisation: None, issued_until: None };
        assert_eq!(token.resolve(3_600, NOW).unwrap().1, NOW + 3_660);
        assert_eq!(organisation(None).resolve(3_600, NOW).unwrap().1, NOW + 3_600);
        assert_eq!(organisation(Some(NOW - 600)).resolve(86_400, NOW).unwrap().1, NOW + 85_800);
        assert!(organisation(Some(NOW + 60)).resolve(3_600, NOW).is_ok());
    }

    #[test]
    fn what_would_revoke_nothing_is_refused_with_the_reason() {
        let future = organisation(Some(NOW + 61)).resolve(3_600, NOW).unwrap_err();
        assert!(future.contains("in the future"), "{future}");
        let past = organisation(Some(NOW - 3_600)).resolve(3_600, NOW).unwrap_err();
        assert!(past.contains("has expired"), "{past}");
        for text in [String::new(), "x".repeat(MAX_JTI_BYTES + 1)] {
            let token = Revoke { token: Some(text), organisation: None, issued_until: None };
            assert!(token.resolve(3_600, NOW).unwrap_err().contains("1 to 512 bytes"));
        }
    }
}
