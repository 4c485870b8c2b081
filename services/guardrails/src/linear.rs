//! Patterns on an engine whose time is linear in the text. Beside the limits this is about starting: all patterns are compiled before an
//! instance is ready, and the automaton that is built as texts come costs a third less to begin with than one that is built ahead.

use regex_automata::meta::{BuildError, Builder, Config, Regex};
use regex_automata::util::syntax;

/// Largest compiled pattern, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Memory of the lazy automaton of one pattern, in bytes.
const MAX_LAZY_BYTES: usize = 1 << 20;

/// Compiles a pattern over UTF-8 text.
///
/// # Errors
/// The pattern is none, or is too large.
pub(crate) fn text(pattern: &str) -> Result<Regex, Box<BuildError>> {
    builder().build(pattern).map_err(Box::new)
}

/// Compiles a pattern over bytes whatever they are, within lines or not as `syntax` says.
///
/// # Errors
/// The pattern is none, or is too large.
pub(crate) fn bytes(pattern: &str, syntax: syntax::Config) -> Result<Regex, Box<BuildError>> {
    builder().syntax(syntax.unicode(false).utf8(false)).build(pattern).map_err(Box::new)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    let limits = Config::new().nfa_size_limit(Some(MAX_COMPILED_BYTES)).hybrid_cache_capacity(MAX_LAZY_BYTES);
    builder.configure(limits.dfa(false));
    builder
}
