//! Everything that can be done to an edge: a closed list, one file for each kind. A toxic is data and pure functions; when it acts, and on
//! what, is the link's business.

mod abort;
mod bandwidth;
mod blackhole;
mod corrupt;
mod delay;
mod hang;
mod latency;
mod malform;
mod redis_error;
mod reset;
mod slice;
mod slow_close;
mod status;
mod truncate;

pub use abort::Abort;
pub use bandwidth::Bandwidth;
pub use blackhole::Blackhole;
pub use corrupt::Corrupt;
pub use delay::Delay;
pub use hang::Hang;
pub use latency::Latency;
pub use malform::{Malform, Shape};
pub use redis_error::{RedisError, RedisShape};
pub use reset::Reset;
pub use slice::Slice;
pub use slow_close::SlowClose;
pub use status::Status;
pub use truncate::Truncate;

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a connection ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// In order: FIN.
    Close,
    /// At once: RST.
    #[default]
    Reset,
}

/// Where in an exchange something happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// When the request is complete at the proxy; the upstream has not seen it.
    #[default]
    Request,
    /// When the reply begins; the upstream has done what was asked.
    Reply,
}

/// What is spoken on an edge, as far as it can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// RESP, the protocol of Redis.
    Redis,
}

/// What is done to an edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Toxic {
    /// Bytes arrive later.
    Latency(Latency),
    /// Bytes arrive at a limited rate.
    Bandwidth(Bandwidth),
    /// Connections are reset.
    Reset(Reset),
    /// Bytes wait until the toxic is removed.
    Hang(Hang),
    /// Bytes vanish.
    Blackhole(Blackhole),
    /// The end of a connection is passed on late.
    SlowClose(SlowClose),
    /// Bytes arrive in small pieces.
    Slice(Slice),
    /// The connection ends after so many bytes.
    Truncate(Truncate),
    /// Some bytes arrive changed.
    Corrupt(Corrupt),
    /// HTTP: the connection ends in place of, or inside, a reply.
    Abort(Abort),
    /// HTTP: the proxy answers in place of the upstream.
    Status(Status),
    /// HTTP: a request or its reply is passed on later.
    Delay(Delay),
    /// HTTP: the reply is not what it should be.
    Malform(Malform),
    /// Redis: the proxy answers in place of the upstream, with an error or worse.
    RedisError(RedisError),
}

impl Toxic {
    /// The name of the kind in files and reports.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Bandwidth(_) => "bandwidth",
            Self::Reset(_) => "reset",
            Self::Hang(_) => "hang",
            Self::Blackhole(_) => "blackhole",
            Self::SlowClose(_) => "slow_close",
            Self::Slice(_) => "slice",
            Self::Truncate(_) => "truncate",
            Self::Corrupt(_) => "corrupt",
            Self::Abort(_) => "abort",
            Self::Status(_) => "status",
            Self::Delay(_) => "delay",
            Self::Malform(_) => "malform",
            Self::RedisError(_) => "redis_error",
        }
    }

    /// What it needs to be spoken, and then it acts on whole requests only; `None`: it acts on any bytes.
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Abort(_) | Self::Status(_) | Self::Delay(_) | Self::Malform(_) => Some(Protocol::Http),
            Self::RedisError(_) => Some(Protocol::Redis),
            Self::Latency(_)
            | Self::Bandwidth(_)
            | Self::Reset(_)
            | Self::Hang(_)
            | Self::Blackhole(_)
            | Self::SlowClose(_)
            | Self::Slice(_)
            | Self::Truncate(_)
            | Self::Corrupt(_) => None,
        }
    }

    /// Tells whether it needs to follow HTTP.
    pub const fn is_http(&self) -> bool {
        matches!(self.protocol(), Some(Protocol::Http))
    }

    /// How much later than it came something goes on; several of them add up. What goes to the upstream belongs to a request.
    pub(crate) fn late(&self, moment: Moment, random: u64) -> Duration {
        match self {
            Self::Latency(latency) => latency.delay(random),
            Self::Delay(delay) if delay.moment == moment => delay.delay,
            Self::Delay(_)
            | Self::Bandwidth(_)
            | Self::Reset(_)
            | Self::Hang(_)
            | Self::Blackhole(_)
            | Self::SlowClose(_)
            | Self::Slice(_)
            | Self::Truncate(_)
            | Self::Corrupt(_)
            | Self::Abort(_)
            | Self::Status(_)
            | Self::Malform(_)
            | Self::RedisError(_) => Duration::ZERO,
        }
    }

    /// Says what is wrong with the values, if anything.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Bandwidth(bandwidth) => bandwidth.problem(),
            Self::Slice(slice) => slice.problem(),
            Self::Corrupt(corrupt) => corrupt.problem(),
            Self::Status(status) => status.problem(),
            Self::RedisError(error) => error.problem(),
            Self::Latency(_)
            | Self::Reset(_)
            | Self::Hang(_)
            | Self::Blackhole(_)
            | Self::SlowClose(_)
            | Self::Truncate(_)
            | Self::Abort(_)
            | Self::Delay(_)
            | Self::Malform(_) => None,
        }
    }
}

/// Durations in files: whole milliseconds.
pub(crate) mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toxics_are_read_from_files_and_unknown_keys_are_refused() {
        let read = |text: &str| toml::from_str::<Toxic>(text);
        assert_eq!(
            read("kind = \"latency\"\ndelay_ms = 100\njitter_ms = 20").unwrap(),
            Toxic::Latency(Latency {
                delay: std::time::Duration::from_millis(100),
                jitter: std::time::Duration::from_millis(20)
            })
        );
        assert_eq!(read("kind = \"hang\"").unwrap(), Toxic::Hang(Hang {}));
        assert!(read("kind = \"latency\"\ndelay_ms = 100\njiter_ms = 20").is_err());
        assert!(read("kind = \"reset\"\nx = 1").is_err());
        assert!(read("kind = \"earthquake\"").is_err());
    }

    #[test]
    fn a_kind_is_called_the_same_in_files_and_in_reports() {
        let toxics = [
            Toxic::Hang(Hang {}),
            Toxic::SlowClose(SlowClose { delay: std::time::Duration::from_secs(1) }),
            Toxic::Malform(Malform { shape: Shape::Empty }),
            Toxic::RedisError(RedisError::new("LOADING wait")),
        ];
        for toxic in toxics {
            let text = toml::to_string(&toxic).unwrap();
            assert!(text.contains(&format!("kind = \"{}\"", toxic.kind())), "{text}");
            assert_eq!(toml::from_str::<Toxic>(&text).unwrap(), toxic);
        }
    }
}
