//! `harness init`: writes the default settings to a file. Overwrites an existing file only with `--force`.

use crate::arguments::InitArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::plan::settings::DEFAULT;
use std::fs::File;
use std::io::{ErrorKind, Write};

pub(crate) fn run(arguments: &InitArguments, context: &Context) -> Result<Exit, Failure> {
    let path = &arguments.file;
    // `create_new` and not a check before: a file that another process creates in between is not overwritten.
    let file = if arguments.force { File::create(path) } else { File::create_new(path) };
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::usage(format!(
            "`{}` exists already\nhint: `--force` overwrites it; or name another file",
            path.display()
        )),
        _ => Failure::usage(format!("`{}` cannot be written: {error}", path.display())),
    })?;
    let written = file.write_all(DEFAULT.as_bytes());
    written.map_err(|error| Failure::internal(format!("`{}` cannot be written: {error}", path.display())))?;
    if context.output.json {
        context.print_json(&serde_json::json!({ "event": "written", "file": path }));
    } else {
        context.print(&format!("wrote {}; `harness gate` reads it from this folder", path.display()));
    }
    Ok(Exit::Pass)
}
