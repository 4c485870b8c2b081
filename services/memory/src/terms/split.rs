//! Finds words, names of code and signs in a text. What is the same word is decided in `fold`.

use super::{Kind, fold};
use unicode_normalization::char::is_combining_mark;

/// Longer whole names are not indexed; their words are.
const MAX_WHOLE_BYTES: usize = 128;
/// A word with more parts or more changes between letters and digits is an identifier such as a hash, whose parts no query names.
const MAX_PARTS: usize = 8;
const MAX_NUMBERS: usize = 2;
/// What English cuts off by an apostrophe and no query means: "Ann's", "don't", "we'll".
const ENDINGS: [&str; 7] = ["s", "t", "d", "m", "ll", "re", "ve"];

/// Calls `emit` with each token of the text, in order. Spellings are in one case.
pub(super) fn tokens(text: &str, emit: &mut impl FnMut(Kind, String)) {
    let text = fold::compatible(text);
    let mut rest = text.as_ref();
    // The two characters before `rest`.
    let mut before = (' ', ' ');
    while let Some(c) = rest.chars().next() {
        let length = if is_dense(c) {
            dense_run(rest, emit)
        } else if is_letter(c) {
            name(rest, before, emit)
        } else {
            c.len_utf8()
        };
        let mut passed = rest[..length].chars().rev();
        before = (passed.next().unwrap_or(' '), if length == c.len_utf8() { before.0 } else { 'x' });
        rest = &rest[length..];
    }
}

/// Emits the signs and pairs of a run without spaces. Returns its length in bytes.
fn dense_run(text: &str, emit: &mut impl FnMut(Kind, String)) -> usize {
    let length = text.find(|c| !is_dense(c)).unwrap_or(text.len());
    let signs: Vec<char> = text[..length].chars().collect();
    // Alone, a sign is a word; it then has the kind of one, so that a query for it is not empty.
    let kind = if signs.len() == 1 { Kind::Pair } else { Kind::Sign };
    for sign in &signs {
        emit(kind, fold::case(sign.encode_utf8(&mut [0; 4])));
    }
    for pair in signs.windows(2) {
        emit(Kind::Pair, fold::case(&pair.iter().collect::<String>()));
    }
    length
}

/// Emits a word, or the words of a name such as `src/search.py`, with the whole name. Returns its length in bytes.
fn name(text: &str, before: (char, char), emit: &mut impl FnMut(Kind, String)) -> usize {
    let end_of_word = |from: usize| {
        let length = text[from..].find(|c| !is_letter(c));
        length.map_or(text.len(), |length| from + length)
    };
    let first = end_of_word(0);
    let mut end = first;
    word(&text[..first], emit);
    // Most names are one word. Then nothing joins it, and no other spelling of it is needed.
    let (mut whole, mut words) = (String::new(), 1);
    while let Some(joint) = joint(&text[..end], &text[end..]) {
        let start = end + joint.len();
        end = end_of_word(start);
        word(&text[start..end], emit);
        if words == 1 {
            whole = fold::case(&text[..first]);
        }
        if whole.len() <= MAX_WHOLE_BYTES {
            whole.extend(joint.chars().filter_map(kept_in_whole));
            whole.push_str(&fold::case(&text[start..end]));
        }
        words += 1;
    }
    if words > 1 && whole.len() <= MAX_WHOLE_BYTES {
        emit(Kind::Whole, whole.clone());
    }
    if before.0 == '.' && !is_letter(before.1) && words == 1 {
        emit(Kind::Whole, format!(".{}", fold::case(&text[..first])));
    }
    let signs = trailing_symbols(&text[end..]);
    if !signs.is_empty() && whole.len() <= MAX_WHOLE_BYTES {
        let whole = if words == 1 { fold::case(&text[..first]) } else { whole };
        emit(Kind::Whole, format!("{whole}{signs}"));
    }
    end + ending(&text[end..])
}

/// Emits a word and its parts.
fn word(word: &str, emit: &mut impl FnMut(Kind, String)) {
    emit(Kind::Word, fold::case(word));
    for part in parts(word) {
        emit(Kind::Part, fold::case(part));
    }
}

