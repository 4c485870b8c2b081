//! HTTP/1.1 as seen from the middle of a wire: where messages begin and end, and which reply belongs to which request.
//! Pure; changes no byte and decides nothing about them.

pub(crate) mod frame;
pub(crate) mod head;
