//! `harness token mint`: prints an access token for a stack.

use crate::arguments::{MintArguments, TokenAction, TokenArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::names::unknown;
use harness_core::drive::token::{Grant, Minter};
use harness_core::stack::state::{self, StackState};
use mcp_contracts::{Plan, Role, Scope};
use std::path::Path;

pub(crate) fn run(arguments: &TokenArguments, context: &Context) -> Result<Exit, Failure> {
    let TokenAction::Mint(mint) = &arguments.action;
    let Key { secret, .. } = key(mint.secret.as_deref())?;
    let token = Minter::new(&secret).mint(&grant(mint)?).map_err(Failure::usage)?;
    if context.output.json {
        context.print_json(&serde_json::json!({ "token": token, "expires_in_secs": mint.lifetime.as_secs() }));
    } else {
        context.print(&token);
    }
    Ok(Exit::Pass)
}

/// The key that signs tokens, and the stack that `harness up` started, if it is running.
pub(crate) struct Key {
    pub(crate) secret: String,
    pub(crate) state: Option<StackState>,
}

/// Returns the key of the arguments or, if it is omitted, the key of the stack that `harness up` started.
pub(crate) fn key(given: Option<&str>) -> Result<Key, Failure> {
    let state = state::load(Path::new(state::FOLDER)).ok();
    let secret = given.map(str::to_owned).or_else(|| state.as_ref().map(|state| state.secret.clone()));
    let secret = secret.ok_or_else(|| {
        Failure::usage("no key to sign with: no stack is running in this folder and JWT_SECRET is not set\nhint: `harness up` starts a stack")
    })?;
    Ok(Key { secret, state })
}

fn grant(mint: &MintArguments) -> Result<Grant, Failure> {
    let plan = Plan::ALL
        .into_iter()
        .find(|plan| plan.name() == mint.plan)
        .ok_or_else(|| Failure::usage(unknown("plan", &mint.plan, &Plan::ALL.map(Plan::name))))?;
    let mut grant = Grant {
        workspace: mint.workspace.clone(),
        plan,
        role: Role::default(),
        lifetime: mint.lifetime,
        ..Grant::everything(&mint.org, &mint.user)
    };
    if !mint.scope.is_empty() {
        let scope = |name: &String| {
            Scope::ALL
                .into_iter()
                .find(|scope| scope.name() == name)
                .ok_or_else(|| Failure::usage(unknown("scope", name, &Scope::ALL.map(Scope::name))))
        };
        grant.scopes = mint.scope.iter().map(scope).collect::<Result<_, _>>()?;
    }
    Ok(grant)
}
