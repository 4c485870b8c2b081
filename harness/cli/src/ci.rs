//! Output for a CI in addition to the exit code: on GitHub Actions, an annotation for each run that does not pass, and
//! a job summary.

use crate::exit::Failure;
use std::io::Write;

/// Maximum size of our part of a job summary. GitHub accepts 1 MiB for the whole step.
const MOST_SUMMARY_BYTES: usize = 900_000;

/// A run that does not pass.
pub(crate) struct Annotation {
    /// Such as `scenario quota: fail`.
    pub(crate) title: String,
    pub(crate) because: String,
}

/// Writes annotations to stderr: GitHub Actions reads it as well as stdout, and stdout is for data.
pub(crate) fn annotate(annotations: impl IntoIterator<Item = Annotation>) {
    if std::env::var_os("GITHUB_ACTIONS").is_none() {
        return;
    }
    for annotation in annotations {
        let _ = writeln!(std::io::stderr(), "{}", command(&annotation));
    }
}

/// Appends to the summary of the job, if there is one.
pub(crate) fn summarise(markdown: &str) -> Result<(), Failure> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return Ok(()) };
    let end = markdown.floor_char_boundary(MOST_SUMMARY_BYTES);
    let file = std::fs::File::options().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(format!("{}\n", &markdown[..end]).as_bytes()));
    written.map_err(|error| {
        Failure::internal(format!("the job summary `{}` cannot be written: {error}", path.to_string_lossy()))
    })
}

/// Renders the command `::error title=…::…`. Characters that would end it are escaped as GitHub requires.
fn command(annotation: &Annotation) -> String {
    let text = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = text(&annotation.title).replace(':', "%3A").replace(',', "%2C");
    format!("::error title={title}::{}", text(&annotation.because))
}

#[cfg(test)]
mod tests {
    use super::{Annotation, command};

    #[test]
    fn an_annotation_stays_one_line_and_one_command() {
        let annotation =
            Annotation { title: "load memory: p99, p95".to_owned(), because: "100% late\n::error::forged".to_owned() };
        assert_eq!(command(&annotation), "::error title=load memory%3A p99%2C p95::100%25 late%0A::error::forged",);
    }
}
