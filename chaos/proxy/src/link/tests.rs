//! Properties of a link, without sockets and without waiting: for all bytes, in all pieces, while rules are added and removed at any time.

use super::*;
use crate::rules::{self, Guard, Rule};
use crate::tally::Counters;
use crate::toxic::{Bandwidth, Delay, Hang, Latency, Moment, RedisError, Slice, SlowClose, Toxic};
use proptest::prelude::*;
use std::time::Duration;
use tokio::sync::watch;

/// Toxics that change when bytes arrive, but never which bytes.
fn harmless(choice: u8) -> Toxic {
    let ms = Duration::from_millis;
    match choice % 7 {
        0 => Toxic::Latency(Latency { delay: ms(20), jitter: ms(30) }),
        1 => Toxic::Bandwidth(Bandwidth { bytes_per_second: 10_000 }),
        2 => Toxic::Hang(Hang {}),
        3 => Toxic::Slice(Slice { size: 3, gap: ms(1) }),
        4 => Toxic::SlowClose(SlowClose { delay: ms(50) }),
        5 => Toxic::Delay(Delay { delay: ms(15), moment: Moment::Request }),
        _ => Toxic::Delay(Delay { delay: ms(15), moment: Moment::Reply }),
    }
}

#[derive(Debug, Clone)]
enum Event {
    Arrive(Direction, usize),
    Write(Direction, usize),
    Wait(u64),
    Add(u8, bool),
    Remove(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let direction = || prop_oneof![Just(Direction::Up), Just(Direction::Down)];
    prop_oneof![
        4 => (direction(), 1..60_usize).prop_map(|(direction, count)| Event::Arrive(direction, count)),
        4 => (direction(), 1..40_usize).prop_map(|(direction, count)| Event::Write(direction, count)),
        2 => (0..40_u64).prop_map(Event::Wait),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(choice, half)| Event::Add(choice, half)),
        1 => (0..4_usize).prop_map(Event::Remove),
    ]
}

struct Harness {
    link: Link,
    rules: watch::Sender<Arc<Rules>>,
    guards: Vec<Guard>,
    now: Instant,
    sources: [Bytes; 2],
    arrived: [Vec<u8>; 2],
}

impl Harness {
    fn new(up: &str, down: &str) -> Self {
        let rules = watch::Sender::new(Arc::new(Rules::default()));
        let edge = Edge { draw: EdgeRandom::new(42, "memory"), tap: Tap::new(true), counters: Counters::default() };
        let link = Link::new(Arc::new(edge), 1, Arc::clone(&rules.borrow()));
        let sources = [up, down].map(|text| Bytes::copy_from_slice(text.as_bytes()));
        Self { link, rules, guards: Vec::new(), now: Instant::now(), sources, arrived: [Vec::new(), Vec::new()] }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Arrive(direction, count) => {
                let source = &mut self.sources[direction.index()];
                let bytes = source.split_to((*count).min(source.len()));
                if !bytes.is_empty() {
                    self.arrive(*direction, &bytes);
                }
            }
            Event::Write(direction, count) => self.write(*direction, *count),
            Event::Wait(ms) => self.now += Duration::from_millis(*ms),
            Event::Add(choice, half) => {
                let share = if *half { 0.5 } else { 1.0 };
                self.guards.push(rules::add(&self.rules, Rule::new(harmless(*choice)).share(share)).unwrap());
                self.set_rules();
            }
            Event::Remove(place) => {
                if *place < self.guards.len() {
                    self.guards.remove(*place).remove();
                    self.set_rules();
                }
            }
        }
    }

    /// Works like the connection: forwards directly if the link allows it, to a destination that does not always accept everything.
    fn arrive(&mut self, direction: Direction, bytes: &Bytes) {
        if !self.link.is_transparent(direction) {
            return self.link.received(direction, bytes.clone(), self.now);
        }
        let taken = bytes.len() - bytes.len() / 3;
        self.arrived[direction.index()].extend_from_slice(&bytes[..taken]);
        self.link.observe(direction, bytes, self.now);
        if taken < bytes.len() {
            self.link.queue_unwritten(direction, bytes.slice(taken..), self.now);
        }
    }

    fn set_rules(&mut self) {
        let rules = Arc::clone(&self.rules.borrow());
        self.link.set_rules(rules);
    }

    fn write(&mut self, direction: Direction, count: usize) {
        match self.link.next(direction, self.now) {
            Next::Write(bytes) => {
                let taken = count.min(bytes.len());
                self.arrived[direction.index()].extend_from_slice(&bytes[..taken]);
                self.link.wrote(direction, taken);
            }
            Next::End => self.link.passed_end(direction),
            Next::Nothing => {}
            Next::Cut(ending) => panic!("cut: {ending:?}"),
        }
    }

    /// Delivers everything, removes every rule and ends both sources.
    fn end(&mut self) {
        for direction in [Direction::Up, Direction::Down] {
            self.apply(&Event::Arrive(direction, usize::MAX));
            self.link.source_ended(direction, true, self.now);
        }
        self.guards.clear();
        self.set_rules();
        for direction in [Direction::Up, Direction::Down] {
            while self.link.due(direction).is_some_and(|due| due <= self.now) {
                self.write(direction, usize::MAX);
            }
        }
    }
}

