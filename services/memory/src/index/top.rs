//! Finds the best memories for a query without reading every place (MaxScore, Turtle and Flood 1995, with bounds for each block). The result is
//! that of scoring every memory; a test compares both.

use super::block::{Block, Posting, Postings, places};
use crate::ranking::{Weight, recency};
use crate::store::Rank;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// Bounds and scores are sums in different orders, so their last bits differ.
const SLACK: f64 = 1.0 + 1e-9;

/// A concept of the query.
#[derive(Debug, Clone)]
pub struct Scorer {
    pub weight: Weight,
    /// Spellings of the query.
    pub forms: Vec<u8>,
}

impl Scorer {
    fn score(&self, frequency: u64, length: u64, forms: &[u8]) -> f64 {
        self.weight.score(frequency, length, self.forms.iter().any(|form| forms.contains(form)))
    }

    fn bound(&self, block: &Block) -> f64 {
        self.weight.score(block.max_frequency, block.min_length, true)
    }
}

/// The input of a ranking. A score depends only on this, and on the text and the day of a memory.
#[derive(Debug, Clone)]
pub struct Question {
    pub scorers: Vec<Scorer>,
    /// Ages are measured from this day.
    pub today: i64,
    pub limit: usize,
    /// Only memories that rank after this one.
    pub after: Option<Rank>,
    /// Only memories with this number or a lower one.
    pub newest: i64,
    /// Memories that [`Top::add_lists`] skips, because their texts have changed since the first page.
    pub excluded: HashSet<i64>,
}

/// A memory whose terms are not in blocks: the number of the concept, its frequency and its spellings for each concept that it has.
#[derive(Debug, Clone)]
pub struct UnblockedCandidate {
    pub memory: i64,
    pub length: u64,
    pub day: i64,
    pub matches: Vec<(usize, u64, Vec<u8>)>,
}

/// A memory among the best.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    pub rank: Rank,
    /// The part of each concept, in the order of the query, before the factor for recent memories.
    pub parts: Vec<f64>,
}

impl Eq for Best {}

impl PartialOrd for Best {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Best {
    /// The greatest is the last of the page, because that one is replaced first.
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.rank, &other.rank)
    }
}

/// Orders hits: higher scores first, then newer memories.
pub fn compare(one: &Rank, other: &Rank) -> Ordering {
    other.score.total_cmp(&one.score).then(other.sequence.cmp(&one.sequence))
}

/// Collects the best memories of a question.
#[derive(Debug)]
pub struct Top {
    question: Arc<Question>,
    best: BinaryHeap<Best>,
    stop: Arc<AtomicBool>,
}

impl Top {
    pub fn new(question: Question) -> Self {
        let best = BinaryHeap::with_capacity(question.limit + 1);
        Self { best, question: Arc::new(question), stop: Arc::default() }
    }

    /// Ends early, with the best of what was considered before, when `stop` becomes true: the caller has gone.
    #[must_use]
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// Returns the best memories, best first.
    pub fn into_sorted(self) -> Vec<Best> {
        self.best.into_sorted_vec()
    }

    /// Score below which no memory is among the best.
    fn threshold(&self) -> f64 {
        let worst = self.best.peek().filter(|_| self.best.len() >= self.question.limit);
        worst.map_or(f64::NEG_INFINITY, |worst| worst.rank.score)
    }

    /// Considers a memory. `accept` is called only for one that would be among the best.
    ///
    /// # Errors
    /// Fails if `accept` fails.
    pub fn add<E>(
        &mut self,
        single: &UnblockedCandidate,
        accept: &mut impl FnMut(i64) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut parts = vec![0.0; self.question.scorers.len()];
        for (concept, frequency, forms) in &single.matches {
            parts[*concept] = self.question.scorers[*concept].score(*frequency, single.length, forms);
        }
        self.offer(single.memory, single.day, &parts, accept)
    }

    fn offer<E>(
        &mut self,
        memory: i64,
        day: i64,
        parts: &[f64],
        accept: &mut impl FnMut(i64) -> Result<bool, E>,
    ) -> Result<(), E> {
        // Always in the order of the query: the rounding of a sum depends on its order, and every page must get the same scores.
        let score = parts.iter().sum::<f64>() * recency(self.question.today.saturating_sub(day));
        let rank = Rank { score, sequence: memory };
        let is_after = self.question.after.is_none_or(|after| compare(&rank, &after) == Ordering::Greater);
        let is_full = self.best.len() >= self.question.limit;
        let is_better = !is_full || self.best.peek().is_some_and(|worst| compare(&rank, &worst.rank) == Ordering::Less);
        if score <= 0.0 || memory > self.question.newest || !is_after || !is_better || !accept(memory)? {
            return Ok(());
        }
        self.best.push(Best { rank, parts: parts.to_vec() });
        if self.best.len() > self.question.limit {
            self.best.pop();
        }
        Ok(())
    }

