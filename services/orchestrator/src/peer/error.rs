//! The errors of a call to a peer. Each one decides if the call may be retried and if its instance counts as healthy.

use mcp_contracts::{ErrorCode, ToolError, rpc};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// No connection: the peer never received the call.
    #[error("no connection")]
    Refused,
    /// The connection closed before the reply was complete: the peer may have done its work.
    #[error("the connection closed before the reply was complete")]
    Cut,
    /// The attempt timed out: the peer may have done its work.
    #[error("no reply within the timeout of an attempt")]
    Slow,
    #[error("the workflow's deadline passed")]
    Deadline,
    /// HTTP 503, or a tool error `draining` or `overloaded`: the peer did not start its work.
    #[error("the peer is overloaded or stopping")]
    Busy { retry_after: Option<Duration> },
    /// Any other HTTP status of 500 and above.
    #[error("HTTP status {0}")]
    Status(u16),
    /// HTTP 429 `overloaded`: the organisation has too many calls at once at this instance, which did not start its work.
    #[error("the organisation has too many calls at once at the peer")]
    AtCapacity { retry_after: Option<Duration> },
    /// Any other HTTP 429: the organisation has used up its quota at the peer.
    #[error("the quota is used up")]
    Quota { retry_after: Option<Duration> },
    /// The peer speaks another revision of MCP.
    #[error("the peer speaks another revision of the protocol")]
    Version,
    #[error("malformed reply: {0}")]
    Malformed(&'static str),
    #[error("HTTP status {0}: access refused")]
    Denied(u16),
    /// The peer refuses the call itself.
    #[error("JSON-RPC error {0}")]
    Rpc(i64),
    /// The circuits of all instances are open; no call was made.
    #[error("the circuit breaker is open")]
    Open,
    /// The tool ran and returned an error.
    #[error(transparent)]
    Tool(ToolError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Healthy,
    /// The attempt failed, perhaps because of what its caller sent.
    Unhealthy,
    /// No connection: whatever a caller sends, it is not the cause.
    Down,
    /// The attempt ended too early to tell.
    Unknown,
}

impl PeerError {
    /// Returns the name in metrics and in the details of a step.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Cut => "cut",
            Self::Slow => "slow",
            Self::Deadline => "deadline",
            Self::Busy { .. } => "busy",
            Self::Status(_) => "status",
            Self::AtCapacity { .. } => "at_capacity",
            Self::Quota { .. } => "quota_exceeded",
            Self::Version => "version",
            Self::Malformed(_) => "malformed",
            Self::Denied(_) => "denied",
            Self::Rpc(_) => "rpc",
            Self::Open => "circuit_open",
            Self::Tool(error) => error.code.name(),
        }
    }

    pub fn health(&self) -> Health {
        match self {
            Self::Refused => Health::Down,
            Self::Cut | Self::Slow | Self::Busy { .. } | Self::Status(_) | Self::Version | Self::Malformed(_) => {
                Health::Unhealthy
            }
            Self::Deadline | Self::Open => Health::Unknown,
            // The instance has answered: the caller, its quota or its request is the cause.
            Self::AtCapacity { .. } | Self::Quota { .. } | Self::Denied(_) | Self::Rpc(_) | Self::Tool(_) => {
                Health::Healthy
            }
        }
    }

    /// Returns true if the peer did not start the work, so that any call may go to another instance.
    pub fn is_unprocessed(&self) -> bool {
        matches!(self, Self::Refused | Self::Busy { .. } | Self::AtCapacity { .. })
    }

    /// Returns true if a repeatable call may be retried. An instance that timed out, speaks another revision or
    /// sent a malformed reply is not called again.
    pub fn may_retry(&self, same_instance: bool) -> bool {
        match self {
            Self::Refused | Self::Busy { .. } | Self::AtCapacity { .. } | Self::Cut | Self::Status(_) => true,
            Self::Slow | Self::Version | Self::Malformed(_) => !same_instance,
            Self::Deadline | Self::Quota { .. } | Self::Denied(_) | Self::Rpc(_) | Self::Open | Self::Tool(_) => false,
        }
    }

    /// Returns the pause that the peer requested.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after } | Self::AtCapacity { retry_after } | Self::Quota { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// Returns true if the same call can never succeed.
    pub fn is_permanent(&self) -> bool {
        match self {
            // After an internal error the same call may succeed, for example after a restart of the peer.
            Self::Tool(error) => !error.retryable && error.code != ErrorCode::Internal,
            // `Denied` is not permanent: the peer does not accept the orchestrator's token, which an operator has to fix.
            Self::Rpc(code) => *code != rpc::INTERNAL_ERROR,
            _ => false,
        }
    }
}
