//! Laws of a link, without sockets and without waiting: whatever comes in whatever pieces, and whenever rules come and go.

use super::*;
use crate::rules::{self, Guard, Rule};
use crate::tally::Counters;
use crate::toxic::{Bandwidth, Delay, Hang, Latency, Moment, RedisError, Slice, SlowClose, Toxic};
use proptest::prelude::*;
use std::time::Duration;
use tokio::sync::watch;

/// Rules that change when bytes arrive and never which.
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
    Arrive(Way, usize),
    Write(Way, usize),
    Wait(u64),
    Add(u8, bool),
    Remove(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let way = || prop_oneof![Just(Way::Up), Just(Way::Down)];
    prop_oneof![
        4 => (way(), 1..60_usize).prop_map(|(way, count)| Event::Arrive(way, count)),
        4 => (way(), 1..40_usize).prop_map(|(way, count)| Event::Write(way, count)),
        2 => (0..40_u64).prop_map(Event::Wait),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(choice, half)| Event::Add(choice, half)),
        1 => (0..4_usize).prop_map(Event::Remove),
    ]
}

struct Bench {
    link: Link,
    rules: watch::Sender<Arc<Rules>>,
    guards: Vec<Guard>,
    now: Instant,
    sources: [Bytes; 2],
    arrived: [Vec<u8>; 2],
}

impl Bench {
    fn new(up: &str, down: &str) -> Self {
        let rules = watch::Sender::new(Arc::new(Rules::default()));
        let edge = Edge { draw: Draw::new(42, "memory"), tap: Tap::new(true), counters: Counters::default() };
        let link = Link::new(Arc::new(edge), 1, Arc::clone(&rules.borrow()));
        let sources = [up, down].map(|text| Bytes::copy_from_slice(text.as_bytes()));
        Self { link, rules, guards: Vec::new(), now: Instant::now(), sources, arrived: [Vec::new(), Vec::new()] }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Arrive(way, count) => {
                let source = &mut self.sources[way.index()];
                let bytes = source.split_to((*count).min(source.len()));
                if !bytes.is_empty() {
                    self.arrive(*way, &bytes);
                }
            }
            Event::Write(way, count) => self.write(*way, *count),
            Event::Wait(ms) => self.now += Duration::from_millis(*ms),
            Event::Add(choice, half) => {
                let share = if *half { 0.5 } else { 1.0 };
                self.guards.push(rules::add(&self.rules, Rule::new(harmless(*choice)).share(share)).unwrap());
                self.adopt();
            }
            Event::Remove(place) => {
                if *place < self.guards.len() {
                    self.guards.remove(*place).remove();
                    self.adopt();
                }
            }
        }
    }

    /// As the shell does it: straight where that may be, and the destination does not always take all.
    fn arrive(&mut self, way: Way, bytes: &Bytes) {
        if !self.link.passes_straight(way) {
            return self.link.received(way, bytes.clone(), self.now);
        }
        let taken = bytes.len() - bytes.len() / 3;
        self.arrived[way.index()].extend_from_slice(&bytes[..taken]);
        self.link.saw(way, bytes, self.now);
        if taken < bytes.len() {
            self.link.left(way, bytes.slice(taken..), self.now);
        }
    }

    fn adopt(&mut self) {
        let rules = Arc::clone(&self.rules.borrow());
        self.link.adopt(rules);
    }

    fn write(&mut self, way: Way, count: usize) {
        match self.link.next(way, self.now) {
            Next::Write(bytes) => {
                let taken = count.min(bytes.len());
                self.arrived[way.index()].extend_from_slice(&bytes[..taken]);
                self.link.wrote(way, taken);
            }
            Next::End => self.link.passed_end(way),
            Next::Nothing => {}
            Next::Cut(ending) => panic!("cut: {ending:?}"),
        }
    }

    /// Everything arrives, every rule goes, both ends end.
    fn end(&mut self) {
        for way in [Way::Up, Way::Down] {
            self.happen(&Event::Arrive(way, usize::MAX));
            self.link.source_ended(way, true, self.now);
        }
        self.guards.clear();
        self.adopt();
        for way in [Way::Up, Way::Down] {
            while self.link.due(way).is_some_and(|due| due <= self.now) {
                self.write(way, usize::MAX);
            }
        }
    }
}

