//! `harness client-config`: prints the configuration file of an MCP client, with a fresh token. The JSON goes to stdout, so that it can be
//! redirected into the file; the path of that file goes to stderr.

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
    let text =
        serde_json::to_string_pretty(&configuration(arguments.client, &urls, &token)).map_err(Failure::internal)?;
    context.print(&text);
    let minutes = arguments.lifetime.as_secs() / 60;
    context.tell(&format!(
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
        ClientName::Vscode => "`.vscode/mcp.json` of the project",
    }
}

/// Returns the content of the client's configuration file.
fn configuration(client: ClientName, urls: &[(String, String)], token: &str) -> Value {
    let servers: Map<String, Value> = urls
        .iter()
        .map(|(service, base)| {
            let url = format!("{}{MCP_PATH}", base.trim_end_matches('/'));
            let headers = json!({ "Authorization": format!("Bearer {token}") });
            // The clients agree neither on the name of the URL nor on whether the transport is named.
            let server = match client {
                ClientName::Cursor => json!({ "url": url, "headers": headers }),
                ClientName::Windsurf => json!({ "serverUrl": url, "headers": headers }),
                ClientName::Claude | ClientName::Vscode => json!({ "type": "http", "url": url, "headers": headers }),
            };
            (service.clone(), server)
        })
        .collect();
    match client {
        ClientName::Vscode => json!({ "servers": servers }),
        ClientName::Cursor | ClientName::Windsurf | ClientName::Claude => json!({ "mcpServers": servers }),
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientName, configuration};

    #[test]
    fn every_client_gets_the_shape_of_its_own_file() {
        let urls = [("memory".to_owned(), "http://127.0.0.1:7420/".to_owned())];
        for (client, servers, url, kind) in [
            (ClientName::Cursor, "mcpServers", "url", None),
            (ClientName::Windsurf, "mcpServers", "serverUrl", None),
            (ClientName::Claude, "mcpServers", "url", Some("http")),
            (ClientName::Vscode, "servers", "url", Some("http")),
        ] {
            let file = configuration(client, &urls, "the-token");
            let memory = &file[servers]["memory"];
            assert_eq!(memory[url], "http://127.0.0.1:7420/mcp", "{file}");
            assert_eq!(memory["type"].as_str(), kind, "{file}");
            assert_eq!(memory["headers"]["Authorization"], "Bearer the-token");
        }
    }
}
