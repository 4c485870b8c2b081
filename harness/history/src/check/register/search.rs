//! Searches for an order of the events of one record that explains every reply: Wing and Gong's search (1993) with the cache of rejected states
//! by Lowe (2017), over a linked list of begins and ends. An event that does not change the record is placed as soon as it fits, because no later
//! place is better. So only overlapping changes need a choice. The change whose content is needed first is tried first, and a change is not
//! tried while a later read still needs the content that it would replace.

use super::state::{State, mixed};
use crate::timeline::{Event, Kind};
use std::collections::HashSet;

/// Steps that the search may take for a record, and more for each of its events. The events of an ordinary record need a few steps each.
const STEPS: u64 = 1_000_000;
const STEPS_PER_EVENT: u64 = 64;
/// A larger set of rejected places is freed after its record.
const KEPT: usize = 1 << 12;

/// Result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchEnd {
    /// An order explains every reply.
    Explained,
    /// No order does. `stuck` is the event that could not be placed in the longest order found, and `after` the last change in that order.
    Impossible { stuck: u32, after: Option<u32> },
    /// The budget of steps ended before either was proven.
    Undecided,
}

/// A choice of a change, and the place to go back to.
struct Choice {
    state: State,
    hash: u128,
    /// Number of events that had been placed before.
    placed: usize,
    change: u32,
    last: Option<u32>,
}

/// The events with one content.
struct Content {
    digest: u64,
    /// Reads of it that are not placed, and changes to it that are not placed.
    reads: u32,
    changes: u32,
    /// Earliest end of its events with a certain effect.
    needed_us: u64,
}

/// The content of an event, as a position in the list of contents, and whether the event is a read.
#[derive(Clone, Copy)]
struct ContentUse {
    content: usize,
    is_read: bool,
}

/// The state of the search. Its buffers are reused for the next record.
#[derive(Default)]
pub(super) struct Search {
    /// Number of events with a certain effect. They come first, in the order of their begins; the node of a begin has the number of its event.
    certain: u32,
    /// Neighbours in the list of begins and ends. The end of event `n` has the number `certain + n`, the head of the list is the last.
    next: Vec<u32>,
    previous: Vec<u32>,
    /// Begins of placed events, in order, and changes without a certain effect by their number.
    placed: Vec<u32>,
    used: Vec<bool>,
    choices: Vec<Choice>,
    /// Sets of placed events and their state, as a hash of 128 bits, from which no order was found.
    rejected: HashSet<u128>,
    edges: Vec<(u64, bool, u32)>,
    /// Sorted by digest.
    contents: Vec<Content>,
    /// For each event: its content, if it has one.
    parts: Vec<Option<ContentUse>>,
}

