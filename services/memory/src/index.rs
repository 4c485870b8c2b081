//! The full-text index without its store: how places of terms are written as bytes, and how the best memories are read from them. A store keeps
//! the blocks in order of scope, term and first memory, and has no part in the ranking, so that every store ranks alike (decision 0028).

pub mod block;
pub mod bytes;
pub mod forward;
pub mod merge;
pub mod top;
pub mod wanted;
