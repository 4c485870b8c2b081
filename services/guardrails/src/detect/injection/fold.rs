//! Folds a text to the words that a reader sees: lower case, without accents, invisible characters and punctuation; look-alikes, digits in place
//! of letters, and spaced-out letters become plain words. One pass; the output is not longer than the input. It knows no phrases.

use crate::detect::normal::{base, is_invisible, twin};

/// Marks the end of a sentence in a folded text.
pub(super) const STOP: char = '|';

/// A folded text, and where each of its bytes comes from.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) text: String,
    from: Vec<u32>,
    word: Word,
    spelled: bool,
    /// The sign between the letters of a word that is spelled.
    joint: Option<char>,
    gap: Gap,
}

#[derive(Debug, Default)]
struct Word {
    start: usize,
    letters: usize,
    chars: usize,
    disguises: bool,
    foreign: bool,
}

/// What was between the last word and here.
#[derive(Debug, Default)]
struct Gap {
    signs: usize,
    sign: Option<char>,
    stop: bool,
    lines: usize,
}

impl Folded {
    pub(super) fn of(text: &str) -> Self {
        let mut folded =
            Self { text: String::with_capacity(text.len()), from: Vec::with_capacity(text.len()), ..Self::default() };
        let mut at = 0;
        while let Some(first) = text.as_bytes().get(at) {
            if first.is_ascii_alphanumeric() {
                at += folded.plain_run(text, at);
                continue;
            }
            let mut chars = text[at..].chars();
            let (letter, next) = (chars.next().unwrap_or(' '), chars.next().unwrap_or(' '));
            folded.take(at, letter, next);
            at += letter.len_utf8();
        }
        folded.end_word();
        folded
    }

