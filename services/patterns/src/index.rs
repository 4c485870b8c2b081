//! Search index: the words of each pattern and their weights (BM25 with fields: Robertson and Zaragoza 2009, section 3.6). Weights are computed
//! when a catalogue is read, so that a search only adds them up.

mod words;

pub use words::of as words_of;

use std::collections::{BTreeSet, HashMap};

/// Saturation of repeated words.
const K1: f64 = 1.2;
/// Influence of the length of a field.
const B: f64 = 0.6;
/// Weight of a word by field: title, tags, category, summary, body.
// A test in `tests/score.rs` fails if these weights do not rank the right pattern among the first three for tasks in users' words. The weight of a
// body is small, because a body has many words that do not say what the pattern is for.
const WEIGHTS: [f64; FIELDS] = [3.0, 3.0, 2.0, 2.0, 0.4];
const FIELDS: usize = 5;
/// Rarity is computed as if the catalogue had at least this number of patterns. In a catalogue of three patterns no word would be rare.
const SMALLEST: f64 = 100.0;

#[derive(Debug, Clone)]
pub(crate) struct Texts {
    pub(crate) title: String,
    pub(crate) tags: String,
    pub(crate) category: String,
    pub(crate) summary: String,
    /// The body without its variables.
    pub(crate) body: String,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// For each word: the position of each pattern that contains it, and the weight of the word in that pattern, which is positive.
    postings: HashMap<String, Vec<(u32, f64)>>,
    patterns: usize,
}

impl Index {
    /// Builds the index. A pattern is identified by its position.
    pub(crate) fn of(patterns: impl Iterator<Item = Texts>) -> Self {
        let texts: Vec<[Vec<String>; FIELDS]> = patterns.map(|texts| fields(&texts)).collect();
        let count = texts.len().max(1) as f64;
        let average: [f64; FIELDS] = std::array::from_fn(|field| {
            let words: usize = texts.iter().map(|fields| fields[field].len()).sum();
            (words as f64 / count).max(1.0)
        });
        let mut frequencies: HashMap<String, Vec<(u32, f64)>> = HashMap::new();
        for (at, fields) in texts.iter().enumerate() {
            for (word, frequency) in weighted(fields, &average) {
                frequencies.entry(word.to_owned()).or_default().push((at as u32, frequency));
            }
        }
        let total = count.max(SMALLEST);
        for places in frequencies.values_mut() {
            let containing = places.len() as f64;
            let rarity = (1.0 + (total - containing + 0.5) / (containing + 0.5)).ln();
            for (_, weight) in places {
                *weight = rarity * *weight * (K1 + 1.0) / (*weight + K1);
            }
        }
        Self { postings: frequencies, patterns: texts.len() }
    }

    /// Returns every pattern that contains any of the words, with the sum of the weights of the distinct words.
    pub(crate) fn matches(&self, words: &[String]) -> Vec<(usize, f64)> {
        // A vector with one sum for each pattern instead of a map: a catalogue has at most 5,000 patterns, which is 40 kB.
        let mut sums = vec![0.0; self.patterns];
        // Sorted, because the sum of floating-point numbers depends on their order.
        for word in words.iter().collect::<BTreeSet<_>>() {
            for (at, weight) in self.postings.get(word).into_iter().flatten() {
                sums[*at as usize] += weight;
            }
        }
        sums.into_iter().enumerate().filter(|(_, sum)| *sum > 0.0).collect()
    }
}

fn fields(texts: &Texts) -> [Vec<String>; FIELDS] {
    [&texts.title, &texts.tags, &texts.category, &texts.summary, &texts.body].map(|text| words::of(text))
}

/// Returns the frequency of each word, weighted by field and by the length of the field.
fn weighted<'a>(fields: &'a [Vec<String>; FIELDS], average: &[f64; FIELDS]) -> HashMap<&'a str, f64> {
    let mut frequencies = HashMap::new();
    for (field, words) in fields.iter().enumerate() {
        // The fields are added up before the saturation, so that each further field with the same word adds less.
        let length = 1.0 - B + B * words.len() as f64 / average[field];
        for word in words {
            *frequencies.entry(word.as_str()).or_default() += WEIGHTS[field] / length;
        }
    }
    frequencies
}
