//! How a call to a peer can fail, and what each failure allows: whether the same call may be made again, where, and what it says about
//! the health of the instance.

use mcp_contracts::{ErrorCode, ToolError};
use std::time::Duration;

/// Why there is no reply that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// No connection; the peer never saw the call.
    #[error("no connection")]
    Refused,
    /// The connection ended before the reply did; the peer may have done its work.
    #[error("the connection ended before the reply did")]
    Cut,
    /// The attempt's deadline passed; the peer may have done its work, and what it says later is not heard.
    #[error("no reply within the deadline of an attempt")]
    Slow,
    /// The deadline of the whole workflow passed.
    #[error("the workflow's deadline passed")]
    Deadline,
    /// HTTP 503, or a tool that says so: the peer did not do its work.
    #[error("it is busy or stopping")]
    Busy {
        /// When to come again, if it said so.
        retry_after: Option<Duration>,
    },
    /// Any other HTTP status from 500.
    #[error("HTTP status {0}")]
    Status(u16),
    /// HTTP 429: the organisation has used up its quota at this peer.
    #[error("the quota is used up")]
    Quota {
        /// When it starts anew, if it said so.
        retry_after: Option<Duration>,
    },
    /// It speaks another revision of the protocol.
    #[error("it speaks another revision of the protocol")]
    Version,
    /// A reply, but not one to this call.
    #[error("malformed reply: {0}")]
    Malformed(&'static str),
    /// HTTP 401 or 403.
    #[error("HTTP status {0}: access refused")]
    Denied(u16),
    /// A JSON-RPC error: the call itself is wrong for this peer.
    #[error("JSON-RPC error {0}")]
    Rpc(i64),
    /// Every instance's circuit is open; nobody was asked.
    #[error("the circuit is open")]
    Open,
    /// The tool ran and refused.
    #[error(transparent)]
    Tool(ToolError),
}

/// What an attempt says about the health of its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Healthy,
    /// It does not, or not usably.
    Unhealthy,
    /// The attempt ended before anybody could tell.
    Unknown,
}

impl PeerError {
    /// The word in metrics and in the details of a step.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Cut => "cut",
            Self::Slow => "slow",
            Self::Deadline => "deadline",
            Self::Busy { .. } => "busy",
            Self::Status(_) => "status",
            Self::Quota { .. } => "quota_exceeded",
            Self::Version => "version",
            Self::Malformed(_) => "malformed",
            Self::Denied(_) => "denied",
            Self::Rpc(_) => "rpc",
            Self::Open => "circuit_open",
            Self::Tool(error) => error.code.name(),
        }
    }

    /// What it says about the instance.
    pub fn health(&self) -> Health {
        match self {
            Self::Refused
            | Self::Cut
            | Self::Slow
            | Self::Busy { .. }
            | Self::Status(_)
            | Self::Version
            | Self::Malformed(_) => Health::Unhealthy,
            Self::Deadline | Self::Open => Health::Unknown,
            Self::Quota { .. } | Self::Denied(_) | Self::Rpc(_) | Self::Tool(_) => Health::Healthy,
        }
    }

    /// True where the peer certainly did nothing, so that another instance can be asked at once, whatever the call is.
    pub fn is_unprocessed(&self) -> bool {
        matches!(self, Self::Refused | Self::Busy { .. })
    }

    /// True where a repeatable call may be made once more; a slow, foreign or confused instance is not asked again itself.
    pub fn may_retry(&self, same_instance: bool) -> bool {
        match self {
            Self::Refused | Self::Busy { .. } | Self::Cut | Self::Status(_) => true,
            Self::Slow | Self::Version | Self::Malformed(_) => !same_instance,
            Self::Deadline | Self::Quota { .. } | Self::Denied(_) | Self::Rpc(_) | Self::Open | Self::Tool(_) => false,
        }
    }

    /// How long the instance asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after } | Self::Quota { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// True where the same call can never succeed, however often it is made.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Tool(error) => !error.retryable && error.code != ErrorCode::Internal,
            Self::Denied(_) | Self::Rpc(_) => true,
            _ => false,
        }
    }
}
