//! How a failure is fixed on a server of another maker, for the checks whose own remedy names what only this product has, such as its settings. Of the
//! other checks the remedy is general enough.

use harness_core::drive::hardening::HardeningCheck;
use harness_core::plan::Backend;
use harness_core::plan::hardening::CheckTexts;
use std::path::Path;

/// Ids of checks, and what to change in the server.
const REMEDIES: &[(&str, &str)] = &[
    (
        "MCP-AUTH-01",
        "Put the check of the token in front of the whole MCP endpoint, before the body is read, and answer 401 with `WWW-Authenticate`.",
    ),
    (
        "MCP-AUTH-02",
        "Serve the document of protected resources (RFC 9728) with the public URL of the endpoint as `resource`; a server behind a proxy needs that URL \
         as a setting.",
    ),
    (
        "MCP-TRN-01",
        "Give the server a list of the accepted origins, compare the whole `Origin` header with it, and answer 403 to the others. The Python SDK has \
         `TransportSecuritySettings(allowed_origins=…)`; a proxy in front of the server can do it as well.",
    ),
    (
        "MCP-TRN-02",
        "Give the server a list of the accepted hosts, and refuse a request whose `Host` header is not in it. The Python SDK has \
         `TransportSecuritySettings(allowed_hosts=…)`; a proxy in front of the server can do it as well.",
    ),
    (
        "MCP-TRN-07",
        "Decode the body as UTF-8 and nothing else, parse it as one JSON-RPC request, and answer anything else with status 400 and the code of the \
         error (-32700 or -32600).",
    ),
    (
        "MCP-TRN-12",
        "Add `X-Content-Type-Options: nosniff` to every reply in one middleware, and switch off the `Server` header of the HTTP library; uvicorn has \
         `server_header=False`.",
    ),
    (
        "MCP-TRN-13",
        "Catch every error of a handler, write it to the log, and answer with a message that has no path, no stack trace and no text of the error.",
    ),
    ("MCP-TRN-14", "Remove `*` from the accepted origins of the CORS middleware, and do not allow credentials."),
    ("MCP-TRN-15", "Answer with `Cache-Control: no-store` on the MCP endpoint."),
    (
        "MCP-LIM-01",
        "Set a limit of the size of a body in the HTTP library or in the proxy in front of it, and answer 413 as soon as the length exceeds it.",
    ),
    (
        "MCP-LIM-02",
        "Set the limits of the HTTP library for the number and the size of headers and for the length of a URL.",
    ),
    (
        "MCP-LIM-03",
        "Limit the depth of a body before or while it is parsed, and refuse numbers that the language cannot hold.",
    ),
    ("MCP-LIM-09", "Refuse `Content-Encoding` with status 415, or limit the size of what the decoder returns."),
    (
        "MCP-LIM-13",
        "Check the envelope before the handler is called: `jsonrpc`, `method` and `params` of the right type, and an error of JSON-RPC for anything else.",
    ),
    (
        "MCP-SUP-02",
        "Commit the lock file, and let the build install exactly what it has; check licences, sources and known vulnerabilities of the packages in CI.",
    ),
];

/// Returns the texts of a check for a run, with files and a remedy of the stack that is under test. The folder of its sources is optional.
pub fn texts(check: &HardeningCheck, backend: &Backend, repository: Option<&Path>) -> CheckTexts {
    let texts = check.texts_for(backend, repository);
    if backend.target().is_none() {
        return texts;
    }
    let elsewhere = REMEDIES.iter().find(|(id, _)| *id == check.id).map(|(_, remedy)| (*remedy).to_owned());
    CheckTexts { remedy: elsewhere.unwrap_or(texts.remedy), ..texts }
}

#[cfg(test)]
mod tests {
    use super::{REMEDIES, texts};
    use crate::{ALL, Need};
    use harness_core::plan::Backend;
    use harness_core::plan::reach::Reach;
    use harness_core::plan::target::Target;
    use mcp_contracts::env;

    #[test]
    fn a_server_of_another_maker_is_not_fixed_in_our_files_or_by_our_settings() {
        let url = "http://127.0.0.1:8000/mcp".to_owned();
        let target = Target { url, tokens: Vec::new(), ca_file: None, reach: Reach::default(), start: None };
        let backend = Backend::Target(Box::new(target));
        let is_ours = |need: &Need| matches!(need, Need::Key | Need::Product | Need::Service(_) | Need::Control);
        for check in ALL.iter().filter(|check| !check.needs.iter().any(is_ours)) {
            let elsewhere = texts(check, &backend, None);
            assert!(elsewhere.mend.is_empty(), "{}", check.id);
            for text in [&elsewhere.remedy, &elsewhere.title] {
                let setting = env::ALL.iter().find(|variable| text.contains(variable.name));
                assert!(
                    setting.is_none(),
                    "{}: {} in `{text}`",
                    check.id,
                    setting.map_or("", |variable| variable.name)
                );
                for ours in ["services/", "the contract", ".rs", "cargo"] {
                    assert!(!text.contains(ours), "{}: `{ours}` in `{text}`", check.id);
                }
            }
            assert!(elsewhere.remedy.ends_with('.'), "{}", check.id);
            assert_eq!(texts(check, &Backend::Process, None), check.texts(), "{}", check.id);
        }
        let unknown: Vec<&str> = REMEDIES.iter().map(|(id, _)| *id).filter(|id| crate::find(id).is_none()).collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }
}
