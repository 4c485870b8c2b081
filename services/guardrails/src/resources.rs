//! The rules as resources: all rules that apply to the caller, and each rule by its id.

use crate::rules::{EffectiveRule, Library};
use futures::future::BoxFuture;
use mcp_contracts::guardrails::{RULE_URI_PREFIX, RULES_URI};
use mcp_contracts::{ErrorCode, Scope, ToolError};
use mcp_kit::data::Live;
use mcp_kit::{CallContext, ResourceInfo, ResourceTemplate, ResourceText, Resources};
use serde_json::{Value, json};
use std::sync::Arc;

const JSON: &str = "application/json";

pub(crate) struct RuleResources {
    live: Live<Library>,
}

impl RuleResources {
    pub(crate) fn new(live: Live<Library>) -> Self {
        Self { live }
    }
}

impl Resources for RuleResources {
    fn scopes(&self) -> &'static [Scope] {
        &[Scope::GuardrailsValidate]
    }

    fn list(&self, _context: &CallContext) -> Vec<ResourceInfo> {
        vec![ResourceInfo {
            uri: RULES_URI.to_owned(),
            name: "rules".to_owned(),
            title: "Rules in force".to_owned(),
            description: "Every rule that applies to your organisation, with its severity and message.".to_owned(),
            mime_type: JSON,
        }]
    }

    fn templates(&self) -> Vec<ResourceTemplate> {
        vec![ResourceTemplate {
            uri_template: format!("{RULE_URI_PREFIX}{{id}}"),
            name: "rule".to_owned(),
            title: "One rule".to_owned(),
            description: "A rule with its condition, its remediation and its tests.".to_owned(),
            mime_type: JSON,
        }]
    }

    fn read(&self, context: CallContext, uri: String) -> BoxFuture<'static, Result<ResourceText, ToolError>> {
        let rules = Arc::clone(self.live.get().of(&context.claims.org_id));
        Box::pin(async move {
            let mut in_force = rules.set.rules().iter().filter(|rule| rule.compiled.rule.plan <= context.claims.plan);
            let document = if uri == RULES_URI {
                Some(json!({ "rulesVersion": rules.version, "rules": in_force.map(summary).collect::<Vec<_>>() }))
            } else {
                let id = uri.strip_prefix(RULE_URI_PREFIX);
                id.and_then(|id| in_force.find(|rule| rule.compiled.rule.id == id)).map(detail)
            };
            let document = document.ok_or_else(|| {
                let shown: String = uri.chars().take(200).collect();
                ToolError::new(ErrorCode::NotFound, format!("no rule `{shown}` applies to you"))
                    .with_hint(format!("`{RULES_URI}` lists them"))
            })?;
            Ok(ResourceText { mime_type: JSON, text: document.to_string() })
        })
    }
}

fn summary(rule: &EffectiveRule) -> Value {
    let definition = &rule.compiled.rule;
    json!({
        "id": definition.id, "title": definition.title, "category": definition.category, "severity": rule.severity,
        "subject": definition.subject, "plan": definition.plan, "locked": definition.locked, "message": definition.message,
        "uri": format!("{RULE_URI_PREFIX}{}", definition.id),
    })
}

fn detail(rule: &EffectiveRule) -> Value {
    let mut document = serde_json::to_value(&rule.compiled.rule).unwrap_or_default();
    // An organisation may have changed the severity that the author wrote.
    document["severity"] = json!(rule.severity);
    document
}
