//! The patterns service: tool names, requests and replies.

mod reply;
mod request;

pub use reply::*;
pub use request::*;

/// Tool names, in the order of `tools/list`.
pub mod tool {
    /// Recommends patterns.
    pub const SELECT: &str = "select_pattern";
    /// Returns a pattern with its variables filled in, if a verdict allows it.
    pub const INJECT: &str = "inject_pattern";
    /// Logs the outcome of a pattern.
    pub const LOG_USAGE: &str = "log_pattern_usage";

    /// Every tool.
    pub const ALL: [&str; 3] = [SELECT, INJECT, LOG_USAGE];
}

/// URI of the catalogue, with the optional parameters `page`, `category` and `role`.
pub const CATALOG_URI: &str = "pattern://catalog";
/// Prefix of the URI of a pattern; its id follows.
pub const DETAIL_URI_PREFIX: &str = "pattern://detail/";
/// URI of recommendations, with the optional parameters `role` and `task`.
pub const RECOMMENDATIONS_URI: &str = "pattern://recommendations";