const REQUESTS: &str = "POST /a HTTP/1.1\r\ncontent-length: 30\r\n\r\n012345678901234567890123456789\
    GET /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
const REPLIES: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfourHTTP/1.1 204 None\r\n\r\n\
    HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n";
const COMMANDS: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
const NOISE: &str = "\u{1}an unknown protocol\r\n";

proptest! {
    #[test]
    fn every_byte_passes_in_order_whatever_rules_come_and_go(follower in 0..3_u8, events in proptest::collection::vec(event(), 0..120)) {
        let (up, down) = match follower {
            0 => (REQUESTS, REPLIES),
            1 => (COMMANDS, "+OK\r\n$5\r\nvalue\r\n"),
            _ => (NOISE, "and its reply"),
        };
        let mut harness = Harness::new(up, down);
        for event in &events {
            harness.apply(event);
            prop_assert!(up.as_bytes().starts_with(&harness.arrived[0]) && down.as_bytes().starts_with(&harness.arrived[1]));
        }
        harness.end();
        prop_assert_eq!(String::from_utf8_lossy(&harness.arrived[0]), up);
        prop_assert_eq!(String::from_utf8_lossy(&harness.arrived[1]), down);
        prop_assert_eq!(harness.link.ending(), Some(Ending::Close), "both ends have passed");
    }
}

#[test]
fn removing_a_rule_releases_delayed_bytes_at_once() {
    let mut harness = Harness::new(REQUESTS, REPLIES);
    harness.apply(&Event::Add(2, false));
    harness.apply(&Event::Arrive(Direction::Up, 20));
    harness.apply(&Event::Wait(100_000));
    harness.apply(&Event::Write(Direction::Up, 100));
    assert!(harness.arrived[0].is_empty() && harness.link.due(Direction::Up).is_none());
    harness.apply(&Event::Remove(0));
    harness.apply(&Event::Write(Direction::Up, 100));
    assert_eq!(harness.arrived[0].len(), 20);
}

#[test]
fn an_answered_command_keeps_the_order_of_replies() {
    let mut harness = Harness::new(COMMANDS, "+OK\r\n");
    let error = RedisError { commands: vec!["get".into()], ..RedisError::new("LOADING wait") };
    let guard = rules::add(&harness.rules, Rule::new(Toxic::RedisError(error))).unwrap();
    harness.set_rules();
    harness.apply(&Event::Arrive(Direction::Up, usize::MAX));
    harness.apply(&Event::Write(Direction::Up, usize::MAX));
    harness.apply(&Event::Write(Direction::Down, usize::MAX));
    assert_eq!(harness.arrived[0], COMMANDS.as_bytes()[..31], "GET is not passed on");
    assert!(harness.arrived[1].is_empty(), "SET has no reply yet");
    harness.apply(&Event::Arrive(Direction::Down, usize::MAX));
    (0..2).for_each(|_| harness.apply(&Event::Write(Direction::Down, usize::MAX)));
    assert_eq!(harness.arrived[1], b"+OK\r\n-LOADING wait\r\n");
    assert_eq!((guard.hits().operations, guard.hits().connections), (1, 1));
}

#[test]
fn a_pipeline_that_is_too_long_to_follow_passes() {
    let pipeline = "*1\r\n$4\r\nPING\r\n".repeat(20_000);
    let mut harness = Harness::new(&pipeline, "");
    harness.apply(&Event::Arrive(Direction::Up, usize::MAX));
    assert!(harness.link.wants_input(Direction::Down) && harness.link.operations.is_empty());
    harness.apply(&Event::Write(Direction::Up, usize::MAX));
    assert_eq!(harness.arrived[0].len(), pipeline.len());
}

#[test]
fn jitter_never_changes_the_order() {
    let mut harness = Harness::new(COMMANDS, "");
    harness.apply(&Event::Add(0, false));
    for _ in 0..COMMANDS.len() {
        harness.apply(&Event::Arrive(Direction::Up, 1));
        harness.apply(&Event::Wait(1));
        harness.apply(&Event::Write(Direction::Up, 1));
    }
    assert!(COMMANDS.as_bytes().starts_with(&harness.arrived[0]));
    assert!(harness.arrived[0].len() < COMMANDS.len(), "some bytes are still delayed");
}