    /// Considers every memory in the lists of one scope, one list for each concept. No memory of the lists is newer than `newest_day`.
    ///
    /// # Errors
    /// Fails if `accept` fails.
    pub fn add_lists<E>(
        &mut self,
        lists: &[Vec<Block>],
        newest_day: i64,
        accept: &mut impl FnMut(i64) -> Result<bool, E>,
    ) -> Result<(), E> {
        let question = Arc::clone(&self.question);
        let stop = Arc::clone(&self.stop);
        let mut walk = Walk::new(lists, &question, newest_day, &stop);
        let mut parts = vec![0.0; question.scorers.len()];
        let mut threshold = self.threshold();
        walk.set_threshold(threshold);
        while let Some((memory, day)) = walk.next(threshold, &mut parts) {
            if question.excluded.contains(&memory) {
                continue;
            }
            self.offer(memory, day, &parts, accept)?;
            if self.threshold() > threshold {
                threshold = self.threshold();
                walk.set_threshold(threshold);
            }
        }
        Ok(())
    }
}

/// Walks over the lists of one scope, memory by memory.
struct Walk<'a> {
    question: &'a Question,
    /// Lists with the lowest bound first.
    lists: Vec<List<'a>>,
    /// Sum of the bounds of a list and of all before it.
    sums: Vec<f64>,
    /// Index of the first essential list. A memory that is only in the lists before it cannot reach the threshold, so those lists are read only
    /// for memories of the essential lists.
    essential: usize,
    /// Factor of the newest memory.
    factor: f64,
    stop: &'a AtomicBool,
}

impl<'a> Walk<'a> {
    fn new(blocks: &'a [Vec<Block>], question: &'a Question, newest_day: i64, stop: &'a AtomicBool) -> Self {
        let factor = recency(question.today.saturating_sub(newest_day));
        let mut lists: Vec<List<'a>> = (0..blocks.len())
            .filter(|concept| !blocks[*concept].is_empty())
            .map(|concept| List::new(concept, &blocks[concept], &question.scorers[concept]))
            .collect();
        lists.sort_by(|one, other| one.bound.total_cmp(&other.bound));
        let mut sum = 0.0;
        let sums = lists
            .iter()
            .map(|list| {
                sum += list.bound;
                sum
            })
            .collect();
        Self { question, lists, sums, essential: 0, factor, stop }
    }

    /// Prepares for a threshold, which only grows.
    fn set_threshold(&mut self, threshold: f64) {
        let reach = |bound: f64| bound * self.factor * SLACK;
        self.essential = self.sums.iter().position(|sum| reach(*sum) >= threshold).unwrap_or(self.lists.len());
        let all = self.sums.last().copied().unwrap_or_default();
        for list in &mut self.lists {
            // The score that a block must reach even if the memory gets the bound of every other list.
            list.floor = threshold / (self.factor * SLACK) - (all - list.bound) * SLACK;
        }
    }

    /// Returns the next memory that may reach the threshold, with its day, and sets the `parts` of its score.
    fn next(&mut self, threshold: f64, parts: &mut [f64]) -> Option<(i64, i64)> {
        while !self.stop.load(Relaxed) {
            for list in &mut self.lists[self.essential..] {
                list.skip_weak_blocks();
            }
            let memory = self.lists[self.essential..].iter().filter_map(List::memory).min()?;
            parts.fill(0.0);
            let (mut sum, mut day) = (0.0, 0);
            for list in &mut self.lists[self.essential..] {
                if let Some(place) = list.current.filter(|place| place.memory == memory) {
                    sum += list.score(&place, parts);
                    day = place.day;
                    list.advance();
                }
            }
            let factor = recency(self.question.today.saturating_sub(day)) * SLACK;
            let mut index = self.essential;
            while index > 0 && (sum + self.sums[index - 1]) * factor >= threshold {
                index -= 1;
                let list = &mut self.lists[index];
                list.seek(memory);
                if let Some(place) = list.current.filter(|place| place.memory == memory) {
                    sum += list.score(&place, parts);
                }
            }
            if sum * factor >= threshold {
                return Some((memory, day));
            }
        }
        None
    }
}

/// The places of one concept in one scope.
struct List<'a> {
    concept: usize,
    scorer: &'a Scorer,
    blocks: &'a [Block],
    /// Index of the block of `current`.
    block: usize,
    places: Postings<'a>,
    current: Option<Posting<'a>>,
    /// The most that a memory gets from this list.
    bound: f64,
    /// Blocks whose bound is lower are left out.
    floor: f64,
}

impl<'a> List<'a> {
    fn new(concept: usize, blocks: &'a [Block], scorer: &'a Scorer) -> Self {
        let bound = blocks.iter().map(|block| scorer.bound(block)).fold(0.0, f64::max);
        let mut list =
            Self { concept, scorer, blocks, block: 0, places: places(0, &[]), current: None, bound, floor: f64::MIN };
        list.open(0);
        list
    }

    fn memory(&self) -> Option<i64> {
        self.current.map(|place| place.memory)
    }

    fn score(&self, place: &Posting<'_>, parts: &mut [f64]) -> f64 {
        let score = self.scorer.score(place.frequency, place.length, place.forms);
        parts[self.concept] = score;
        score
    }