const REQUESTS: &str = "POST /a HTTP/1.1\r\ncontent-length: 30\r\n\r\n012345678901234567890123456789\
    GET /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
const REPLIES: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfourHTTP/1.1 204 None\r\n\r\n\
    HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n";
const COMMANDS: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
const NOISE: &str = "\u{1}what nobody follows\r\n";

proptest! {
    #[test]
    fn every_byte_passes_in_its_order_whatever_comes_and_goes(speech in 0..3_u8, events in proptest::collection::vec(event(), 0..120)) {
        let (up, down) = match speech {
            0 => (REQUESTS, REPLIES),
            1 => (COMMANDS, "+OK\r\n$5\r\nvalue\r\n"),
            _ => (NOISE, "and its answer"),
        };
        let mut bench = Bench::new(up, down);
        for event in &events {
            bench.happen(event);
            prop_assert!(up.as_bytes().starts_with(&bench.arrived[0]) && down.as_bytes().starts_with(&bench.arrived[1]));
        }
        bench.end();
        prop_assert_eq!(String::from_utf8_lossy(&bench.arrived[0]), up);
        prop_assert_eq!(String::from_utf8_lossy(&bench.arrived[1]), down);
        prop_assert_eq!(bench.link.verdict(), Some(Ending::Close), "both ends have passed");
    }
}

#[test]
fn removed_in_the_middle_of_a_delay_a_rule_lets_go_at_once() {
    let mut bench = Bench::new(REQUESTS, REPLIES);
    bench.happen(&Event::Add(2, false));
    bench.happen(&Event::Arrive(Way::Up, 20));
    bench.happen(&Event::Wait(100_000));
    bench.happen(&Event::Write(Way::Up, 100));
    assert!(bench.arrived[0].is_empty() && bench.link.due(Way::Up).is_none());
    bench.happen(&Event::Remove(0));
    bench.happen(&Event::Write(Way::Up, 100));
    assert_eq!(bench.arrived[0].len(), 20);
}

#[test]
fn a_command_is_answered_in_its_turn_and_the_others_pass() {
    let mut bench = Bench::new(COMMANDS, "+OK\r\n");
    let error = RedisError { commands: vec!["get".into()], ..RedisError::new("LOADING wait") };
    let guard = rules::add(&bench.rules, Rule::new(Toxic::RedisError(error))).unwrap();
    bench.adopt();
    bench.happen(&Event::Arrive(Way::Up, usize::MAX));
    bench.happen(&Event::Write(Way::Up, usize::MAX));
    bench.happen(&Event::Write(Way::Down, usize::MAX));
    assert_eq!(bench.arrived[0], COMMANDS.as_bytes()[..31], "GET stays here");
    assert!(bench.arrived[1].is_empty(), "SET has no reply yet");
    bench.happen(&Event::Arrive(Way::Down, usize::MAX));
    (0..2).for_each(|_| bench.happen(&Event::Write(Way::Down, usize::MAX)));
    assert_eq!(bench.arrived[1], b"+OK\r\n-LOADING wait\r\n");
    assert_eq!((guard.hits().operations, guard.hits().connections), (1, 1));
}

#[test]
fn more_commands_than_can_be_followed_pass_all_the_same() {
    let pipeline = "*1\r\n$4\r\nPING\r\n".repeat(20_000);
    let mut bench = Bench::new(&pipeline, "");
    bench.happen(&Event::Arrive(Way::Up, usize::MAX));
    assert!(bench.link.hungry(Way::Down) && bench.link.operations.is_empty());
    bench.happen(&Event::Write(Way::Up, usize::MAX));
    assert_eq!(bench.arrived[0].len(), pipeline.len());
}

#[test]
fn a_jitter_never_changes_the_order() {
    let mut bench = Bench::new(COMMANDS, "");
    bench.happen(&Event::Add(0, false));
    for _ in 0..COMMANDS.len() {
        bench.happen(&Event::Arrive(Way::Up, 1));
        bench.happen(&Event::Wait(1));
        bench.happen(&Event::Write(Way::Up, 1));
    }
    assert!(COMMANDS.as_bytes().starts_with(&bench.arrived[0]));
    assert!(bench.arrived[0].len() < COMMANDS.len(), "something is still late");
}
