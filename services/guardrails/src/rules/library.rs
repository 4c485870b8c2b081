//! All rules of this process: the built-in rules, those of the operator, and the changes of each organisation. This module
//! gets the texts of the files and does no I/O. If any file has a problem, none of them is used.

use super::model::Rule;
use super::read::{self, ReadFile, ReadRule};
use super::rule_tests::run_tests;
use super::scan::SetUse;
use super::set::{Compiled, RuleSet};
use super::source::{MAX_RULES, Origin, Source};
use mcp_contracts::guardrails::Severity;
use mcp_kit::data::{Problem, Problems, did_you_mean};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of the digest that a version consists of.
const VERSION_BYTES: usize = 16;

/// A set of rules with its version.
#[derive(Debug)]
pub struct Rules {
    pub set: RuleSet,
    /// Digest of all rules.
    pub version: String,
}

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

    /// Builds the library from files.
    ///
    /// # Errors
    /// Reports every problem of every file.
    pub fn build(sources: &[Source]) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut rules = ById::new();
        let mut ordered: Vec<&Source> = sources.iter().collect();
        // By owner, so that rules of the operator replace built-in ones; by name, so that the order of problems is always the same.
        ordered.sort_by(|a, b| (&a.origin, &a.name).cmp(&(&b.origin, &b.name)));
        let mut organisations = Vec::new();
        let mut owners = BTreeMap::new();
        let mut changes = Vec::new();
        for source in ordered {
            let mut file = read::file(&source.name, &source.text, &mut problems);
            if let Origin::Organisation(organisation) = &source.origin {
                if organisations.iter().any(|(other, _): &(String, ReadFile)| other == organisation) {
                    let message = format!("`{organisation}` has another file; merge them");
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
                    problems.push(at(&file.name, read.line, &id, format!("the id is used by a rule in `{other}`")));
                }
                let compiled = compiled(&file.name, read, &source.origin, &mut problems);
                let severity = compiled.rule.severity;
                rules.insert(id, (compiled, severity));
            }
            changes.push(file);
        }
        // Changes are applied last, because they may refer to a rule in a later file.
        changes.iter().for_each(|file| change(&mut rules, file, false, &mut problems));
        let common = assemble("", rules.clone(), SetUse::AllOrganisations, &mut problems);
        let organisations: HashMap<String, Arc<Rules>> = organisations
            .into_iter()
            .filter_map(|(organisation, file)| {
                let origin = Origin::Organisation(organisation.clone());
                Some((organisation, of_organisation(&rules, file, &origin, &mut problems)?))
            })
            .collect();
        match common {
            Some(common) if problems.is_empty() => Ok(Self { common, organisations }),
            Some(_) | None => Err(Problems::new("rules", problems)),
        }
    }

    /// Returns the rules that apply to an organisation.
    pub fn of(&self, organisation: &str) -> &Arc<Rules> {
        self.organisations.get(organisation).unwrap_or(&self.common)
    }

    /// Returns the rules of organisations without a file of their own.
    pub fn common(&self) -> &Arc<Rules> {
        &self.common
    }

    /// Returns the organisations with a file of their own.
    pub fn organisations(&self) -> impl Iterator<Item = (&str, &Arc<Rules>)> {
        self.organisations.iter().map(|(organisation, rules)| (organisation.as_str(), rules))
    }
}

fn at(file: &str, line: usize, rule: &str, message: String) -> Problem {
    Problem { file: file.to_owned(), line, item: Some(rule.to_owned()), message }
}

/// Completes a rule of a file: runs its tests and reports those that fail. The tests of built-in rules run in the test suite and not at
/// every start.
fn compiled(file: &str, read: ReadRule, origin: &Origin, problems: &mut Vec<Problem>) -> Arc<Compiled> {
    let ReadRule { line, rule, check, parts, case_lines } = read;
    let compiled = Arc::new(Compiled { rule, check, parts });
    if *origin != Origin::BuiltIn {
        problems.extend(run_tests(file, line, &case_lines, &compiled));
    }
    compiled
}

/// Applies `off` and `severities` of a file. If `bound` is true, as for organisations, locked rules cannot be weakened.
fn change(rules: &mut ById, file: &ReadFile, bound: bool, problems: &mut Vec<Problem>) {
    let ids: Vec<String> = rules.keys().cloned().collect();
    let unknown = |id: &str| did_you_mean(id, ids.iter().map(String::as_str));
    // Severities come first: a rule that the same file switches off is still known here.
    for (line, id, severity) in &file.severities {
        match rules.get_mut(id) {
            // Compared with the severity in force, because the operator may have raised that of the author.
            Some((compiled, current)) if bound && compiled.rule.locked && *severity < *current => problems.push(at(
                &file.name,
                *line,
                id,
                format!("the rule is locked: its severity must be at least `{}`", current.name()),
            )),
            Some((_, current)) => *current = *severity,
            None => problems.push(at(&file.name, *line, id, format!("no rule has this id{}", unknown(id)))),
        }
    }
    for (line, id) in &file.off {
        match rules.get(id) {
            Some((compiled, _)) if bound && compiled.rule.locked => {
                problems.push(at(&file.name, *line, id, "the rule is locked and cannot be switched off".to_owned()));
            }
            Some(_) => drop(rules.remove(id)),
            None => problems.push(at(&file.name, *line, id, format!("no rule has this id{}", unknown(id)))),
        }
    }
}

fn of_organisation(
    common: &ById,
    mut file: ReadFile,
    origin: &Origin,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Rules>> {
    let mut rules = common.clone();
    change(&mut rules, &file, true, problems);
    for read in std::mem::take(&mut file.rules) {
        let (id, line) = (read.rule.id.clone(), read.line);
        let compiled = compiled(&file.name, read, origin, problems);
        let severity = compiled.rule.severity;
        // The id of a rule that is switched off stays in use, so that an id never means two rules.
        if common.contains_key(&id) || rules.insert(id.clone(), (compiled, severity)).is_some() {
            problems.push(at(&file.name, line, &id, "the id is in use; choose another".to_owned()));
        }
    }
    assemble(&file.name, rules, SetUse::One, problems)
}

fn assemble(file: &str, rules: ById, use_of: SetUse, problems: &mut Vec<Problem>) -> Option<Arc<Rules>> {
    if rules.len() > MAX_RULES {
        problems.push(Problem::of_file(
            file,
            format!("{} rules in all files; at most {MAX_RULES} are allowed", rules.len()),
        ));
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

/// Computes a digest of the rules in the order of their ids, so that the same rules have the same version on every instance.
fn version<'r>(rules: impl Iterator<Item = (&'r Rule, Severity)>) -> String {
    let mut digest = Sha256::new();
    for (rule, severity) in rules {
        let text = serde_json::to_vec(rule).expect("a rule is plain data");
        // With its length, so that two rules cannot have the bytes of two others.
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
        digest.update(severity.name());
    }
    hex::encode(&digest.finalize()[..VERSION_BYTES])
}

#[cfg(test)]
mod fuzz;