    /// Goes to the first place of a block.
    fn open(&mut self, block: usize) {
        self.block = block;
        self.places = self.blocks.get(block).map_or(places(0, &[]), |block| places(block.first, &block.bytes));
        self.current = self.places.next();
    }

    fn advance(&mut self) {
        self.current = self.places.next();
        if self.current.is_none() && self.block + 1 < self.blocks.len() {
            self.open(self.block + 1);
        }
    }

    /// Goes on to the next block whose places can reach the threshold, if the current place is the first of one that cannot.
    fn skip_weak_blocks(&mut self) {
        while let (Some(place), Some(block)) = (self.current, self.blocks.get(self.block))
            && place.memory == block.first
            && self.scorer.bound(block) < self.floor
        {
            self.open(self.block + 1);
        }
    }

    /// Goes to the first place at or after this memory.
    fn seek(&mut self, memory: i64) {
        let ahead = self.blocks[self.block..].partition_point(|block| block.first <= memory);
        if ahead > 1 {
            self.open(self.block + ahead - 1);
        }
        while self.current.is_some_and(|place| place.memory < memory) {
            self.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::block::blocks;
    use crate::ranking::Corpus;
    use proptest::prelude::*;

    const FORMS: [&[u8]; 3] = [&[0], &[1, 5], &[2]];

    /// Memories with the frequency of each of four concepts, their length and their day.
    fn memories() -> impl Strategy<Value = Vec<([u64; 4], u64, i64)>> {
        let frequency = || prop_oneof![3 => Just(0u64), 2 => 1..3u64, 1 => 1..40u64];
        let frequencies = [frequency(), frequency(), frequency(), frequency()];
        prop::collection::vec((frequencies, 1..60u64, 19_000..20_000i64), 1..900)
    }

    fn lists(memories: &[([u64; 4], u64, i64)]) -> Vec<Vec<Block>> {
        let list = |concept: usize| {
            let has = memories.iter().enumerate().filter(|(_, (frequencies, ..))| frequencies[concept] > 0);
            let place = |(number, (frequencies, length, day)): (usize, &([u64; 4], u64, i64))| Posting {
                memory: number as i64 + 1,
                frequency: frequencies[concept],
                length: *length,
                day: *day,
                forms: FORMS[number % 3],
            };
            blocks(&has.map(place).collect::<Vec<_>>())
        };
        (0..4).map(list).collect()
    }

    fn question(memories: &[([u64; 4], u64, i64)], limit: usize, after: Option<Rank>) -> Question {
        let words = memories.iter().map(|(_, length, _)| length).sum();
        let corpus = Corpus { documents: memories.len() as u64, words };
        let scorer = |concept: usize| {
            let containing = memories.iter().filter(|(frequencies, ..)| frequencies[concept] > 0).count() as u64;
            Scorer { weight: Weight::new(corpus, containing, 1.0), forms: vec![concept as u8] }
        };
        let excluded = [7, 8].into();
        let newest = memories.len() as i64 - 2;
        Question { scorers: (0..4).map(scorer).collect(), today: 20_000, limit, after, newest, excluded }
    }

    fn exhaustive(memories: &[([u64; 4], u64, i64)], question: Question) -> Vec<Best> {
        let mut top = Top::new(question.clone());
        for (number, (frequencies, length, day)) in memories.iter().enumerate() {
            let forms = FORMS[number % 3];
            let matches = (0..4).filter(|concept| frequencies[*concept] > 0);
            let matches = matches.map(|concept| (concept, frequencies[concept], forms.to_vec())).collect();
            let single = UnblockedCandidate { memory: number as i64 + 1, length: *length, day: *day, matches };
            if !question.excluded.contains(&single.memory) {
                top.add(&single, &mut |memory| Ok::<_, ()>(memory % 5 != 0)).unwrap();
            }
        }
        top.into_sorted()
    }

    #[test]
    fn a_ranking_whose_caller_has_gone_considers_no_further_memory() {
        let memories = vec![([1, 1, 1, 1], 10, 19_500); 900];
        let stop = Arc::new(AtomicBool::new(false));
        let mut top = Top::new(question(&memories, 900, None)).until(Arc::clone(&stop));
        let mut accept = |_| {
            stop.store(true, Relaxed);
            Ok::<_, ()>(true)
        };
        top.add_lists(&lists(&memories), 20_000, &mut accept).unwrap();
        assert_eq!(top.into_sorted().len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 100, ..ProptestConfig::default() })]

        #[test]
        fn the_best_are_those_of_scoring_every_memory(memories in memories(), limit in 1..30usize) {
            let lists = lists(&memories);
            let (mut after, mut pages) = (None, 0);
            loop {
                let question = question(&memories, limit, after);
                let mut top = Top::new(question.clone());
                top.add_lists(&lists, 20_000, &mut |memory| Ok::<_, ()>(memory % 5 != 0)).unwrap();
                let best = top.into_sorted();
                prop_assert_eq!(&best, &exhaustive(&memories, question));
                pages += 1;
                after = best.last().map(|last| last.rank);
                if best.len() < limit || pages == 4 {
                    break;
                }
            }
        }
    }
}
