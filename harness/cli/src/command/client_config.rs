//! `harness client-config`: prints the configuration file of an MCP client, with a fresh token. The file goes to stdout, so that it can be
//! redirected; the path of the file goes to stderr.

use super::token::{Key, key};
use crate::arguments::{ClientConfigArguments, ClientName};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::drive::token::{Grant, Minter};
use mcp_contracts::service::MCP_PATH;
use serde_json::{Map, Value, json};

pub(crate) fn run(arguments: &ClientConfigArguments, context: &Context) -> Result<Exit, Failure> {
    let Key { secret, state } = key(arguments.secret.as_deref())?;
    let mut urls = arguments.url.clone();
    if urls.is_empty() {
        let state = state.ok_or_else(|| {
            Failure::usage(
                "no stack is running in this folder and `--url` is not set\nhint: `harness up` starts a stack",
            )
        })?;
        let services = state.parts.into_iter().filter(|part| part.kind.service().is_some());
        urls.extend(services.map(|part| (part.name, part.url)));
    }
    let grant = Grant {
        workspace: arguments.workspace.clone(),
        lifetime: arguments.lifetime,
        ..Grant::everything(&arguments.org, &arguments.user)
    };
    let token = Minter::new(&secret).mint(&grant).map_err(Failure::usage)?;
    context.print(configuration(arguments.client, &urls, &token)?.trim_end());
    let minutes = arguments.lifetime.as_secs() / 60;
    context.print_note(&format!(
        "save this as {}; the token is valid for {minutes} min, then run this command again",
        place(arguments.client)
    ));
    Ok(Exit::Pass)
}

/// Returns the path of the client's configuration file.
const fn place(client: ClientName) -> &'static str {
    match client {
        ClientName::Cursor => "`.cursor/mcp.json` of the project, or `~/.cursor/mcp.json`",
        ClientName::Windsurf => "`~/.codeium/windsurf/mcp_config.json`",
        ClientName::Claude => "`.mcp.json` of the project",
        ClientName::ClaudeDesktop => "`claude_desktop_config.json` (Settings, Developer, Edit Config)",
        ClientName::Vscode => "`.vscode/mcp.json` of the project",
        ClientName::Gemini => "`.gemini/settings.json` of the project, or `~/.gemini/settings.json`",
        ClientName::Codex => "`~/.codex/config.toml`, or add it there",
        ClientName::Zed => "a part of `~/.config/zed/settings.json`",
    }
}

/// Key that holds the servers in the client's file.
const fn servers_key(client: ClientName) -> &'static str {
    match client {
        ClientName::Cursor
        | ClientName::Windsurf
        | ClientName::Claude
        | ClientName::ClaudeDesktop
        | ClientName::Gemini => "mcpServers",
        ClientName::Vscode => "servers",
        ClientName::Codex => "mcp_servers",
        ClientName::Zed => "context_servers",
    }
}

/// The entry of one server. Each form has a fixture with its source and date in `fixtures/clients`.
fn server(client: ClientName, url: &str, token: &str) -> Value {
    let bearer = format!("Bearer {token}");
    let headers = json!({ "Authorization": bearer });
    match client {
        ClientName::Cursor | ClientName::Zed => json!({ "url": url, "headers": headers }),
        ClientName::Windsurf => json!({ "serverUrl": url, "headers": headers }),
        ClientName::Claude | ClientName::Vscode => json!({ "type": "http", "url": url, "headers": headers }),
        // Gemini CLI takes `url` for the older SSE transport.
        ClientName::Gemini => json!({ "httpUrl": url, "headers": headers }),
        ClientName::Codex => json!({ "url": url, "http_headers": headers }),
        // Claude Desktop starts local programs only. The header is in a variable, because some versions split arguments at spaces.
        ClientName::ClaudeDesktop => json!({
            "command": "npx",
            "args": ["-y", "mcp-remote", url, "--header", "Authorization:${AUTHORIZATION}"],
            "env": { "AUTHORIZATION": bearer },
        }),
    }
}

/// Text of the client's configuration file.
fn configuration(client: ClientName, urls: &[(String, String)], token: &str) -> Result<String, Failure> {
    let entry = |(service, base): &(String, String)| {
        let url = format!("{}{MCP_PATH}", base.trim_end_matches('/'));
        (service.clone(), server(client, &url, token))
    };
    let servers: Map<String, Value> = urls.iter().map(entry).collect();
    let file = json!({ servers_key(client): servers });
    match client {
        ClientName::Codex => toml::to_string_pretty(&file).map_err(Failure::internal),
        _ => serde_json::to_string_pretty(&file).map_err(Failure::internal),
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientName, configuration};
    use clap::ValueEnum;
    use std::path::Path;

    #[test]
    fn every_client_gets_the_form_of_its_own_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/clients");
        let urls = [("memory".to_owned(), "http://127.0.0.1:7420/".to_owned())];
        for client in ClientName::value_variants() {
            let name = client.to_possible_value().unwrap();
            let ending = if *client == ClientName::Codex { "toml" } else { "json" };
            let fixture = folder.join(format!("{}.{ending}", name.get_name()));
            let expected = std::fs::read_to_string(&fixture).unwrap_or_else(|error| panic!("{fixture:?}: {error}"));
            let file = configuration(*client, &urls, "the-token").unwrap();
            assert_eq!(file.trim_end(), expected.trim_end(), "{fixture:?}");
        }
    }
}
