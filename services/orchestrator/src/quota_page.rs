//! The page with an organisation's remaining quota at each service and its budget for models.

use crate::llm::SpendLedger;
use futures::FutureExt;
use mcp_contracts::orchestrator::{QUOTA_PATH, QuotaPage, ServiceQuota};
use mcp_contracts::{ErrorCode, ToolError};
use mcp_kit::quota::Quota;
use mcp_kit::{CallContext, Page};
use serde_json::value::{RawValue, to_raw_value};

pub fn page(quota: Quota, ledger: SpendLedger) -> Page {
    Page::new(QUOTA_PATH, move |context: CallContext| {
        let (quota, ledger) = (quota.clone(), ledger.clone());
        async move { quota_page(&context, &quota, &ledger).await }.boxed()
    })
}

async fn quota_page(context: &CallContext, quota: &Quota, ledger: &SpendLedger) -> Result<Box<RawValue>, ToolError> {
    let (org, plan) = (&context.claims.org_id, context.claims.plan);
    let used = quota.usage(org, plan).await;
    let spent = ledger
        .spent_today(org)
        .await
        .map_err(|error| ToolError::new(ErrorCode::DependencyUnavailable, error.to_string()))?;
    let services = used.iter().map(|(service, state)| ServiceQuota {
        service: service.name().to_owned(),
        limit: state.limit,
        used: state.limit.saturating_sub(state.remaining),
        remaining: state.remaining,
        reset_secs: state.reset_secs,
    });
    let page = QuotaPage {
        org_id: org.clone(),
        plan,
        mode: used.first().map_or("local", |(_, state)| state.mode.name()).to_owned(),
        services: services.collect(),
        llm_used_micro_usd: spent,
        llm_limit_micro_usd: ledger.budget(plan),
    };
    to_raw_value(&page).map_err(|error| ToolError::new(ErrorCode::Internal, error.to_string()))
}
