//! Builds a history from operations, one after the other, within a bound on its memory.

use super::{History, indexed};
use crate::op::Op;
use crate::store::{MOST_BYTES, Packer};

/// Builds a history operation by operation, so that the operations of a long run are never all in memory in unpacked form.
#[derive(Debug)]
pub struct HistoryBuilder {
    packer: Packer,
    most_bytes: u64,
}

/// The history does not fit in the memory that it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the history exceeds its memory limit of {most_bytes} bytes after {ops} operations")]
pub struct Full {
    /// Number of operations that fit.
    pub ops: u64,
    /// The bound.
    pub most_bytes: u64,
}

impl HistoryBuilder {
    /// Begins a history of at most this number of bytes, or 4 GB if that is less.
    pub fn within(most_bytes: u64) -> Self {
        Self { packer: Packer::default(), most_bytes: most_bytes.min(MOST_BYTES) }
    }

    /// Adds an operation.
    ///
    /// # Errors
    /// The history is full.
    pub fn push(&mut self, op: &Op) -> Result<(), Full> {
        if self.packer.bytes() >= self.most_bytes {
            return Err(Full { ops: u64::from(self.packer.len()), most_bytes: self.most_bytes });
        }
        self.packer.push(op);
        Ok(())
    }

    /// Bytes that the operations take so far.
    pub fn bytes(&self) -> u64 {
        self.packer.bytes()
    }

    /// Adds the indices that checks use.
    pub fn finish(self) -> History {
        indexed(self.packer.finish())
    }
}

impl Default for HistoryBuilder {
    fn default() -> Self {
        Self::within(MOST_BYTES)
    }
}

impl FromIterator<Op> for History {
    /// Panics if the packed operations take more than 4 GB. Operations that fit into memory unpacked are far below that.
    fn from_iter<T: IntoIterator<Item = Op>>(ops: T) -> Self {
        let mut builder = HistoryBuilder::default();
        ops.into_iter().for_each(|op| builder.push(&op).expect("the packed operations take less than 4 GB"));
        builder.finish()
    }
}
