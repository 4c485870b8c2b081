//! The labelled texts that the detectors are measured on, as they are compiled in. Tokens that look like those of a provider are not written
//! there: a template says how one is built, so that neither the files nor their history hold anything that looks like a secret.

use mcp_contracts::guardrails::Detection;
use serde::Deserialize;

/// The files, one for each detection.
const FILES: [(&str, &str); 4] = [
    ("secret.jsonl", include_str!("../../../../fixtures/corpora/guardrails/secret.jsonl")),
    ("pii.jsonl", include_str!("../../../../fixtures/corpora/guardrails/pii.jsonl")),
    ("prompt_injection.jsonl", include_str!("../../../../fixtures/corpora/guardrails/prompt_injection.jsonl")),
    ("destructive_sql.jsonl", include_str!("../../../../fixtures/corpora/guardrails/destructive_sql.jsonl")),
];

/// A labelled text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Name of the text in reports.
    pub id: String,
    /// The text; in a file it may hold templates.
    pub text: String,
    /// What a detector must find in it; nothing else may be found.
    pub labels: Vec<Detection>,
    /// What the text is.
    pub note: String,
    /// True if the detectors were never tuned on the text.
    #[serde(default)]
    pub held_out: bool,
    /// Detection of the file of this text. A text without labels is a hard negative for it.
    #[serde(skip, default = "first")]
    pub topic: Detection,
}

fn first() -> Detection {
    Detection::Secret
}

/// Every text, with its templates filled in; always the same.
///
/// # Errors
/// Names the file and the line that cannot be read.
pub fn samples() -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    for ((name, text), topic) in FILES.iter().zip(Detection::ALL) {
        for (number, line) in text.lines().enumerate() {
            let at = |problem: String| format!("line {} of `{name}`: {problem}", number + 1);
            let mut sample: Sample = serde_json::from_str(line).map_err(|error| at(error.to_string()))?;
            sample.text = filled(&sample.text, &sample.id).map_err(at)?;
            sample.topic = topic;
            samples.push(sample);
        }
    }
    Ok(samples)
}

/// Replaces each `⟦prefix:signs:length⟧` by the prefix (without `+`) and `length` random characters of the alphabet `signs`.
fn filled(text: &str, seed: &str) -> Result<String, String> {
    let mut random = Sequence::of(seed);
    let mut parts = text.split('⟦');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (template, rest) = part.split_once('⟧').ok_or("a template has no end")?;
        let mut fields = template.rsplitn(3, ':');
        let length = fields.next().and_then(|length| length.parse::<usize>().ok());
        let (Some(length), Some(signs), Some(prefix)) = (length, fields.next(), fields.next()) else {
            return Err(format!("`{template}` is not `prefix:signs:length`"));
        };
        filled.push_str(&prefix.replace('+', ""));
        random.extend(&mut filled, alphabet(signs)?, length);
        filled.push_str(rest);
    }
    Ok(filled)
}

fn alphabet(signs: &str) -> Result<&'static [u8], String> {
    const BASE64: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";
    Ok(match signs {
        "D" => &BASE64[..10],
        "H" => &BASE64[..16],
        "A" | "" => &BASE64[..62],
        "B" => &BASE64[..],
        "U" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "W" => b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-",
        other => return Err(format!("there are no signs `{other}`")),
    })
}

/// A fixed sequence of numbers for each seed (SplitMix64).
struct Sequence(u64);

impl Sequence {
    fn of(seed: &str) -> Self {
        Self(
            seed.bytes()
                .fold(0x9e37_79b9_7f4a_7c15, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
        )
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Appends random characters of an alphabet. The third one of a long text is a digit, because generated tokens contain digits.
    fn extend(&mut self, text: &mut String, alphabet: &[u8], length: usize) {
        for at in 0..length {
            let sign = alphabet[(self.next() % alphabet.len() as u64) as usize];
            text.push(if at == 2 && length > 8 { '7' } else { char::from(sign) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn templates_are_filled_the_same_way_every_time() {
        let text = filled("a ⟦x+y:H:12⟧ b", "seed").unwrap();
        assert!(text.starts_with("a xy") && text.ends_with(" b") && text.len() == 18, "{text}");
        assert_eq!(filled("a ⟦x+y:H:12⟧ b", "seed").unwrap(), text);
        assert!(filled("⟦x", "s").is_err() && filled("⟦x:?:3⟧", "s").is_err() && filled("⟦x:H⟧", "s").is_err());
    }

    #[test]
    fn the_corpus_is_large_and_balanced_and_no_text_is_there_twice() {
        let samples = samples().unwrap();
        assert!(samples.len() >= 440, "{}", samples.len());
        for detection in Detection::ALL {
            let own: Vec<_> = samples.iter().filter(|sample| sample.topic == detection).collect();
            let positive = own.iter().filter(|sample| sample.labels.contains(&detection)).count();
            let held_out = own.iter().filter(|sample| sample.held_out).count();
            assert!(positive >= 55 && own.len() - positive >= 55 && held_out * 4 >= own.len(), "{detection:?}");
        }
        let ids: BTreeSet<_> = samples.iter().map(|sample| &sample.id).collect();
        let texts: BTreeSet<_> = samples.iter().map(|sample| &sample.text).collect();
        assert_eq!((ids.len(), texts.len()), (samples.len(), samples.len()));
    }
}
