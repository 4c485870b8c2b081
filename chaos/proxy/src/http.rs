//! Follows HTTP/1.1 on a wire: where messages begin and end, and which reply belongs to which request. Pure: it changes no byte and makes no
//! decision about one.

pub(crate) mod frame;
pub(crate) mod head;
