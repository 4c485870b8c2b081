//! The first step: decides if the action may proceed. Only a valid verdict on exactly this request allows it. Any other reply blocks the
//! action, and so does a missing reply while guardrails are up, because a caller can cause both. The risk of the action decides only if
//! guardrails are down ([`Permission::NoVerdict`]).

use super::request::PriorVerdict;
use super::steps::{StepResult, StepTimer, reason};
use super::{Run, Workflow};
use crate::peer::PeerError;
use crate::peers::{ACKNOWLEDGE, CHECK};
use mcp_contracts::guardrails::{
    AcknowledgeGuardrails, BrokenRule, CheckGuardrails, Decision, Verdict, VerdictClaims, VerdictKind,
};
use mcp_contracts::orchestrator::{Reason, StepName, StepOutcome};
use mcp_contracts::{ToolError, metric};

#[derive(Debug, Clone)]
pub(super) enum Permission {
    Granted(Box<InjectionGrant>),
    /// Guardrails are down.
    NoVerdict,
    /// A user must acknowledge the broken rules. Contains the token that is needed for it.
    MustAcknowledge(String),
    Refused,
    /// Guardrails are up and gave no verdict.
    Unchecked {
        retryable: bool,
    },
}

/// A verdict that allows an injection.
#[derive(Debug, Clone)]
pub(super) struct InjectionGrant {
    pub(super) token: String,
    pub(super) claims: VerdictClaims,
}

impl InjectionGrant {
    /// Returns true if the verdict can be used only once; a call with it must not be retried.
    pub(super) fn single_use(&self) -> bool {
        self.claims.kind == VerdictKind::Acknowledged
    }
}

#[derive(Debug, Clone)]
pub(super) struct GuardrailResult {
    pub(super) permission: Permission,
    pub(super) decision: Option<Decision>,
    pub(super) rules: Vec<BrokenRule>,
    pub(super) rules_version: Option<String>,
    pub(super) step: StepResult,
}

impl GuardrailResult {
    fn of(permission: Permission, verdict: Verdict, step: StepResult) -> Self {
        let step = match permission {
            Permission::Refused => step.degraded(Reason::GuardrailBlocked),
            Permission::Granted(_)
            | Permission::MustAcknowledge(_)
            | Permission::NoVerdict
            | Permission::Unchecked { .. } => step,
        };
        let (decision, rules_version) = (Some(verdict.verdict), Some(verdict.rules_version));
        Self { permission, decision, rules: verdict.rules, rules_version, step }
    }
}

impl Workflow {
    pub(super) async fn judge(&self, run: &Run<'_>) -> Result<GuardrailResult, ToolError> {
        let timer = StepTimer::begin(StepName::Guardrails);
        match &run.request.verdict {
            PriorVerdict::None => self.check(run, timer).await,
            PriorVerdict::Acknowledged(token) => {
                // Checked again, because it may have expired while the call waited for another one of the same execution.
                let claims = self.verdicts.check(Some(token), &run.claims.org_id, run.id, &run.request.hash)?;
                let rules_version = Some(claims.rules_version.clone());
                let step = timer.end(StepOutcome::Ok, "verdict_token", 0).with_detail("acknowledged");
                let permission = Permission::Granted(Box::new(InjectionGrant { token: token.clone(), claims }));
                Ok(GuardrailResult {
                    permission,
                    decision: Some(Decision::Allow),
                    rules: Vec::new(),
                    rules_version,
                    step,
                })
            }
            PriorVerdict::Answered { token, reason: None } => {
                let step = timer.end(StepOutcome::Ok, "verdict_token", 0).with_detail("not acknowledged");
                let permission = Permission::MustAcknowledge(token.clone());
                let decision = Some(Decision::Acknowledge);
                Ok(GuardrailResult { permission, decision, rules: Vec::new(), rules_version: None, step })
            }
            PriorVerdict::Answered { token, reason: Some(why) } => self.acknowledge(run, timer, token, why).await,
        }
    }

    async fn check(&self, run: &Run<'_>, timer: StepTimer) -> Result<GuardrailResult, ToolError> {
        let action = &run.request.action;
        let arguments = CheckGuardrails {
            action: action.action,
            intent: action.intent.clone(),
            files: action.files.clone(),
            text: action.text.clone(),
            execution_id: Some(run.id.to_owned()),
        };
        let called = self.peers.guardrails.call::<_, Verdict>(&run.call(CHECK, true), &arguments).await;
        match called.result {
            Ok(verdict) => Ok(match self.well_formed(run, &verdict, VerdictKind::Allow) {
                Ok(permission) => {
                    let step = timer.end(StepOutcome::Ok, "guardrails", called.attempts);
                    GuardrailResult::of(permission, verdict, step)
                }
                Err(why) => invalid_verdict(run, timer, called.attempts, why),
            }),
            Err(PeerError::Malformed(why)) => Ok(invalid_verdict(run, timer, called.attempts, why)),
            Err(error) => {
                let permission = self.without_verdict(run, &error).await;
                Ok(no_verdict(run, timer, called.attempts, &error, permission))
            }
        }
    }

