//! Turns broken rules into verdicts: the decision that follows from the most severe rule, and its signed token. Every tool that judges an
//! action uses this module.

use crate::rules::{Library, MAX_PLACES, RuleViolation, Rules, Subject, SubjectKind};
use jiff::Timestamp;
use mcp_contracts::guardrails::{ActionRequest, BrokenRule, Decision, Severity, Verdict, VerdictKind};
use mcp_contracts::{ErrorCode, Plan, ToolError, metric};
use mcp_kit::data::Live;
use mcp_kit::verdict::{Binding, Issued, request_hash};
use mcp_kit::{CallContext, SingleUse, Verdicts};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Largest text that is judged on the thread of the call, in bytes. A larger one would delay the other calls of that thread.
const INLINE_BYTES: usize = 32 << 10;
/// Bytes of text that cost about as much as one file without a text: its path is compared with the globs of every rule.
// In a debug build 1,000 files without a change took 2.8 s of CPU, and 256 KiB of words about 0.4 s.
const FILE_BYTES: usize = 2 << 10;
/// Maximum number of rules in a token. Their ids take up to 7 KB in base64, and a token of more than 8 KiB is rejected.
const MAX_RULES_IN_TOKEN: usize = 200;

/// Judges actions. Clones share everything.
#[derive(Clone)]
pub struct Judge {
    pub live: Live<Library>,
    pub verdicts: Verdicts,
    pub single_use: SingleUse,
}

/// Result of checking the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Follows from the most severe broken rule.
    pub decision: Decision,
    /// Broken rules, the most severe first.
    pub broken: Vec<BrokenRule>,
    /// Number of rules checked.
    pub checked: u32,
    pub version: String,
}

/// Checks the parts of an action against the rules, and merges the places of a rule that several parts break.
pub fn judge(rules: &Rules, plan: Plan, subjects: &[Subject<'_>]) -> Judged {
    // The key sorts the most severe rules first.
    let mut broken: BTreeMap<(std::cmp::Reverse<Severity>, String), BrokenRule> = BTreeMap::new();
    for subject in subjects {
        for rule in rules.set.broken(subject, plan) {
            let rule = broken_rule(&rule);
            let merged = broken
                .entry((std::cmp::Reverse(rule.severity), rule.id.clone()))
                .or_insert_with(|| BrokenRule { places: Vec::new(), ..rule.clone() });
            for place in rule.places {
                if merged.places.len() < MAX_PLACES && !merged.places.contains(&place) {
                    merged.places.push(place);
                }
            }
        }
    }
    let broken: Vec<BrokenRule> = broken.into_values().collect();
    let decision = broken.iter().map(|rule| Decision::of(rule.severity)).max().unwrap_or(Decision::Allow);
    let checked = rules.set.for_plan(plan, SubjectKind::Action).count() as u32;
    Judged { decision, broken, checked, version: rules.version.clone() }
}

/// Converts a broken rule for a reply.
pub fn broken_rule(broken: &RuleViolation<'_>) -> BrokenRule {
    let rule = &broken.rule.compiled.rule;
    BrokenRule {
        id: rule.id.clone(),
        title: rule.title.clone(),
        category: rule.category.clone(),
        severity: broken.rule.severity,
        message: rule.message.clone(),
        remediation: rule.remediation.clone(),
        places: broken.places.clone(),
    }
}

/// Returns the bytes of text that cost about as much as these files.
pub fn cost_of_files<'p>(paths: impl Iterator<Item = &'p str>) -> usize {
    paths.map(|path| FILE_BYTES + path.len()).sum()
}

/// Runs work on `bytes` of text, on a separate thread if there are more than `INLINE_BYTES`.
///
/// # Errors
/// Fails if the work panics on the separate thread.
pub async fn run<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ToolError> {
    if bytes <= INLINE_BYTES {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| ToolError::new(ErrorCode::Internal, "the check failed; the log has the details"))
}

