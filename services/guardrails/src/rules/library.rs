//! All rules of this process: those that were built in, those of the operator, and for each organisation what it changes. Pure: files
//! come in as texts, and either everything fits or every problem is told and nothing changes.

use super::model::Rule;
use super::proof::prove;
use super::read::{self, ReadFile, ReadRule};
use super::scan::Use;
use super::set::{Compiled, RuleSet};
use mcp_contracts::guardrails::Severity;
use mcp_kit::data::{Problem, Problems, did_you_mean};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Most rules in one set.
pub const MAX_RULES: usize = 2_000;
/// How much of the digest a version shows, in bytes.
const VERSION_BYTES: usize = 16;

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built into the binary.
    BuiltIn,
    /// The operator's: may add rules, and replace, silence and reweigh built-in ones.
    Operator,
    /// One organisation's: the same for itself alone, except that it cannot weaken a locked rule.
    Organisation(String),
}

/// A file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in messages.
    pub name: String,
    /// Whose it is.
    pub origin: Origin,
    /// Its text.
    pub text: String,
}

/// The rules that somebody is held to, and their version.
#[derive(Debug)]
pub struct Rules {
    /// The rules.
    pub set: RuleSet,
    /// A digest of all of them.
    pub version: String,
}

/// All rules of this process.
#[derive(Debug)]
pub struct Library {
    common: Arc<Rules>,
    organisations: HashMap<String, Arc<Rules>>,
}

type ById = BTreeMap<String, (Arc<Compiled>, Severity)>;

impl Library {
    /// Builds the library of the built-in rules alone.
    ///
    /// # Errors
    /// Never in a release, because a test builds it.
    pub fn built_in() -> Result<Self, Problems> {
        Self::build(&super::baseline::sources())
    }

    /// Builds the library.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn build(sources: &[Source]) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut rules = ById::new();
        let mut ordered: Vec<&Source> = sources.iter().collect();
        ordered.sort_by(|a, b| (&a.origin, &a.name).cmp(&(&b.origin, &b.name)));
        let mut organisations = Vec::new();
        let mut owners = BTreeMap::new();
        let mut changes = Vec::new();
        for source in ordered {
            let mut file = read::file(&source.name, &source.text, &mut problems);
            if let Origin::Organisation(organisation) = &source.origin {
                if organisations.iter().any(|(other, _): &(String, ReadFile)| other == organisation) {
                    let message = format!("`{organisation}` has another file; join them");
                    problems.push(Problem::of_file(file.name, message));
                } else {
                    organisations.push((organisation.clone(), file));
                }
                continue;
            }
            for read in std::mem::take(&mut file.rules) {
                let id = read.rule.id.clone();
                let earlier: Option<(Origin, String)> =
                    owners.insert(id.clone(), (source.origin.clone(), source.name.clone()));
                if let Some((_, other)) = earlier.filter(|(origin, _)| *origin == source.origin) {
                    problems.push(at(&file.name, read.line, &id, format!("the id is taken by a rule of `{other}`")));
                }
                let compiled = compiled(&file.name, read, &source.origin, &mut problems);
                let severity = compiled.rule.severity;
                rules.insert(id, (compiled, severity));
            }
            changes.push(file);
        }
        // What is silenced or reweighed may be in a later file, so changes come last.
        changes.iter().for_each(|file| change(&mut rules, file, false, &mut problems));
        let common = assemble("", rules.clone(), Use::Everybody, &mut problems);
        let organisations: HashMap<String, Arc<Rules>> = organisations
            .into_iter()
            .filter_map(|(organisation, file)| {
                let owner = Origin::Organisation(organisation.clone());
                Some((organisation, of_organisation(&rules, file, &owner, &mut problems)?))
            })
            .collect();
        match common {
            Some(common) if problems.is_empty() => Ok(Self { common, organisations }),
            Some(_) | None => Err(Problems::new("rules", problems)),
        }
    }

    /// The rules that an organisation is held to.
    pub fn of(&self, organisation: &str) -> &Arc<Rules> {
        self.organisations.get(organisation).unwrap_or(&self.common)
    }

    /// The rules of everybody who has changed none.
    pub fn common(&self) -> &Arc<Rules> {
        &self.common
    }

    /// The organisations with rules of their own.
    pub fn organisations(&self) -> impl Iterator<Item = (&str, &Arc<Rules>)> {
        self.organisations.iter().map(|(organisation, rules)| (organisation.as_str(), rules))
    }
}

