//! The toxics: everything that the proxy can do to the traffic of an edge. Each kind is one file with its parameters and its hooks of
//! [`effect::Effect`]. The link decides when a hook is called, and for which operations.

mod abort;
mod bandwidth;
mod blackhole;
mod corrupt;
mod delay;
pub(crate) mod effect;
mod hang;
mod latency;
mod malform;
mod redis_error;
mod reset;
mod slice;
mod slow_close;
mod status;
mod truncate;

pub use malform::Shape;
pub use redis_error::RedisShape;

use effect::Effect;
use serde::{Deserialize, Serialize};

/// Generates the closed enum of all kinds from the list below, so that the list is the only place that names them.
macro_rules! kinds {
    ($($module:ident: $kind:ident,)+) => {
        $(pub use $module::$kind;)+

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum Toxic {
            $($kind($kind),)+
        }

        impl Toxic {
            /// Returns the name of the kind in experiments and reports.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $module::KIND.name,)+
                }
            }

            pub(crate) fn effect(&self) -> &dyn Effect {
                match self {
                    $(Self::$kind(toxic) => toxic,)+
                }
            }
        }

        /// Every kind, in the order of the documentation.
        pub const ALL: &[Kind] = &[
            $($module::KIND,)+
        ];
    };
}

kinds! {
    latency: Latency,
    bandwidth: Bandwidth,
    reset: Reset,
    hang: Hang,
    blackhole: Blackhole,
    slow_close: SlowClose,
    slice: Slice,
    truncate: Truncate,
    corrupt: Corrupt,
    abort: Abort,
    status: Status,
    delay: Delay,
    malform: Malform,
    redis_error: RedisError,
}

/// A kind of toxic, as the documentation lists it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Name in experiments and reports; a test compares it with the serialized name and the name of the file.
    pub name: &'static str,
    /// What the toxic does, in one line.
    pub about: &'static str,
    /// The toxic as written in an experiment file. The tests run every toxic with these values.
    pub example: &'static str,
}

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

/// The side of an exchange at which a toxic acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// When the request is complete at the proxy; the upstream has not received it.
    #[default]
    Request,
    /// When the reply begins; the upstream has done the work.
    Reply,
}

/// A protocol that the proxy can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// RESP, the protocol of Redis.
    Redis,
}

/// Durations in files: whole milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Toxic, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn toxics_are_parsed_from_files_and_unknown_keys_are_rejected() {
        assert_eq!(
            parse("kind = \"latency\"\ndelay_ms = 100\njitter_ms = 20").unwrap(),
            Toxic::Latency(Latency {
                delay: std::time::Duration::from_millis(100),
                jitter: std::time::Duration::from_millis(20)
            })
        );
        assert_eq!(parse("kind = \"hang\"").unwrap(), Toxic::Hang(Hang {}));
        assert!(parse("kind = \"latency\"\ndelay_ms = 100\njiter_ms = 20").is_err());
        assert!(parse("kind = \"reset\"\nx = 1").is_err());
        assert!(parse("kind = \"earthquake\"").is_err());
    }

    #[test]
    fn every_kind_has_the_name_of_its_file_and_a_valid_example() {
        #[derive(Deserialize)]
        struct Line {
            toxic: Toxic,
        }
        for kind in ALL {
            let Line { toxic } = toml::from_str(&format!("toxic = {}", kind.example)).expect(kind.name);
            assert_eq!((toxic.kind(), toxic.effect().problem()), (kind.name, None));
            let file = format!("{}/src/toxic/{}.rs", env!("CARGO_MANIFEST_DIR"), kind.name);
            assert!(std::path::Path::new(&file).is_file(), "{file}");
            let text = toml::to_string(&toxic).unwrap();
            assert!(text.contains(&format!("kind = \"{}\"", kind.name)), "{text}");
            assert_eq!(parse(&text).unwrap(), toxic);
        }
    }
}