    /// Takes all plain letters and digits from `at` in one step, because most text consists of them. Returns their number.
    fn plain_run(&mut self, text: &str, at: usize) -> usize {
        let length = text.as_bytes()[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let run = &text[at..at + length];
        if self.word.chars == 0 {
            self.begin_word(at);
        }
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        self.word.chars += length;
        self.word.letters += length - digits;
        self.word.disguises |= digits > 0;
        let start = self.text.len();
        self.text.push_str(run);
        self.text[start..].make_ascii_lowercase();
        self.from.extend((at..at + length).map(|at| u32::try_from(at).unwrap_or(u32::MAX)));
        length
    }

    /// Returns the place in the original text for a place in the folded text.
    pub(super) fn place(&self, text: &str, start: usize, end: usize) -> std::ops::Range<usize> {
        let from = |at: usize| self.from.get(at).map_or(text.len(), |at| *at as usize);
        let last = from(end.saturating_sub(1));
        let width = text[last..].chars().next().map_or(0, char::len_utf8);
        from(start)..last + width
    }

    fn take(&mut self, at: usize, letter: char, next: char) {
        if letter.is_ascii() {
            let inside = self.word.chars > 0 && (next.is_alphanumeric() || is_disguise(next));
            let opens = next.is_ascii_alphabetic();
            return match letter {
                '\'' if inside => {}
                '@' | '$' if inside || opens => self.push(at, letter, true, false),
                '!' if inside && next.is_ascii_alphabetic() => self.push(at, letter, true, false),
                _ => self.sign(letter, next),
            };
        }
        match letter {
            '\u{2019}' if self.word.chars > 0 => {}
            _ if is_invisible(letter) => {}
            '。' | '！' | '？' | '；' => self.sign('.', ' '),
            _ => self.wide(at, letter),
        }
    }

    fn wide(&mut self, at: usize, letter: char) {
        match base(letter) {
            // An accent.
            None => {}
            Some(base) if base.is_ascii_alphanumeric() => self.push(at, base, base.is_ascii_digit(), false),
            Some(base) if base.is_alphanumeric() => self.push(at, base, false, twin(base).is_some()),
            Some(_) => self.sign(letter, ' '),
        }
    }

    fn push(&mut self, at: usize, letter: char, disguise: bool, foreign: bool) {
        if self.word.chars == 0 {
            self.begin_word(at);
        }
        self.word.chars += 1;
        self.word.letters += usize::from(letter.is_ascii_lowercase());
        self.word.disguises |= disguise;
        self.word.foreign |= foreign;
        self.write(at, letter);
    }

    fn begin_word(&mut self, at: usize) {
        let gap = std::mem::take(&mut self.gap);
        if self.text.is_empty() {
            // No blank before the first word.
        } else if gap.stop || gap.lines > 1 {
            self.write(at, ' ');
            self.write(at, STOP);
            self.write(at, ' ');
            self.spelled = false;
        } else {
            self.write(at, ' ');
            self.spelled &= gap.signs == 1 && (self.joint.is_none() || self.joint == gap.sign);
            self.joint = gap.sign.filter(|_| self.spelled);
        }
        self.word = Word { start: self.text.len(), ..Word::default() };
    }

    fn write(&mut self, at: usize, letter: char) {
        self.text.push(letter);
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.from.resize(self.text.len(), at);
    }

    fn sign(&mut self, sign: char, next: char) {
        self.end_word();
        self.gap.signs += 1;
        self.gap.sign = Some(sign);
        self.gap.lines += usize::from(sign == '\n');
        self.gap.stop |= matches!(sign, '.' | '!' | '?' | ';') && (next.is_whitespace() || next == '"');
    }

    fn end_word(&mut self) {
        if self.word.chars == 0 {
            return;
        }
        let word = std::mem::take(&mut self.word);
        if word.letters >= 1 && (word.disguises || word.foreign) {
            self.undisguise(&word);
        }
        // Single letters with one character between them form a word (`i g n o r e`); a wider gap ends the word.
        let single = word.chars == 1;
        if single && self.spelled && self.text[..word.start].ends_with(' ') {
            let blank = word.start - 1;
            self.text.remove(blank);
            self.from.remove(blank);
        }
        self.joint = self.joint.filter(|_| single);
        self.spelled = single;
    }

    fn undisguise(&mut self, word: &Word) {
        let letters = self.text[word.start..].to_owned();
        let places = self.from[word.start..].to_vec();
        self.text.truncate(word.start);
        self.from.truncate(word.start);
        for (offset, letter) in letters.char_indices() {
            let mut meant = if word.foreign { twin(letter).unwrap_or(letter) } else { letter };
            if word.disguises {
                meant = digit_to_letter(meant, word.letters);
            }
            self.write(places[offset] as usize, meant);
        }
    }
}

/// Returns the letter that a digit or sign replaces in a word.
fn digit_to_letter(letter: char, letters: usize) -> char {
    match letter {
        '0' => 'o',
        // `a11` and `prev1ous`: both readings are covered by what phrases accept.
        '1' | '!' => {
            if letters == 1 {
                'l'
            } else {
                'i'
            }
        }
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

fn is_disguise(letter: char) -> bool {
    matches!(letter, '@' | '$' | '!')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn disguises_are_read_as_the_words_that_they_spell() {
        let cases = [
            ("Don\u{2019}t  STOP, now", "dont stop now"),
            ("One. Two", "one | two"),
            ("One\n\nTwo", "one | two"),
            ("i g n o r e  a l l", "ignore all"),
            ("i-g-n-o-r-e it", "ignore it"),
            ("i.g.n.o.r.e a.l.l it", "ignore all it"),
            ("hướng dẫn trước đó", "huong dan truoc do"),
            ("1gn0re prev10us", "ignore previous"),
            ("in$truct1ons", "instructions"),
            ("ign\u{200b}ore", "ignore"),
            ("\u{456}gnore", "ignore"),
            ("забудь всё", "забудь все"),
            ("précédentes", "precedentes"),
            ("\u{1d422}\u{1d420}\u{1d427}\u{1d428}\u{1d42b}\u{1d41e}", "ignore"),
        ];
        for (text, folded) in cases {
            assert_eq!(Folded::of(text).text, folded);
        }
    }

    proptest! {
        #[test]
        fn every_range_maps_back_into_the_text(text in "\\PC{0,60}|[a-c0135 .@é\u{200b}\u{430}]{0,60}") {
            let folded = Folded::of(&text);
            prop_assert_eq!(folded.text.len(), folded.from.len());
            for (start, letter) in folded.text.char_indices() {
                let place = folded.place(&text, start, start + letter.len_utf8());
                prop_assert!(text.get(place.clone()).is_some(), "{:?}", place);
            }
        }
    }
}