fn at(file: &str, line: usize, rule: &str, message: String) -> Problem {
    Problem { file: file.to_owned(), line, item: Some(rule.to_owned()), message }
}

/// Holds a rule to its own tests, unless it is built in: those are proved once, when this program is tested, and not at every start.
fn compiled(file: &str, read: ReadRule, origin: &Origin, problems: &mut Vec<Problem>) -> Arc<Compiled> {
    let ReadRule { line, rule, check, parts, case_lines } = read;
    let compiled = Arc::new(Compiled { rule, check, parts });
    if *origin != Origin::BuiltIn {
        problems.extend(prove(file, line, &case_lines, &compiled));
    }
    compiled
}

/// Silences and reweighs rules; `bound` means that locked ones stay as strict as they are.
fn change(rules: &mut ById, file: &ReadFile, bound: bool, problems: &mut Vec<Problem>) {
    let known: Vec<String> = rules.keys().cloned().collect();
    let unknown = |id: &str| did_you_mean(id, known.iter().map(String::as_str));
    for (line, id, severity) in &file.severities {
        match rules.get_mut(id) {
            Some((compiled, now)) if bound && compiled.rule.locked && *severity < *now => problems.push(at(
                &file.name,
                *line,
                id,
                format!("the rule is locked: its severity stays `{}` or worse", now.name()),
            )),
            Some((_, now)) => *now = *severity,
            None => problems.push(at(&file.name, *line, id, format!("there is no such rule{}", unknown(id)))),
        }
    }
    for (line, id) in &file.off {
        match rules.get(id) {
            Some((compiled, _)) if bound && compiled.rule.locked => {
                problems.push(at(&file.name, *line, id, "the rule is locked and stays in force".to_owned()));
            }
            Some(_) => drop(rules.remove(id)),
            None => problems.push(at(&file.name, *line, id, format!("there is no such rule{}", unknown(id)))),
        }
    }
}

fn of_organisation(
    common: &ById,
    mut file: ReadFile,
    owner: &Origin,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Rules>> {
    let mut rules = common.clone();
    change(&mut rules, &file, true, problems);
    for read in std::mem::take(&mut file.rules) {
        let (id, line) = (read.rule.id.clone(), read.line);
        let compiled = compiled(&file.name, read, owner, problems);
        let severity = compiled.rule.severity;
        // An id that was silenced is taken all the same: two rules never share a name.
        if common.contains_key(&id) || rules.insert(id.clone(), (compiled, severity)).is_some() {
            problems.push(at(&file.name, line, &id, "the id is taken; choose another".to_owned()));
        }
    }
    assemble(&file.name, rules, Use::Few, problems)
}

fn assemble(file: &str, rules: ById, use_of: Use, problems: &mut Vec<Problem>) -> Option<Arc<Rules>> {
    if rules.len() > MAX_RULES {
        problems.push(Problem::of_file(file, format!("{} rules together; at most {MAX_RULES}", rules.len())));
        return None;
    }
    let version = version(rules.values().map(|(compiled, severity)| (&compiled.rule, *severity)));
    match RuleSet::new(rules.into_values().collect(), use_of) {
        Ok(set) => Some(Arc::new(Rules { set, version })),
        Err(why) => {
            problems.push(Problem::of_file(file, why));
            None
        }
    }
}

/// A digest of rules in the order of their ids: the same rules have the same version on every instance.
fn version<'r>(rules: impl Iterator<Item = (&'r Rule, Severity)>) -> String {
    let mut digest = Sha256::new();
    for (rule, severity) in rules {
        let text = serde_json::to_vec(rule).expect("a rule is plain data");
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
        digest.update(severity.name());
    }
    hex::encode(&digest.finalize()[..VERSION_BYTES])
}