impl Judge {
    /// Returns the rules in force for the caller's organisation.
    pub fn rules(&self, context: &CallContext) -> Arc<Rules> {
        Arc::clone(self.live.get().of(&context.claims.org_id))
    }

    /// Judges an action with the rules of the caller's organisation.
    ///
    /// # Errors
    /// Fails if the work panics.
    pub async fn judged(
        &self,
        context: &CallContext,
        bytes: usize,
        work: impl FnOnce(&Rules, Plan) -> Judged + Send + 'static,
    ) -> Result<Judged, ToolError> {
        // Taken once, so that a reload during the check cannot mix two versions of the rules.
        let (rules, plan) = (self.rules(context), context.claims.plan);
        run(bytes, move || work(&rules, plan)).await
    }

    /// Counts the broken rules and signs the verdict.
    ///
    /// # Errors
    /// Fails if the token cannot be signed.
    pub fn conclude(
        &self,
        context: &CallContext,
        execution_id: &str,
        request: &ActionRequest,
        judged: Judged,
    ) -> Result<Verdict, ToolError> {
        for rule in &judged.broken {
            let labels = [("rule", rule.id.clone()), ("severity", rule.severity.name().to_owned())];
            metrics::counter!(metric::GUARDRAIL_ACTIVATIONS_TOTAL, &labels).increment(1);
        }
        count(judged.decision.name());
        let kind = match judged.decision {
            Decision::Allow => Some(VerdictKind::Allow),
            Decision::Acknowledge => Some(VerdictKind::Acknowledge),
            // A blocked action gets no token, so that no service can act on it.
            Decision::Block => None,
        };
        let issued = kind.map(|kind| self.issue(context, execution_id, request, kind, &judged)).transpose()?;
        Ok(verdict(execution_id, judged, issued.as_ref()))
    }

    /// Signs a verdict whose broken rules a user has acknowledged.
    ///
    /// # Errors
    /// Fails if the token cannot be signed.
    pub fn acknowledged(&self, binding: Binding, judged: Judged) -> Result<Verdict, ToolError> {
        count("acknowledged");
        let execution_id = binding.execution_id.clone();
        let issued = self.verdicts.issue(VerdictKind::Acknowledged, binding)?;
        let mut verdict = verdict(&execution_id, judged, Some(&issued));
        verdict.verdict = Decision::Allow;
        verdict.requires_acknowledgement = false;
        verdict.acknowledged = true;
        Ok(verdict)
    }

    fn issue(
        &self,
        context: &CallContext,
        execution_id: &str,
        request: &ActionRequest,
        kind: VerdictKind,
        judged: &Judged,
    ) -> Result<Issued, ToolError> {
        self.verdicts.issue(
            kind,
            Binding {
                org_id: context.claims.org_id.clone(),
                sub: context.claims.sub.clone(),
                execution_id: execution_id.to_owned(),
                request_hash: request_hash(request),
                rules_version: judged.version.clone(),
                rules: judged.broken.iter().take(MAX_RULES_IN_TOKEN).map(|rule| rule.id.clone()).collect(),
            },
        )
    }
}

fn count(verdict: &'static str) {
    metrics::counter!(metric::GUARDRAIL_VERDICTS_TOTAL, "verdict" => verdict).increment(1);
}

/// Builds the reply; it has no token if none was issued.
pub fn verdict(execution_id: &str, judged: Judged, issued: Option<&Issued>) -> Verdict {
    let expiry = issued.and_then(|issued| Timestamp::from_second(issued.claims.exp as i64).ok());
    Verdict {
        verdict: judged.decision,
        requires_acknowledgement: judged.decision == Decision::Acknowledge,
        rules: judged.broken,
        acknowledged: false,
        verdict_token: issued.map(|issued| issued.token.clone()),
        expires_at: expiry.map(|expiry| expiry.to_string()),
        execution_id: execution_id.to_owned(),
        rules_version: judged.version,
        rules_checked: judged.checked,
    }
}