impl Search {
    /// Searches an order. Sorts the events.
    pub(super) fn order(&mut self, events: &mut [Event<'_>]) -> SearchEnd {
        self.prepare(events);
        let mut steps = STEPS + STEPS_PER_EVENT * events.len() as u64;
        let (mut state, mut hash, mut last) = (State::BEFORE, 0u128, None);
        let mut furthest: Option<(usize, u32, Option<u32>)> = None;
        let mut from = None;
        loop {
            if from.is_none() {
                hash = self.place_seen(events, state, hash, &mut steps);
                if self.is_done() {
                    return SearchEnd::Explained;
                }
            }
            let chosen = self.change_from(from.take(), events, state, &mut steps);
            if steps == 0 {
                return SearchEnd::Undecided;
            }
            if let Some((change, after)) = chosen {
                let next_hash = hash ^ mark(change);
                if !self.rejected.is_empty() && self.rejected.contains(&with_state(next_hash, &after)) {
                    from = Some(change);
                    continue;
                }
                self.choices.push(Choice { state, hash, placed: self.placed.len(), change, last });
                self.place(change);
                (state, hash, last) = (after, next_hash, Some(events[change as usize].at));
                continue;
            }
            if furthest.is_none_or(|(placed, _, _)| self.placed.len() > placed) {
                furthest = Some((self.placed.len(), self.stuck(), last));
            }
            let Some(choice) = self.choices.pop() else {
                let (_, stuck, after) = furthest.unwrap_or((0, 0, None));
                return SearchEnd::Impossible { stuck: events[stuck as usize].at, after };
            };
            self.rejected.insert(with_state(choice.hash ^ mark(choice.change), &state_of(&choice, events)));
            while self.placed.len() > choice.placed {
                self.backtrack();
            }
            (state, hash, last, from) = (choice.state, choice.hash, choice.last, Some(choice.change));
        }
    }

    fn prepare(&mut self, events: &mut [Event<'_>]) {
        events.sort_by_key(|event| (!event.is_certain(), event.from_us, event.at));
        self.certain = events.partition_point(Event::is_certain) as u32;
        self.find_contents(events);
        self.placed.clear();
        self.choices.clear();
        if self.rejected.len() > KEPT {
            self.rejected = HashSet::new();
        } else {
            self.rejected.clear();
        }
        self.used.clear();
        self.used.resize(events.len(), false);
        self.edges.clear();
        // Begins come before ends of the same time, so that calls that touch overlap.
        for (number, event) in events[..self.certain as usize].iter().enumerate() {
            self.edges.push((event.from_us, false, number as u32));
            self.edges.push((event.until_us, true, self.certain + number as u32));
        }
        self.edges.sort_unstable();
        let head = self.head();
        self.next.clear();
        self.next.resize(head as usize + 1, head);
        self.previous.clone_from(&self.next);
        let mut before = head;
        for (_, _, node) in &self.edges {
            self.next[before as usize] = *node;
            self.previous[*node as usize] = before;
            before = *node;
        }
        self.previous[head as usize] = before;
    }

    const fn head(&self) -> u32 {
        self.certain * 2
    }

    fn is_done(&self) -> bool {
        self.next[self.head() as usize] == self.head()
    }

    /// Returns true if the node is the begin of an event.
    const fn is_begin(&self, node: u32) -> bool {
        node < self.certain
    }

    /// Places every event that fits and changes nothing, and returns the hash of what is placed.
    fn place_seen(&mut self, events: &[Event<'_>], state: State, mut hash: u128, steps: &mut u64) -> u128 {
        let mut node = self.next[self.head() as usize];
        while self.is_begin(node) {
            *steps = steps.saturating_sub(1);
            let (event, before) = (&events[node as usize], self.previous[node as usize]);
            if !event.is_change() && state.after(event).is_some() {
                self.place(node);
                hash ^= mark(node);
                node = self.next[before as usize];
            } else {
                node = self.next[node as usize];
            }
        }
        hash
    }

    /// Returns the next change that may be placed, after the one that was tried last, and the state after it.
    fn change_from(
        &self,
        tried: Option<u32>,
        events: &[Event<'_>],
        state: State,
        steps: &mut u64,
    ) -> Option<(u32, State)> {
        let tried = tried.map(|tried| self.urgency(tried, events));
        let is_needed = self.is_needed(state.digest);
        let mut best: Option<((u64, u32), u32, State)> = None;
        let mut consider = |number: u32| {
            *steps = steps.saturating_sub(1);
            let (event, urgency) = (&events[number as usize], self.urgency(number, events));
            let is_next = tried.is_none_or(|tried| urgency > tried) && best.is_none_or(|(best, _, _)| urgency < best);
            if event.is_change() && is_next && !(is_needed && replaces(event, state.digest)) {
                best = state.after(event).map(|after| (urgency, number, after)).or(best);
            }
        };
        // The first event that ends must be placed before any that begins later.
        let mut node = self.next[self.head() as usize];
        while self.is_begin(node) {
            consider(node);
            node = self.next[node as usize];
        }
        let ends_us = self.end_of(node, events);
        let begun = events[self.certain as usize..].partition_point(|event| event.from_us <= ends_us) as u32;
        let open = self.certain..self.certain + begun;
        open.filter(|number| !self.used[*number as usize]).for_each(consider);
        best.map(|(_, number, after)| (number, after))
    }

    /// Returns when the effect of a change is needed: the smaller, the sooner it is tried. Of the changes without a certain effect that no read shows,
    /// the latest comes first, because most calls that take effect without an answer do so soon after they were sent.
    fn urgency(&self, number: u32, events: &[Event<'_>]) -> (u64, u32) {
        let needed_us = self.parts[number as usize].map_or(u64::MAX, |part| self.contents[part.content].needed_us);
        let tie = if number < self.certain { number } else { u32::MAX - number };
        (needed_us.min(events[number as usize].until_us), tie)
    }

    /// Returns true if a read that is not placed has this content, and no change will write it again.
    fn is_needed(&self, digest: Option<u64>) -> bool {
        let position = |digest| self.contents.binary_search_by_key(&digest, |content| content.digest).ok();
        let content = digest.and_then(position).map(|at| &self.contents[at]);
        content.is_some_and(|content| content.reads > 0 && content.changes == 0)
    }

    /// Finds the contents of the events.
    fn find_contents(&mut self, events: &[Event<'_>]) {
        self.contents.clear();
        self.contents.extend(events.iter().filter_map(|event| {
            let (digest, is_read) = content(event)?;
            let (reads, changes) = (u32::from(is_read), u32::from(!is_read));
            Some(Content { digest, reads, changes, needed_us: event.until_us })
        }));
        self.contents.sort_unstable_by_key(|content| content.digest);
        self.contents.dedup_by(|content, kept| {
            let same = content.digest == kept.digest;
            if same {
                kept.reads += content.reads;
                kept.changes += content.changes;
                kept.needed_us = kept.needed_us.min(content.needed_us);
            }
            same
        });
        let part = |event: &Event<'_>| {
            let (digest, is_read) = content(event)?;
            let content = self.contents.binary_search_by_key(&digest, |content| content.digest).ok()?;
            Some(ContentUse { content, is_read })
        };
        let parts: Vec<Option<ContentUse>> = events.iter().map(part).collect();
        self.parts = parts;
    }

    fn end_of(&self, node: u32, events: &[Event<'_>]) -> u64 {
        if node == self.head() { u64::MAX } else { events[(node - self.certain) as usize].until_us }
    }

    /// The event that ends first of those that are not placed.
    fn stuck(&self) -> u32 {
        let mut node = self.next[self.head() as usize];
        while self.is_begin(node) {
            node = self.next[node as usize];
        }
        node.saturating_sub(self.certain)
    }

    fn place(&mut self, number: u32) {
        self.placed.push(number);
        if let Some(part) = self.parts[number as usize] {
            let content = &mut self.contents[part.content];
            *(if part.is_read { &mut content.reads } else { &mut content.changes }) -= 1;
        }
        if number >= self.certain {
            self.used[number as usize] = true;
            return;
        }
        for node in [number, number + self.certain] {
            let (before, after) = (self.previous[node as usize], self.next[node as usize]);
            self.next[before as usize] = after;
            self.previous[after as usize] = before;
        }
    }

    /// Takes the event back that was placed last.
    fn backtrack(&mut self) {
        let Some(number) = self.placed.pop() else { return };
        if let Some(part) = self.parts[number as usize] {
            let content = &mut self.contents[part.content];
            *(if part.is_read { &mut content.reads } else { &mut content.changes }) += 1;
        }
        if number >= self.certain {
            self.used[number as usize] = false;
            return;
        }
        for node in [number + self.certain, number] {
            let (before, after) = (self.previous[node as usize], self.next[node as usize]);
            self.next[before as usize] = node;
            self.previous[after as usize] = node;
        }
    }
}

/// Returns the content of an event, and whether the event read it.
fn content(event: &Event<'_>) -> Option<(u64, bool)> {
    let (value, is_read) = match event.kind {
        Kind::Create(value) | Kind::Update { value, .. } => (value, false),
        Kind::Seen(value) => (value, true),
        Kind::Delete { .. } | Kind::Missing { .. } | Kind::Conflict(_) => return None,
    };
    value.digest().map(|digest| (digest, is_read))
}

/// Returns true if a change leaves another content than this one.
fn replaces(event: &Event<'_>, digest: Option<u64>) -> bool {
    match event.kind {
        Kind::Update { value, .. } => value.digest().is_some() && value.digest() != digest,
        _ => true,
    }
}

/// Returns the state after a choice.
fn state_of(choice: &Choice, events: &[Event<'_>]) -> State {
    let event = &events[choice.change as usize];
    choice.state.after(event).unwrap_or(choice.state)
}

/// The bits by which an event changes the hash of a set of events.
const fn mark(number: u32) -> u128 {
    let low = mixed(number as u64);
    ((mixed(low ^ 0x5851_F42D_4C95_7F2D) as u128) << 64) | low as u128
}

/// The hash of a set of events and a state.
fn with_state(hash: u128, state: &State) -> u128 {
    let low = state.hash();
    hash ^ (((mixed(low) as u128) << 64) | low as u128)
}
