//! One operation on a connection: an HTTP request or a Redis command with its reply, or an exchange of an unknown protocol. It holds the parsed
//! request, the rules that were drawn for it, and the rules that have hit it.

use crate::draw::AttemptId;
use crate::http::head::{Head, Length, StartLine};
use crate::tap::{Exchange, MAX_BODY_BYTES};
use crate::toxic::{Ending, Protocol};
use bytes::{Bytes, BytesMut};
use std::time::Instant;

/// What will happen to the reply of an operation.
#[derive(Debug, Clone, Default)]
pub(crate) enum ReplyPlan {
    #[default]
    Pass,
    /// The upstream does not get the request. The proxy sends these bytes as the reply, and may end the connection afterwards.
    Answer(Bytes, Option<Ending>),
    /// A rule ends the connection inside the reply.
    Cut { rule: u64, after_bytes: u64, ending: Ending },
    /// A rule rewrites the reply when it is complete.
    Rewrite { rule: u64 },
}

#[derive(Debug, Default)]
pub(crate) struct Operation {
    pub(crate) number: u64,
    /// `None`: a protocol that cannot be followed.
    pub(crate) protocol: Option<Protocol>,
    pub(crate) identity: AttemptId,
    /// Conditional rules that act on it.
    pub(crate) drawn: Vec<u64>,
    /// Rules that have counted it as hit.
    pub(crate) counted_rules: Vec<u64>,
    pub(crate) reply: ReplyPlan,
    /// The request was sent to the upstream.
    pub(crate) passed_on: bool,
    /// HTTP method or Redis command.
    pub(crate) method: String,
    pub(crate) path: String,
    /// The beginning of the request's content, at most [`MAX_BODY_BYTES`].
    pub(crate) content: BytesMut,
    pub(crate) content_bytes: u64,
    pub(crate) status: u16,
    pub(crate) content_type: String,
    record: Option<Box<Record>>,
}

/// Data that only the tap needs. It is boxed and optional, so that an operation that is not recorded does not allocate it.
#[derive(Debug)]
struct Record {
    at: Instant,
    request_headers: Vec<(String, String)>,
    reply_headers: Vec<(String, String)>,
    reply: BytesMut,
    reply_bytes: u64,
}

impl Operation {
    /// Returns an exchange of a protocol that cannot be followed.
    pub(crate) fn unparsed(number: u64) -> Self {
        Self { number, passed_on: true, ..Self::default() }
    }

    pub(crate) fn command(number: u64) -> Self {
        Self { number, protocol: Some(Protocol::Redis), passed_on: true, ..Self::default() }
    }

    /// Returns the operation of an HTTP request. If `record` is true, it keeps the data for the tap.
    pub(crate) fn request(number: u64, head: Head, record: bool, now: Instant) -> Self {
        let expected = capacity(&head);
        let (method, path) = match head.line {
            StartLine::Request { method, path } => (method, path),
            StartLine::Reply { .. } => (String::new(), String::new()),
        };
        let record = record.then(|| {
            let (reply_headers, reply) = (Vec::new(), BytesMut::new());
            Box::new(Record { at: now, request_headers: head.fields, reply_headers, reply, reply_bytes: 0 })
        });
        let content = BytesMut::with_capacity(if record.is_some() { expected } else { 0 });
        let protocol = Some(Protocol::Http);
        Self { number, protocol, passed_on: true, method, path, content, record, ..Self::default() }
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.record.is_some()
    }

    pub(crate) fn request_content(&mut self, data: &[u8], keep: bool) {
        self.content_bytes += data.len() as u64;
        if keep || self.record.is_some() {
            extend(&mut self.content, data);
        }
    }

    pub(crate) fn reply_head(&mut self, head: Head) {
        if let StartLine::Reply { status } = head.line {
            self.status = status;
        }
        if let Some((_, value)) = head.fields.iter().find(|(name, _)| name == "content-type") {
            self.content_type.clone_from(value);
        }
        if let Some(record) = &mut self.record {
            record.reply.reserve(capacity(&head));
            record.reply_headers = head.fields;
        }
    }

    pub(crate) fn reply_content(&mut self, data: &[u8]) {
        if let Some(record) = &mut self.record {
            record.reply_bytes += data.len() as u64;
            extend(&mut record.reply, data);
        }
    }

    /// Returns the exchange for the tap, if the operation is recorded.
    pub(crate) fn exchange(self, connection: u64, complete: bool, now: Instant) -> Option<Exchange> {
        let record = self.record?;
        Some(Exchange {
            connection,
            at: record.at,
            took: now.saturating_duration_since(record.at),
            method: self.method,
            path: self.path,
            request_headers: record.request_headers,
            request_body: self.content.freeze(),
            request_bytes: self.content_bytes,
            passed_on: self.passed_on,
            status: (self.status != 0).then_some(self.status),
            reply_headers: record.reply_headers,
            reply_body: record.reply.freeze(),
            reply_bytes: record.reply_bytes,
            complete,
        })
    }
}

/// Returns the capacity to reserve for the content that a head declares.
fn capacity(head: &Head) -> usize {
    match head.length {
        // Limited, because a head may declare any length and then send nothing.
        Length::Fixed(length) => usize::try_from(length).unwrap_or(usize::MAX).min(MAX_BODY_BYTES),
        Length::Chunked | Length::UntilEnd | Length::Switched => 0,
    }
}

fn extend(kept: &mut BytesMut, data: &[u8]) {
    let room = MAX_BODY_BYTES.saturating_sub(kept.len()).min(data.len());
    kept.extend_from_slice(&data[..room]);
}
