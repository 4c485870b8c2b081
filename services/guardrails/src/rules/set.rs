//! Finds the rules of a set that a subject breaks. One search for the words of all patterns selects the patterns to run and their lines; one
//! search for all globs selects the files. Every part takes time linear in the text, so no text and no rule can make it slow.

use super::check::{Check, RuleParts};
use super::model::{Rule, Size, SubjectKind};
use super::pattern::{MatchExtent, MatchField};
use super::scan::{Possible, Scanner, SetUse};
use super::subject::Subject;
use crate::detect;
use globset::{GlobSet, GlobSetBuilder};
use mcp_contracts::Plan;
use mcp_contracts::guardrails::{Detection, Severity};
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Maximum number of places that are reported for one broken rule.
pub const MAX_PLACES: usize = 5;
/// Maximum length of a path in a place, in characters.
const MAX_PLACE_CHARS: usize = 200;

/// A compiled rule; several sets may share it.
#[derive(Debug)]
pub struct Compiled {
    pub rule: Rule,
    pub(super) check: Check,
    pub(super) parts: RuleParts,
}

/// A rule in a set.
#[derive(Debug, Clone)]
pub struct EffectiveRule {
    pub compiled: Arc<Compiled>,
    /// Severity in this set; an organisation may have changed the author's.
    pub severity: Severity,
    /// Number of its first pattern among the patterns of the set.
    patterns: usize,
    /// Number of its first glob among the globs of the set.
    globs: usize,
}

/// A rule that a subject breaks.
#[derive(Debug, Clone)]
pub struct RuleViolation<'s> {
    pub rule: &'s EffectiveRule,
    pub places: Vec<String>,
}

#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<EffectiveRule>,
    scanner: Scanner,
    globs: GlobSet,
}

impl RuleSet {
    /// Builds a set. Fails if its words or globs exceed the limits of the engine.
    pub(super) fn new(mut rules: Vec<(Arc<Compiled>, Severity)>, use_of: SetUse) -> Result<Self, String> {
        rules.sort_by(|a, b| a.0.rule.id.cmp(&b.0.rule.id));
        let (mut patterns, mut globs, mut set) = (0, 0, GlobSetBuilder::new());
        let mut in_force = Vec::with_capacity(rules.len());
        for (compiled, severity) in rules {
            let parts = &compiled.parts;
            for glob in &parts.globs {
                set.add(glob.clone());
            }
            let next = (patterns + parts.patterns.len(), globs + parts.globs.len());
            in_force.push(EffectiveRule { compiled, severity, patterns, globs });
            (patterns, globs) = next;
        }
        let scanner = Scanner::new(in_force.iter().flat_map(|rule| &rule.compiled.parts.patterns), use_of)?;
        let globs = set.build().map_err(|error| format!("the globs of the rules are too large: {error}"))?;
        Ok(Self { rules: in_force, scanner, globs })
    }

    /// Returns the rules, by id.
    pub fn rules(&self) -> &[EffectiveRule] {
        &self.rules
    }

    /// Returns the rules for a kind of subject that apply to a plan.
    pub fn for_plan(&self, plan: Plan, kind: SubjectKind) -> impl Iterator<Item = &EffectiveRule> {
        self.rules.iter().filter(move |rule| rule.compiled.rule.plan <= plan && rule.compiled.rule.subject == kind)
    }

    /// Returns the rules that `subject` breaks, the most severe first.
    pub fn broken(&self, subject: &Subject<'_>, plan: Plan) -> Vec<RuleViolation<'_>> {
        let facts = Facts {
            subject,
            possible: self.scanner.scan(subject),
            matched: self.matched_globs(subject),
            detected: std::array::from_fn(|_| OnceCell::new()),
        };
        let mut broken: Vec<RuleViolation<'_>> = self
            .for_plan(plan, subject.kind)
            .filter_map(|rule| {
                let mut places = Vec::new();
                facts.holds(rule, &rule.compiled.check, &mut places).then_some(RuleViolation { rule, places })
            })
            .collect();
        broken.sort_by_key(|broken| (Reverse(broken.rule.severity), broken.rule.compiled.rule.id.as_str()));
        broken
    }

    /// Returns, for each glob, the number of the first file that it matches.
    fn matched_globs(&self, subject: &Subject<'_>) -> Vec<Option<usize>> {
        let mut first_files = vec![None; self.globs.len()];
        let mut matched = Vec::new();
        for (file, path) in subject.files.iter().enumerate() {
            self.globs.matches_into(plain(path), &mut matched);
            matched.iter().for_each(|glob| _ = first_files[*glob].get_or_insert(file));
        }
        first_files
    }
}

/// What the checks need to know about one subject, collected once for all rules.
struct Facts<'s> {
    subject: &'s Subject<'s>,
    possible: Vec<Possible>,
    matched: Vec<Option<usize>>,
    // A detector runs only if a rule needs it, and then once for all rules.
    detected: [OnceCell<bool>; Detection::ALL.len()],
}

