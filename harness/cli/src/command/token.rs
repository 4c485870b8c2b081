//! `harness token mint`: a token for a stack, for people and scripts that try it.

use crate::arguments::{MintArguments, TokenAction, TokenArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::state;
use harness_core::token::{Grant, Minter};
use mcp_contracts::{Plan, Role, Scope};
use std::path::Path;

pub(crate) fn run(arguments: &TokenArguments, context: &Context) -> Result<Exit, Failure> {
    let TokenAction::Mint(mint) = &arguments.action;
    let secret = match &mint.secret {
        Some(secret) => secret.clone(),
        None => {
            let state = state::load(Path::new(state::FOLDER)).map_err(|_| {
                Failure::usage("there is no key to sign with: no stack is up here and JWT_SECRET is not set\nhint: `harness up` starts a stack")
            })?;
            state.secret
        }
    };
    let token = Minter::new(&secret).mint(&grant(mint)?).map_err(Failure::usage)?;
    if context.output.json {
        context.print_json(&serde_json::json!({ "token": token, "expires_in_secs": mint.lifetime.as_secs() }));
    } else {
        context.print(&token);
    }
    Ok(Exit::Pass)
}

fn grant(mint: &MintArguments) -> Result<Grant, Failure> {
    let plan = Plan::ALL.into_iter().find(|plan| plan.name() == mint.plan).ok_or_else(|| {
        Failure::usage(format!("no plan is called `{}`; there are {}", mint.plan, Plan::ALL.map(Plan::name).join(", ")))
    })?;
    let mut grant = Grant {
        workspace: mint.workspace.clone(),
        plan,
        role: Role::default(),
        lifetime: mint.lifetime,
        ..Grant::memory(&mint.org, &mint.user)
    };
    if !mint.scope.is_empty() {
        let scope = |name: &String| {
            Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or_else(|| {
                Failure::usage(format!(
                    "no scope is called `{name}`; there are {}",
                    Scope::ALL.map(Scope::name).join(", ")
                ))
            })
        };
        grant.scopes = mint.scope.iter().map(scope).collect::<Result<_, _>>()?;
    }
    Ok(grant)
}
