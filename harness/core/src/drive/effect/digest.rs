//! The short forms in which the history stores what a record has: digests of tags and words, and its visibility.

use harness_history::op::Visibility;
use mcp_contracts::memory;
use xxhash_rust::xxh3::xxh3_64;

/// Prefixes of the tags that the service adds.
// Left in, they would make the tags of every read differ from those of its write.
const SERVICE_TAGS: [&str; 4] = ["org:", "user:", "workspace:", "topic:"];

pub(crate) const fn visibility(visibility: memory::Visibility) -> Visibility {
    match visibility {
        memory::Visibility::Private => Visibility::Private,
        memory::Visibility::Workspace => Visibility::Workspace,
    }
}

/// Returns the digest of the tags that the caller set, in any order.
pub(crate) fn digest_of_tags<'t>(tags: impl Iterator<Item = &'t str>) -> u32 {
    let mut own: Vec<&str> = tags.filter(|tag| !SERVICE_TAGS.iter().any(|prefix| tag.starts_with(prefix))).collect();
    own.sort_unstable();
    // One tag, the usual number in a load, has the same digest without the copy that `join` makes.
    match own[..] {
        [tag] => low_half(tag),
        _ => low_half(&own.join("\n")),
    }
}

/// 32 bits, because they save 10 bytes in each record of the history; see [`RecordState::tags`].
pub(crate) fn low_half(text: &str) -> u32 {
    xxh3_64(text.as_bytes()) as u32
}
