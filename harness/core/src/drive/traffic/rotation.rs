//! Which of several instances a call goes to: each in turn, as behind a load balancer. Two calls of one user in a row go to different instances, so that
//! what one instance has written is read from another.

use std::sync::atomic::{AtomicUsize, Ordering};

pub struct Rotation {
    next: AtomicUsize,
}

impl Rotation {
    /// Begins at an instance that the seed of the run chooses.
    pub fn of_seed(seed: u64) -> Self {
        // Bounded, so that the counter does not overflow within a run.
        Self { next: AtomicUsize::new((seed % 1_024) as usize) }
    }

    /// Returns the position of the next instance. `count` is their number; 0 is treated as 1.
    pub fn next(&self, count: usize) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % count.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Rotation;

    #[test]
    fn every_instance_has_its_turn_and_the_seed_chooses_the_first() {
        let turns = |seed| {
            let rotation = Rotation::of_seed(seed);
            (0..4).map(|_| rotation.next(3)).collect::<Vec<_>>()
        };
        assert_eq!((turns(0), turns(1)), (vec![0, 1, 2, 0], vec![1, 2, 0, 1]));
        assert!((0..3).contains(&Rotation::of_seed(u64::MAX).next(3)));
    }
}