    /// Guardrails are down if the connection is refused or the breaker is open. A connection that was cut proves an outage only if guardrails do
    /// not answer a probe either, because what the caller sent may have cut it.
    async fn without_verdict(&self, run: &Run<'_>, error: &PeerError) -> Permission {
        match error {
            PeerError::Refused | PeerError::Open => Permission::NoVerdict,
            PeerError::Cut if !self.peers.guardrails.answers(run.deadline).await => Permission::NoVerdict,
            error => Permission::Unchecked { retryable: !error.is_permanent() },
        }
    }

    /// Sends the user's acknowledgement to guardrails, which sign it once.
    async fn acknowledge(
        &self,
        run: &Run<'_>,
        timer: StepTimer,
        token: &str,
        why: &str,
    ) -> Result<GuardrailResult, ToolError> {
        let arguments = AcknowledgeGuardrails { verdict_token: token.to_owned(), reason: why.to_owned() };
        let called = self.peers.guardrails.call::<_, Verdict>(&run.call(ACKNOWLEDGE, false), &arguments).await;
        let failed = match called.result {
            Ok(verdict) => match self.well_formed(run, &verdict, VerdictKind::Acknowledged) {
                Ok(permission) => {
                    let step = timer.end(StepOutcome::Ok, "guardrails", called.attempts).with_detail("acknowledged");
                    return Ok(GuardrailResult::of(permission, verdict, step));
                }
                Err(why) => invalid_verdict(run, timer, called.attempts, why),
            },
            // The user's mistake, such as a reason that is too short or a second answer to one question, so the user gets the error.
            Err(PeerError::Tool(error)) if !error.retryable => return Err(error),
            Err(PeerError::Malformed(why)) => invalid_verdict(run, timer, called.attempts, why),
            Err(error) => {
                // The rules are broken, so nothing proceeds without the acknowledgement, however low the risk.
                let permission = Permission::Unchecked { retryable: !error.is_permanent() };
                no_verdict(run, timer, called.attempts, &error, permission)
            }
        };
        Ok(failed)
    }

    /// Returns the permission that a reply gives. Fails if the reply is not a verdict on this run.
    fn well_formed(&self, run: &Run<'_>, verdict: &Verdict, wanted: VerdictKind) -> Result<Permission, &'static str> {
        if verdict.execution_id != run.id {
            return Err("it is for another execution");
        }
        if verdict.requires_acknowledgement != (verdict.verdict == Decision::Acknowledge) {
            return Err("it contradicts itself");
        }
        let signed = || {
            let token = verdict.verdict_token.as_deref().ok_or("it has no token")?;
            let claims = self.verdicts.open(token, &run.claims.org_id).map_err(|_| "its token is not accepted")?;
            if claims.execution_id != run.id || claims.request_hash != run.request.hash {
                return Err("its token is for another request");
            }
            Ok((token.to_owned(), claims))
        };
        match verdict.verdict {
            // A block needs no token: a false one can only stop the run.
            Decision::Block => Ok(Permission::Refused),
            Decision::Acknowledge => match signed()? {
                (token, claims) if claims.kind == VerdictKind::Acknowledge => Ok(Permission::MustAcknowledge(token)),
                _ => Err("its token is of another kind"),
            },
            Decision::Allow => match signed()? {
                (token, claims) if claims.kind == wanted => {
                    Ok(Permission::Granted(Box::new(InjectionGrant { token, claims })))
                }
                _ => Err("its token is of another kind"),
            },
        }
    }
}

fn invalid_verdict(run: &Run<'_>, timer: StepTimer, attempts: u32, why: &'static str) -> GuardrailResult {
    metrics::counter!(metric::GUARDRAIL_INVALID_VERDICT_TOTAL).increment(1);
    tracing::warn!(
        executionId = run.id,
        orgId = run.claims.org_id,
        why,
        "a reply of guardrails is not a valid verdict"
    );
    no_verdict(run, timer, attempts, &PeerError::Malformed(why), Permission::Unchecked { retryable: true })
}

/// Counts and logs a missing verdict as a violation, with the risk of the action as its severity.
fn no_verdict(
    run: &Run<'_>,
    timer: StepTimer,
    attempts: u32,
    error: &PeerError,
    permission: Permission,
) -> GuardrailResult {
    let severity = run.request.action.action.risk().name();
    metrics::counter!(metric::GUARDRAIL_FAIL_CLOSED_TOTAL, "severity" => severity).increment(1);
    tracing::warn!(
        violation = Reason::GuardrailUnavailable.name(),
        severity,
        action = run.request.action.action.name(),
        executionId = run.id,
        orgId = run.claims.org_id,
        userId = run.claims.sub,
        why = error.name(),
        "no verdict from guardrails: no pattern is injected"
    );
    let step = timer.end(StepOutcome::Fallback, "none", attempts).with_detail(error.name());
    let step = step.degraded(Reason::GuardrailUnavailable).degraded(reason(error, Reason::GuardrailUnavailable));
    GuardrailResult { permission, decision: None, rules: Vec::new(), rules_version: None, step }
}
