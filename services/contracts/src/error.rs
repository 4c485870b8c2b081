//! Stable error codes of tool results. A code never changes its meaning; its page is `docs/errors/<code>.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong with a tool call, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// An argument is missing, malformed or out of range.
    InvalidArgument,
    /// Nothing with that id is visible to the caller.
    NotFound,
    /// The same idempotency key came with another request.
    IdempotencyConflict,
    /// A tag of the caller begins with a reserved prefix.
    ReservedTag,
    /// The content, the tags or the metadata are larger than allowed.
    TooLarge,
    /// A page cursor is not one of ours, or belongs to another query.
    BadCursor,
    /// A confirmation token is missing, forged, expired or for another selection.
    ConfirmationRequired,
    /// The memory was changed by somebody else since it was read.
    VersionConflict,
    /// No verdict of the guardrails came with the call; nothing was injected.
    VerdictRequired,
    /// The verdict is forged, expired, or for another organisation, execution or request; nothing was injected.
    VerdictInvalid,
    /// The verdict was for one use and was used before; nothing was injected.
    VerdictUsed,
    /// The token lacks a scope.
    InsufficientScope,
    /// The plan does not include this.
    PlanRequired,
    /// The quota of the organisation is used up.
    QuotaExceeded,
    /// Something this service needs does not answer.
    DependencyUnavailable,
    /// The store cannot take writes because its disk is full.
    StorageFull,
    /// The call did not finish within its deadline.
    DeadlineExceeded,
    /// The service is finishing its work before it stops.
    Draining,
    /// Too many calls are running; try again.
    Overloaded,
    /// Our own bug; the log has the details under the execution id.
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 20] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::IdempotencyConflict,
        Self::ReservedTag,
        Self::TooLarge,
        Self::BadCursor,
        Self::ConfirmationRequired,
        Self::VersionConflict,
        Self::VerdictRequired,
        Self::VerdictInvalid,
        Self::VerdictUsed,
        Self::InsufficientScope,
        Self::PlanRequired,
        Self::QuotaExceeded,
        Self::DependencyUnavailable,
        Self::StorageFull,
        Self::DeadlineExceeded,
        Self::Draining,
        Self::Overloaded,
        Self::Internal,
    ];

    /// The code as it stands in replies, metrics and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::ReservedTag => "reserved_tag",
            Self::TooLarge => "too_large",
            Self::BadCursor => "bad_cursor",
            Self::ConfirmationRequired => "confirmation_required",
            Self::VersionConflict => "version_conflict",
            Self::VerdictRequired => "verdict_required",
            Self::VerdictInvalid => "verdict_invalid",
            Self::VerdictUsed => "verdict_used",
            Self::InsufficientScope => "insufficient_scope",
            Self::PlanRequired => "plan_required",
            Self::QuotaExceeded => "quota_exceeded",
            Self::DependencyUnavailable => "dependency_unavailable",
            Self::StorageFull => "storage_full",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Draining => "draining",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// Tells whether the same call may succeed later without being changed.
    pub const fn retryable(self) -> bool {
        match self {
            Self::QuotaExceeded
            | Self::DependencyUnavailable
            | Self::StorageFull
            | Self::DeadlineExceeded
            | Self::Draining
            | Self::Overloaded => true,
            Self::InvalidArgument
            | Self::NotFound
            | Self::IdempotencyConflict
            | Self::ReservedTag
            | Self::TooLarge
            | Self::BadCursor
            | Self::ConfirmationRequired
            | Self::VersionConflict
            | Self::VerdictRequired
            | Self::VerdictInvalid
            | Self::VerdictUsed
            | Self::InsufficientScope
            | Self::PlanRequired
            | Self::Internal => false,
        }
    }
}

/// What a tool result with `isError: true` says, as JSON in its text block. It is not structured content, which clients hold to the
/// output schema of the tool even where it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolError {
    /// The stable code.
    pub code: ErrorCode,
    /// What was attempted, on what, and why it failed; never a secret, never another tenant's data.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// What the caller can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How long to wait before a retry, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ToolError {
    /// Builds an error whose `retryable` follows from its code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: code.retryable(), hint: None, retry_after_ms: None }
    }

    /// Adds what the caller can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for ToolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for ToolError {}
