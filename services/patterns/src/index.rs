//! Which words stand in which pattern, and what each is worth there (BM25 with fields: Robertson and Zaragoza 2009, section 3.6). All of it is
//! worked out when a catalogue is read, so that a question only adds up.

mod words;

pub use words::of as words_of;

use std::collections::{BTreeSet, HashMap};

/// How fast repetitions of a word stop counting.
const K1: f64 = 1.2;
/// How much the length of a field counts.
const B: f64 = 0.6;
/// What a word is worth by the field in which it stands: title, tags, category, summary, body.
const WEIGHTS: [f64; FIELDS] = [3.0, 3.0, 2.0, 2.0, 0.4];
const FIELDS: usize = 5;
/// How rare a word is, is told as among this many patterns at least; in a catalogue of three, no word would be rare.
const SMALLEST: f64 = 100.0;

/// The texts of one pattern.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    pub(crate) title: String,
    pub(crate) tags: String,
    pub(crate) category: String,
    pub(crate) summary: String,
    /// Without its variables.
    pub(crate) body: String,
}

/// Words of a catalogue.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// For each word: patterns by their place, and what the word adds there; always more than nothing.
    postings: HashMap<String, Vec<(u32, f64)>>,
    patterns: usize,
}

impl Index {
    /// Works out the words of patterns, which are told apart by their place.
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
        let among = count.max(SMALLEST);
        for places in frequencies.values_mut() {
            let containing = places.len() as f64;
            let rarity = (1.0 + (among - containing + 0.5) / (containing + 0.5)).ln();
            for (_, worth) in places {
                *worth = rarity * *worth * (K1 + 1.0) / (*worth + K1);
            }
        }
        Self { postings: frequencies, patterns: texts.len() }
    }

    /// Every pattern in which any of the words stands, and what the distinct words add up to there.
    pub(crate) fn matches(&self, words: &[String]) -> Vec<(usize, f64)> {
        let mut sums = vec![0.0; self.patterns];
        // In the order of the words themselves, so that the same words always give the same sum.
        for word in words.iter().collect::<BTreeSet<_>>() {
            for (at, worth) in self.postings.get(word).into_iter().flatten() {
                sums[*at as usize] += worth;
            }
        }
        sums.into_iter().enumerate().filter(|(_, sum)| *sum > 0.0).collect()
    }
}

fn fields(texts: &Texts) -> [Vec<String>; FIELDS] {
    [&texts.title, &texts.tags, &texts.category, &texts.summary, &texts.body].map(|text| words::of(text))
}

/// How often each word stands in a pattern, weighted by field and by the field's length; by word.
fn weighted<'a>(fields: &'a [Vec<String>; FIELDS], average: &[f64; FIELDS]) -> HashMap<&'a str, f64> {
    let mut frequencies = HashMap::new();
    for (field, words) in fields.iter().enumerate() {
        let length = 1.0 - B + B * words.len() as f64 / average[field];
        for word in words {
            *frequencies.entry(word.as_str()).or_default() += WEIGHTS[field] / length;
        }
    }
    frequencies
}
