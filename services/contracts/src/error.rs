//! Stable error codes of tool results. A code never changes its meaning; its page is `docs/errors/<code>.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a tool call failed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// An argument is missing, malformed or out of range.
    InvalidArgument,
    /// No item with this id is visible to the caller.
    NotFound,
    /// The idempotency key was used with another request.
    IdempotencyConflict,
    /// A tag in the request has a reserved prefix.
    ReservedTag,
    /// A value in the request is larger than allowed.
    TooLarge,
    /// The page cursor was not issued by this service, or belongs to another query.
    BadCursor,
    /// The confirmation token is missing, forged, expired or for another selection.
    ConfirmationRequired,
    /// The memory has changed since it was read.
    VersionConflict,
    /// The organisation has another memory with an id that an import with `keepIds` would use.
    IdConflict,
    /// The call has no verdict of the guardrails; nothing was injected.
    VerdictRequired,
    /// The verdict is forged, expired, or for another organisation, execution or request; nothing was injected.
    VerdictInvalid,
    /// The verdict can be used once and was used before; nothing was injected.
    VerdictUsed,
    /// The token lacks a scope.
    InsufficientScope,
    /// The plan of the organisation does not include this.
    PlanRequired,
    /// The quota of the organisation is used up.
    QuotaExceeded,
    /// The organisation stores as much as its plan allows.
    StorageQuotaExceeded,
    /// A dependency of the service does not answer.
    DependencyUnavailable,
    /// The disk of the store is full, so it accepts no writes.
    StorageFull,
    /// The call did not finish within its deadline.
    DeadlineExceeded,
    /// The service is stopping and accepts no new calls.
    Draining,
    /// Too many calls are running.
    Overloaded,
    /// A bug of the service; the log has the details under the execution id.
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 22] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::IdempotencyConflict,
        Self::ReservedTag,
        Self::TooLarge,
        Self::BadCursor,
        Self::ConfirmationRequired,
        Self::VersionConflict,
        Self::IdConflict,
        Self::VerdictRequired,
        Self::VerdictInvalid,
        Self::VerdictUsed,
        Self::InsufficientScope,
        Self::PlanRequired,
        Self::QuotaExceeded,
        Self::StorageQuotaExceeded,
        Self::DependencyUnavailable,
        Self::StorageFull,
        Self::DeadlineExceeded,
        Self::Draining,
        Self::Overloaded,
        Self::Internal,
    ];

    /// The name in replies, metrics and file names.
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
            Self::IdConflict => "id_conflict",
            Self::VerdictRequired => "verdict_required",
            Self::VerdictInvalid => "verdict_invalid",
            Self::VerdictUsed => "verdict_used",
            Self::InsufficientScope => "insufficient_scope",
            Self::PlanRequired => "plan_required",
            Self::QuotaExceeded => "quota_exceeded",
            Self::StorageQuotaExceeded => "storage_quota_exceeded",
            Self::DependencyUnavailable => "dependency_unavailable",
            Self::StorageFull => "storage_full",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Draining => "draining",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// Returns true if the cause is the service or what it depends on, and not the request, its caller or the quota.
    pub const fn is_fault(self) -> bool {
        match self {
            Self::DependencyUnavailable
            | Self::StorageFull
            | Self::DeadlineExceeded
            | Self::Draining
            | Self::Overloaded
            | Self::Internal => true,
            Self::InvalidArgument
            | Self::NotFound
            | Self::IdempotencyConflict
            | Self::ReservedTag
            | Self::TooLarge
            | Self::BadCursor
            | Self::ConfirmationRequired
            | Self::VersionConflict
            | Self::IdConflict
            | Self::VerdictRequired
            | Self::VerdictInvalid
            | Self::VerdictUsed
            | Self::InsufficientScope
            | Self::PlanRequired
            | Self::QuotaExceeded
            | Self::StorageQuotaExceeded => false,
        }
    }

    /// Returns true if the same call may succeed later without a change.
    pub const fn retryable(self) -> bool {
        // An internal error is a bug, which the same call would meet again.
        matches!(self, Self::QuotaExceeded) || self.is_fault() && !matches!(self, Self::Internal)
    }
}

/// The JSON in the text block of a tool result with `isError: true`. It is not structured content, because clients check structured
/// content against the output schema of the tool even if the result is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolError {
    /// The stable code.
    pub code: ErrorCode,
    /// What was attempted, on what, and why it failed. Never contains a secret or data of another tenant.
    pub message: String,
    /// True if the same call may succeed later.
    pub retryable: bool,
    /// What the client can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Time to wait before a retry, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ToolError {
    /// Creates an error; its code decides `retryable`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: code.retryable(), hint: None, retry_after_ms: None }
    }

    /// Adds a hint for the client.
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