/// Returns the characters that join the word `before` to the one that follows them in `rest`.
fn joint<'a>(before: &str, rest: &'a str) -> Option<&'a str> {
    let length = match rest.chars().next()? {
        '/' | '\\' | ':' => rest.find(|c| !matches!(c, '/' | '\\' | ':')).filter(|length| *length <= 3)?,
        '_' | '-' | '.' | '@' | ',' | '~' => 1,
        _ => return None,
    };
    let next = rest[length..].chars().next().filter(|c| is_letter(*c))?;
    // A comma stands within a number only.
    let is_number = before.ends_with(|c: char| c.is_ascii_digit()) && next.is_ascii_digit();
    (is_number || !rest.starts_with(',')).then(|| &rest[..length])
}

/// `max_retry_count`, `max-retry-count` and `maxRetryCount` are one name.
fn kept_in_whole(joint: char) -> Option<char> {
    match joint {
        '_' | '-' | ',' => None,
        '\\' => Some('/'),
        other => Some(other),
    }
}

/// Returns the signs of names such as `C++` and `C#`.
fn trailing_symbols(rest: &str) -> &str {
    for signs in ["++", "#"] {
        if let Some(after) = rest.strip_prefix(signs)
            && !after.starts_with(|c| is_letter(c) || c == '+' || c == '#')
        {
            return signs;
        }
    }
    ""
}

/// Returns the length of an apostrophe with an English ending, or 0.
fn ending(rest: &str) -> usize {
    let Some(apostrophe) = rest.chars().next().filter(|c| matches!(c, '\'' | '\u{2019}' | '\u{2bc}')) else { return 0 };
    let after = &rest[apostrophe.len_utf8()..];
    let end = after.find(|c| !is_letter(c)).unwrap_or(after.len());
    let is_ending = ENDINGS.iter().any(|ending| after[..end].eq_ignore_ascii_case(ending));
    if is_ending { apostrophe.len_utf8() + end } else { 0 }
}

/// Returns the parts of a name such as `getURLForID2`: `get`, `URL`, `For`, `ID`, `getURLForID`, `2`. A plain word has none.
fn parts(word: &str) -> Vec<&str> {
    // Most words of a text are in lower case.
    if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Vec::new();
    }
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    // Where the part begins, and where the run of letters begins that it belongs to.
    let (mut start, mut run) = (0, 0);
    let (mut parts, mut numbers) = (Vec::new(), 0);
    for (index, &(at, c)) in chars.iter().enumerate().skip(1) {
        let last = chars[index - 1].1;
        let is_next_lower = chars.get(index + 1).is_some_and(|(_, next)| next.is_lowercase());
        let is_number = c.is_numeric() != last.is_numeric();
        if is_number || (c.is_uppercase() && (last.is_lowercase() || (last.is_uppercase() && is_next_lower))) {
            parts.push(&word[start..at]);
            if is_number {
                parts.extend((run < start).then(|| &word[run..at]));
                run = at;
                numbers += 1;
            }
            start = at;
        }
    }
    parts.push(&word[start..]);
    // A run from the first letter to the last is the word.
    parts.extend((0 < run && run < start).then(|| &word[run..]));
    if parts.len() < 2 || parts.len() > MAX_PARTS || numbers > MAX_NUMBERS {
        return Vec::new();
    }
    // A single letter is no part that a query names.
    parts.retain(|part| part.chars().nth(1).is_some() || part.starts_with(char::is_numeric));
    parts
}

/// Returns true for what a word consists of: letters, digits and the marks that are written with them, which `is_alphanumeric` leaves out in
/// many scripts.
fn is_letter(c: char) -> bool {
    !is_dense(c) && (c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c)))
}

/// Returns true for the letters of scripts that write no spaces between words, and for Korean, which writes endings onto its words.
fn is_dense(c: char) -> bool {
    // Most characters are below the first of these scripts, Thai.
    c >= '\u{e01}'
        && matches!(c,
            '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' // Thai
            | '\u{e81}'..='\u{ece}' | '\u{edc}'..='\u{edf}' // Lao
            | '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{108f}' | '\u{109a}'..='\u{109d}' // Burmese
            | '\u{a9e0}'..='\u{a9ef}' | '\u{aa60}'..='\u{aa7f}'
            | '\u{1780}'..='\u{17d3}' | '\u{17dc}' | '\u{17dd}' // Khmer
            | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' // Korean
            | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' // Japanese
            | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{312f}' | '\u{31f0}'..='\u{31ff}'
            | '\u{2e80}'..='\u{2fdf}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Chinese
            | '\u{20000}'..='\u{323af}')
}
