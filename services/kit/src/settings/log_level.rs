//! The filter of the log, as an operator writes it. The filter of `tracing` takes a bare word that is no level for the name of a module, and then
//! hides every line, errors included; such a value is refused here.

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Returns the filter in the form of `tracing`, or the reason why the value is none.
pub(super) fn parse(value: &str) -> Result<String, String> {
    let mut filter = Vec::new();
    let mut has_default = false;
    for item in value.split(',').map(str::trim) {
        let (module, level) = match item.split_once('=') {
            Some((module, level)) => (Some(module.trim()), level.trim()),
            None => (None, item),
        };
        let level = level.to_ascii_lowercase();
        // The only other name that means exactly one of the levels.
        let level = if level == "warning" { "warn" } else { &*level };
        if !LEVELS.contains(&level) {
            return Err(format!("`{}` is not one of {}", shown(level), LEVELS.join(", ")));
        }
        match module {
            Some(module) if is_module(module) => filter.push(format!("{module}={level}")),
            Some(module) => return Err(format!("`{}` is not the name of a module", shown(module))),
            None => {
                has_default = true;
                filter.push(level.to_owned());
            }
        }
    }
    if !has_default {
        return Err("it has no level for the other modules, whose errors would be hidden".to_owned());
    }
    Ok(filter.join(","))
}

fn is_module(name: &str) -> bool {
    !name.is_empty()
        && name.split("::").all(|part| {
            !part.is_empty()
                && !part.starts_with(|c: char| c.is_ascii_digit())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::filter::EnvFilter;

    #[test]
    fn a_log_level_is_parsed_or_refused() {
        for (value, filter) in [
            ("info", "info"),
            (" Info ", "info"),
            ("WARNING", "warn"),
            ("off", "off"),
            ("mcp_memory=debug,info", "mcp_memory=debug,info"),
            ("warn, hyper::proto = TRACE", "warn,hyper::proto=trace"),
        ] {
            assert_eq!(parse(value).as_deref(), Ok(filter), "{value}");
            assert!(EnvFilter::try_new(filter).is_ok(), "{filter}");
        }
        for value in [
            "verbose",
            "notice",
            "information",
            "inf",
            "level=info",
            "mcp_memory=loud",
            "info;hyper=warn",
            "30",
            "\"info\"",
            "info,",
            "",
            "hyper=warn",
            "info,=debug",
            "info,a b=debug",
            "info debug",
            "critical",
            "info,[span]=debug",
            "info=info=info",
        ] {
            assert!(parse(value).is_err(), "{value}");
        }
    }
}
