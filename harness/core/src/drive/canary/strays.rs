//! Finds the marks of contents anywhere in a reply: in unknown fields, error texts and headers too. It searches bytes and builds no tree,
//! because a load searches every reply. A mark whose characters are escaped in the JSON (`\u003a` for `:`) is not found.

use super::{InternedNames, Mark, PREFIX};
use harness_history::{Canary, Effect, Op};
use memchr::memmem;

/// Maximum number of marks that the history stores of one reply.
const MAX_STRAYS: usize = 32;
/// Maximum length of a mark, in bytes. Names of organisations and users are much shorter.
const MAX_MARK: usize = 256;

/// Returns the marks in the raw reply to `op` that its effect does not have. Marks of the caller itself are left out: a user may see its own
/// contents, and a reply to a write repeats them. So is a mark that was cut off, unless its reader must not see it in any workspace.
pub(crate) fn strays(reply: &[u8], op: &Op, names: &InternedNames) -> Vec<Canary> {
    let mut strays: Vec<Canary> = Vec::new();
    let mut last = None;
    for at in memmem::find_iter(reply, PREFIX) {
        let Some((mark, is_whole)) = mark_at(&reply[at..]) else { continue };
        if !is_whole && mark.tenant == &*op.tenant && (mark.user == &*op.user || mark.shared) {
            continue;
        }
        // A tool result has its records twice, so that most marks come again; the marks of a page come in the same order.
        if last == Some(mark) || is_own(mark, op) || is_of_a_record(mark, &op.effect) {
            last = Some(mark);
            continue;
        }
        last = Some(mark);
        if strays.iter().any(|known| mark.is(known)) {
            continue;
        }
        if strays.len() < MAX_STRAYS {
            strays.push(mark.canary(names));
        } else if let Some(harmless) = strays.iter().position(|known| known.tenant == op.tenant && known.shared)
            && !(mark.tenant == &*op.tenant && mark.shared)
        {
            // A mark that may be a leak must not be lost behind many that are none.
            strays[harmless] = mark.canary(names);
        }
    }
    strays
}

/// Parses the mark at the begin of these bytes. Returns false with one that was cut off: its number and workspace may lack their ends.
fn mark_at(bytes: &[u8]) -> Option<(Mark<'_>, bool)> {
    let bytes = &bytes[..bytes.len().min(MAX_MARK)];
    let length = bytes.iter().position(|byte| !is_of_a_mark(*byte)).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..length]).ok()?;
    // A full stop or a colon after a mark belongs to the sentence around it.
    let mark = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    Some((Mark::parse(mark)?, text[mark.len()..].starts_with('/')))
}

const fn is_of_a_mark(byte: u8) -> bool {
    !byte.is_ascii_whitespace()
        && !byte.is_ascii_control()
        && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b',' | b'`' | b'\'')
}

fn is_own(mark: Mark<'_>, op: &Op) -> bool {
    mark.tenant == &*op.tenant && mark.user == &*op.user && mark.workspace == op.workspace.as_deref()
}

fn is_of_a_record(mark: Mark<'_>, effect: &Effect) -> bool {
    effect.returned().any(|(_, state)| state.canary.as_ref().is_some_and(|canary| mark.is(canary)))
}

#[cfg(test)]
mod tests {
    use super::{MAX_STRAYS, strays};
    use crate::drive::canary::{InternedNames, state_of};
    use harness_history::{Effect, Op, Outcome, Phase};

    fn marks_in(reply: &str, effect: Effect) -> Vec<String> {
        let op = Op {
            process: 1,
            tenant: "acme".into(),
            user: "ann".into(),
            workspace: None,
            name: "get_memory".into(),
            phase: Phase::Measured,
            planned_us: None,
            invoke_us: 0,
            complete_us: 1,
            outcome: Outcome::Ok,
            strays: Vec::new(),
            effect,
        };
        let marks = strays(reply.as_bytes(), &op, &InternedNames::default());
        marks.iter().map(|canary| format!("{}/{}/{}", canary.tenant, canary.user, canary.number)).collect()
    }

    #[test]
    fn marks_outside_the_records_are_found_in_every_place() {
        let content = "the ledger canary:acme/bob/w/3/";
        let read = Effect::Read { key: "k".into(), value: Some(state_of(content, &InternedNames::default())) };
        let reply = format!(
            r#"HTTP/1.1 200 OK\r\nx-debug: canary:zeta/zoe/p/1/\r\n\r\n{{"content":"{content}","own":"canary:acme/ann/p/9/",
            "unknown":{{"deep":["canary:zeta/zoe/p/2/"]}},"text":"{{\"hint\":\"see canary:acme/bob/p/4/.\"}}"}}"#
        );
        assert_eq!(marks_in(&reply, read), ["zeta/zoe/1", "zeta/zoe/2", "acme/bob/4"]);
        assert_eq!(marks_in(&reply, Effect::None), ["zeta/zoe/1", "acme/bob/3", "zeta/zoe/2", "acme/bob/4"]);
        assert_eq!(marks_in("canary:acme/ann/p/5/annex/ canary: canary:a/b", Effect::None), ["acme/ann/5"]);
    }

    #[test]
    fn a_mark_that_was_cut_off_accuses_only_if_no_workspace_makes_it_right() {
        let excerpts = r#"{"excerpts":["canary:acme/ann/p/1","canary:acme/bob/w/14","canary:acme/ann/p/5/ann"]}"#;
        assert_eq!(marks_in(excerpts, Effect::None), [""; 0]);
        let leaks = r#"{"excerpts":["canary:acme/bob/p/1","canary:zeta/zoe/w/1"]}"#;
        assert_eq!(marks_in(leaks, Effect::None), ["acme/bob/1", "zeta/zoe/1"]);
    }

    #[test]
    fn a_foreign_mark_is_not_lost_behind_many_of_colleagues() {
        let many: String = (0..100).map(|number| format!("canary:acme/bob/w/{number}/ ")).collect();
        let marks = marks_in(&format!("{many} canary:zeta/zoe/p/1/"), Effect::None);
        assert!(marks.len() == MAX_STRAYS && marks.contains(&"zeta/zoe/1".to_owned()), "{marks:?}");
    }
}
