//! Clients of a stack, for the tests of both backends.

use crate::stack::SECRET;
use harness_core::drive::client::{Client, ClientOptions};
use harness_core::drive::token::{Grant, Minter};
use harness_core::stack::Stack;
use std::sync::Arc;

/// A client of one part, as a user of `acme`.
pub(crate) fn client(stack: &Stack, part: &str) -> Client {
    client_with(stack, part, ClientOptions::default())
}

/// As [`client`], with options.
pub(crate) fn client_with(stack: &Stack, part: &str, options: ClientOptions) -> Client {
    let mut client = Client::new(Arc::new(stack.endpoints()[part].parse().unwrap()), options);
    client.set_token(&Minter::new(SECRET).mint(&Grant::memory("acme", "ann")).unwrap());
    client
}
