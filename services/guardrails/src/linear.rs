//! Regular expressions on an engine whose time is linear in the text. All patterns are compiled before an instance is ready, so the lazy
//! automaton is used: it costs a third less to start than one that is built ahead.

use regex_automata::meta::{BuildError, Builder, Config, Regex};
use regex_automata::util::syntax;

/// Maximum size of a compiled pattern, in bytes.
// A short pattern can be large: `(a{500}){500}` would compile to several megabytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Cache of the lazy automaton of one pattern, in bytes.
const MAX_LAZY_BYTES: usize = 1 << 20;

/// Compiles a pattern for UTF-8 text.
///
/// # Errors
/// Fails if the pattern is invalid or too large.
pub(crate) fn text(pattern: &str) -> Result<Regex, Box<BuildError>> {
    builder().build(pattern).map_err(Box::new)
}

/// Compiles a pattern for arbitrary bytes; `syntax` decides about lines.
///
/// # Errors
/// Fails if the pattern is invalid or too large.
pub(crate) fn bytes(pattern: &str, syntax: syntax::Config) -> Result<Regex, Box<BuildError>> {
    builder().syntax(syntax.unicode(false).utf8(false)).build(pattern).map_err(Box::new)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    let limits = Config::new().nfa_size_limit(Some(MAX_COMPILED_BYTES)).hybrid_cache_capacity(MAX_LAZY_BYTES);
    builder.configure(limits.dfa(false));
    builder
}
