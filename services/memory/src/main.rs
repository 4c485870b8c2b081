//! The memory service.
fn main() {}
