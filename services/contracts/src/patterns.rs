//! The patterns service: tool names, requests and replies.

mod reply;
mod request;

pub use reply::*;
pub use request::*;

/// Tool names, in the order of `tools/list`.
pub mod tool {
    /// Recommends patterns.
    pub const SELECT: &str = "select_pattern";
    /// Fills a pattern in, where a verdict allows it.
    pub const INJECT: &str = "inject_pattern";
    /// Tells what became of a pattern.
    pub const LOG_USAGE: &str = "log_pattern_usage";

    /// Every tool.
    pub const ALL: [&str; 3] = [SELECT, INJECT, LOG_USAGE];
}

/// URI of the catalogue; `?page=`, `category=` and `role=` narrow it.
pub const CATALOG_URI: &str = "pattern://catalog";
/// URI of one pattern, before its id.
pub const DETAIL_URI_PREFIX: &str = "pattern://detail/";
/// URI of recommendations; `?role=` and `task=` say for what.
pub const RECOMMENDATIONS_URI: &str = "pattern://recommendations";
