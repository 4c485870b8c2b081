//! The clock of the pacing: the current time, and waiting until a time. The real clock has its own thread, because the
//! runtime's timer has a resolution of 1 ms: calls were sent 0.8 to 1.7 ms late (median), and 0.1 ms late with a
//! thread. The virtual clock of the tests moves only when every user waits.

use crate::observe::clock::monotonic_us;
use parking_lot::{Condvar, Mutex};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time in microseconds of the run.
pub trait Clock: Send + Sync {
    fn now_us(&self) -> u64;
    /// Returns the wakers of the tasks that wait.
    fn alarms(&self) -> &Alarms;
}

/// Waits until `at_us` of the clock; returns at once if that is past.
pub const fn sleep_until<C: Clock>(clock: &C, at_us: u64) -> Sleep<'_, C> {
    Sleep { clock, at_us, set: false }
}

/// See [`sleep_until`].
pub struct Sleep<'a, C> {
    clock: &'a C,
    at_us: u64,
    set: bool,
}

impl<C: Clock> Future for Sleep<'_, C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now_us() >= self.at_us {
            return Poll::Ready(());
        }
        // One alarm is enough: it wakes the task at its time, even if the task was polled before.
        if !self.set {
            self.set = true;
            self.clock.alarms().set(self.at_us, context.waker().clone());
        }
        Poll::Pending
    }
}

/// Wakers by the time at which they are due.
#[derive(Default)]
pub struct Alarms {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    heap: BinaryHeap<Reverse<Alarm>>,
    set: u64,
    closed: bool,
}

struct Alarm {
    at_us: u64,
    // Breaks ties: of tasks that are due at the same time, the one that waited first is woken first.
    order: u64,
    waker: Waker,
}

impl Alarm {
    const fn rank(&self) -> (u64, u64) {
        (self.at_us, self.order)
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl Alarms {
    fn set(&self, at_us: u64, waker: Waker) {
        let mut waiting = self.waiting.lock();
        let first = waiting.heap.peek().is_none_or(|Reverse(next)| at_us < next.at_us);
        waiting.set += 1;
        let order = waiting.set;
        waiting.heap.push(Reverse(Alarm { at_us, order, waker }));
        drop(waiting);
        // The thread sleeps until the earliest alarm, so only an earlier one has to wake it.
        if first {
            self.changed.notify_one();
        }
    }
}

/// The clock of a real run.
pub struct RealClock {
    epoch_us: u64,
    alarms: Arc<Alarms>,
    thread: Option<JoinHandle<()>>,
}

impl RealClock {
    /// Starts the clock whose time 0 is `epoch_us` of the monotonic clock.
    pub fn start(epoch_us: u64) -> Self {
        let alarms = Arc::new(Alarms::default());
        let thread = std::thread::spawn({
            let alarms = Arc::clone(&alarms);
            move || ring(&alarms, epoch_us)
        });
        Self { epoch_us, alarms, thread: Some(thread) }
    }
}

impl Clock for RealClock {
    fn now_us(&self) -> u64 {
        monotonic_us().saturating_sub(self.epoch_us)
    }

    fn alarms(&self) -> &Alarms {
        &self.alarms
    }
}

impl Drop for RealClock {
    fn drop(&mut self) {
        self.alarms.waiting.lock().closed = true;
        self.alarms.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Wakes the tasks that are due, until the clock is dropped.
fn ring(alarms: &Alarms, epoch_us: u64) {
    let mut due = Vec::new();
    let mut waiting = alarms.waiting.lock();
    while !waiting.closed {
        let now = monotonic_us().saturating_sub(epoch_us);
        while waiting.heap.peek().is_some_and(|Reverse(next)| next.at_us <= now) {
            due.extend(waiting.heap.pop().map(|Reverse(alarm)| alarm.waker));
        }
        if !due.is_empty() {
            // Woken without the lock, because a task that wakes on another thread may set its next alarm at once.
            drop(waiting);
            due.drain(..).for_each(Waker::wake);
            waiting = alarms.waiting.lock();
            continue;
        }
        let pause = waiting.heap.peek().map(|Reverse(next)| Duration::from_micros(next.at_us - now));
        match pause {
            Some(pause) => drop(alarms.changed.wait_for(&mut waiting, pause)),
            None => alarms.changed.wait(&mut waiting),
        }
    }
}

#[cfg(test)]
pub(crate) mod virtual_time {
    //! Time that moves only when every task waits: hours in milliseconds, and the same every time.

    use super::{Alarms, Clock, Reverse};
    use futures::StreamExt as _;
    use futures::stream::FuturesUnordered;
    use futures::task::noop_waker;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::{Context, Poll};

    #[derive(Default)]
    pub(crate) struct VirtualClock {
        now_us: AtomicU64,
        alarms: Alarms,
    }

    impl Clock for VirtualClock {
        fn now_us(&self) -> u64 {
            self.now_us.load(Ordering::Relaxed)
        }

        fn alarms(&self) -> &Alarms {
            &self.alarms
        }
    }

    /// Runs the futures to their end, moving the clock from alarm to alarm.
    pub(crate) fn run<'a>(
        clock: &VirtualClock,
        futures: impl IntoIterator<Item = Pin<Box<dyn Future<Output = ()> + 'a>>>,
    ) {
        let mut running: FuturesUnordered<_> = futures.into_iter().collect();
        let waker = noop_waker();
        let mut context = Context::from_waker(&waker);
        loop {
            match running.poll_next_unpin(&mut context) {
                Poll::Ready(None) => return,
                Poll::Ready(Some(())) => continue,
                Poll::Pending => {}
            }
            let Reverse(next) =
                clock.alarms.waiting.lock().heap.pop().expect("a task that is not done waits for an alarm");
            clock.now_us.fetch_max(next.at_us, Ordering::Relaxed);
            next.waker.wake();
        }
    }
}