impl Facts<'_> {
    fn holds(&self, rule: &EffectiveRule, check: &Check, places: &mut Vec<String>) -> bool {
        let subject = self.subject;
        match check {
            Check::All(checks) => {
                let before = places.len();
                let held = checks.iter().all(|check| self.holds(rule, check, places));
                // A condition that does not hold reports no places.
                if !held {
                    places.truncate(before);
                }
                held
            }
            Check::Any(checks) => {
                // All branches are checked, so that the places of each are reported.
                checks.iter().fold(false, |held, check| self.holds(rule, check, places) | held)
            }
            // Matches inside a `not` are discarded: they are places that satisfy the rule, not places that break it.
            Check::Not(check) => !self.holds(rule, check, &mut Vec::new()),
            Check::Pattern(number) => self.matches(rule, *number, places),
            Check::File(number) => self.names(rule, *number, places),
            Check::Beside(globs) => {
                let files = &subject.files;
                files.is_empty() || files.iter().any(|file| !globs.is_match(plain(file)))
            }
            Check::Without(globs) => !subject.all_files.iter().any(|file| globs.is_match(plain(file))),
            Check::Branch(globs) => subject.branch.is_some_and(|branch| globs.is_match(branch)),
            Check::Action(actions) => actions.contains(&subject.action),
            Check::Size(size) => exceeds(size, subject),
            Check::Detects(wanted) => wanted.iter().any(|wanted| self.finds(*wanted)),
            Check::Production(production) => subject.production == *production,
            Check::Backup(backup) => subject.backup == *backup,
            Check::Labelled(labelled) => subject.labelled == *labelled,
        }
    }

    fn matches(&self, rule: &EffectiveRule, number: usize, places: &mut Vec<String>) -> bool {
        let possible = &self.possible[rule.patterns + number];
        if *possible == Possible::No {
            return false;
        }
        let pattern = &rule.compiled.parts.patterns[number];
        let text: &str = match pattern.place {
            MatchField::Text => &self.subject.text,
            MatchField::Removed => &self.subject.removed,
            MatchField::Intent => &self.subject.intent,
        };
        let mut starts = BTreeSet::new();
        match (possible, pattern.reach) {
            (Possible::No, _) => {}
            (Possible::Lines(lines), MatchExtent::Line) => {
                starts.extend(pattern.lines(text, lines.iter().cloned(), MAX_PLACES))
            }
            (Possible::Whole, MatchExtent::Line) => {
                // One search over the whole text; the lines are searched only if it matches.
                if pattern.regex.is_match(text.as_bytes()) {
                    starts.extend(pattern.lines(text, super::scan::lines(text), MAX_PLACES));
                }
            }
            (Possible::Lines(_) | Possible::Whole, MatchExtent::Whole) => {
                starts.extend(pattern.regex.find(text.as_bytes()).map(|found| found.start()));
            }
        }
        for start in &starts {
            let label = || self.subject.place.chars().take(MAX_PLACE_CHARS).collect::<String>();
            let line = 1 + text.as_bytes()[..*start].iter().filter(|byte| **byte == b'\n').count();
            add_place(places, || match pattern.place {
                MatchField::Text => format!("{}, line {line}", label()),
                MatchField::Removed => format!("{}, removed line {line}", label()),
                MatchField::Intent => "intent".to_owned(),
            });
        }
        !starts.is_empty()
    }

    fn names(&self, rule: &EffectiveRule, number: usize, places: &mut Vec<String>) -> bool {
        let Some(file) = self.matched[rule.globs + number] else { return false };
        add_place(places, || self.subject.files[file].chars().take(MAX_PLACE_CHARS).collect());
        true
    }

    fn finds(&self, wanted: Detection) -> bool {
        let at = Detection::ALL.iter().position(|detection| *detection == wanted).unwrap_or_default();
        *self.detected[at].get_or_init(|| match wanted {
            Detection::DestructiveSql if self.subject.is_sql => detect::any_in_sql(&self.subject.text),
            _ => detect::any(&self.subject.text, wanted),
        })
    }
}

/// Removes a leading dot and slash, so that globs match relative paths.
fn plain(path: &str) -> &str {
    path.trim_start_matches("./").trim_start_matches('/')
}

fn add_place(places: &mut Vec<String>, place: impl FnOnce() -> String) {
    if places.len() < MAX_PLACES {
        let place = place();
        if !places.contains(&place) {
            places.push(place);
        }
    }
}

fn exceeds(size: &Size, subject: &Subject<'_>) -> bool {
    let over = |limit: Option<u64>, value: u64| limit.is_some_and(|limit| value > limit);
    over(size.text_bytes_over, subject.text.len() as u64)
        || over(size.files_over, subject.files.len() as u64)
        || subject.bytes.is_some_and(|bytes| over(size.file_bytes_over, bytes))
}
