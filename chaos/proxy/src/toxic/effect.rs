//! The trait that every kind of toxic implements, and the parameters and results of its hooks. Hooks are pure: they take bytes, counts and random
//! numbers, and return what the link must do. They use no socket, no clock and no counter.

use super::{Ending, Moment, Protocol};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// The hooks of a kind of toxic. Every hook has a default that does nothing, so the file of a kind implements only the hooks that it needs.
///
/// A conditional rule (with a share below 1, a filter, or a kind that needs a protocol) acts only on the operations that it was drawn for. For other
/// operations the link calls no hook.
pub(crate) trait Effect {
    /// The protocol that the edge must speak. `None`: the toxic acts on any bytes.
    fn protocol(&self) -> Option<Protocol> {
        None
    }

    /// Returns why the parameters cannot be used, if they cannot.
    fn problem(&self) -> Option<&'static str> {
        None
    }

    /// Returns how an unconditional rule ends every connection at once; `None` if connections stay open.
    fn ends_connections(&self) -> Option<Ending> {
        None
    }

    /// Returns true if the toxic acts on a request with this method, or on a Redis command with this name.
    fn applies_to(&self, _method: &str) -> bool {
        true
    }

    /// Returns what happens to a drawn operation when its request is complete at the proxy. `head` is true for an HTTP `HEAD` request.
    fn on_request(&self, _head: bool) -> RequestEffect {
        RequestEffect::Nothing
    }

    /// Returns the reply that the client receives in place of the upstream's. Called only after [`RequestEffect::RewriteReply`].
    fn rewrite(&self, _reply: UpstreamReply<'_>) -> Option<Rewritten> {
        None
    }

    /// Changes bytes on their way and returns how many of them count as hit.
    fn on_bytes(&self, _in_transit: &mut BytesInTransit, _place: StreamPosition) -> usize {
        0
    }

    /// Returns true if the toxic holds back the end of a direction, so that the connection counts as hit.
    fn holds_end(&self) -> bool {
        false
    }

    /// Returns the delay between the arrival and the release of bytes. The delays of several toxics add up.
    fn delay(&self, _moment: Moment, _random: u64) -> Duration {
        Duration::ZERO
    }

    /// Changes a release time that also depends on earlier ones. Called after all delays were added.
    fn schedule(&self, _waiting: QueuedItem, _release: &mut ReleaseTime) {}
}

/// The effect on an operation when its request is complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RequestEffect {
    /// The request passes, and does not count as hit here.
    Nothing,
    /// The request passes, and counts as hit.
    Hit,
    /// The connection ends; the upstream never sees the request. Counts as hit.
    End(Ending),
    /// The proxy replies, and may end the connection afterwards; the upstream never sees the request. Counts as hit.
    Answer(Bytes, Option<Ending>),
    /// The request passes, and the connection ends after this number of bytes of the reply. Counts as hit when it ends.
    CutReply { after_bytes: u64, ending: Ending },
    /// The request passes, and the whole reply is held back for [`Effect::rewrite`]. Counts as hit then.
    RewriteReply,
}

/// A complete HTTP reply of the upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UpstreamReply<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
    pub(crate) content: &'a [u8],
}

/// A reply in place of the upstream's.
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) bytes: Bytes,
    /// The connection closes after the reply.
    pub(crate) ends: bool,
}

/// Bytes that pass the toxics one after another, as the earlier toxics have changed them.
#[derive(Debug)]
pub(crate) struct BytesInTransit {
    pub(crate) bytes: Bytes,
    /// Maximum number of bytes that leave together.
    pub(crate) max_piece: usize,
    /// The connection ends after the bytes.
    pub(crate) cut: Option<Ending>,
    /// Bytes of the stream are missing, so the connection is reset when the rule is removed.
    pub(crate) lost: bool,
}

impl BytesInTransit {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self { bytes, max_piece: usize::MAX, cut: None, lost: false }
    }

    /// Keeps the first bytes and ends the connection after them.
    pub(crate) fn cut_after(&mut self, bytes: usize, ending: Ending) {
        self.bytes.truncate(bytes);
        self.cut = Some(ending);
    }
}

/// The position of bytes in their direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamPosition {
    /// Bytes of the connection that came before them.
    pub(crate) position: u64,
    /// Bytes that the rule let pass before them: of the operation if the rule is conditional, otherwise since the rule was added or the
    /// connection opened.
    pub(crate) passed: u64,
    /// A random number, which is the same for all bytes of an operation in one direction.
    pub(crate) random: u64,
}

/// Something that waits to leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueuedItem {
    pub(crate) bytes: usize,
    /// It arrived together with the bytes before it.
    pub(crate) continues: bool,
    /// It is the end of the direction (FIN).
    pub(crate) is_end: bool,
}

/// When something may leave.
#[derive(Debug)]
pub(crate) struct ReleaseTime {
    pub(crate) due: Instant,
    /// When a limited rate has room again; kept from one entry of the direction to the next.
    pub(crate) free_at: Option<Instant>,
    /// Nothing leaves before the rules change.
    pub(crate) hung: bool,
}
