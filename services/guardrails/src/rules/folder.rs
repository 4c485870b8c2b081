//! The operator's folder of rules: its files, and one file for each organisation in its subfolder `organisations`.

use super::baseline;
use super::library::Library;
use super::read::MAX_FILE_BYTES;
use super::source::{Origin, Source};
use mcp_contracts::metric;
use mcp_kit::data::folder::{FolderLimits, read};
use mcp_kit::data::{DataFile, FolderData, Problem, Problems};
use std::path::Path;

/// Subfolder with the files of organisations.
pub const ORGANISATIONS: &str = "organisations";
/// 2,000 files allow for a file per organisation of a large operator.
const LIMITS: FolderLimits = FolderLimits { files: 2_000, file_bytes: MAX_FILE_BYTES };
/// Maximum length of the id of an organisation, in bytes.
const MAX_ORGANISATION_BYTES: usize = 128;

impl FolderData for Library {
    const NAME: &'static str = "rules";
    const METRIC: &'static str = metric::GUARDRAIL_RELOAD_TOTAL;
    const OUTCOMES: [&'static str; 2] = ["applied", "rejected"];

    fn read_files(folder: &Path) -> Result<Vec<DataFile>, Vec<Problem>> {
        let own = read(folder, None, LIMITS);
        if !folder.join(ORGANISATIONS).is_dir() {
            return own;
        }
        // Both folders are read even if one has problems, so that all problems are reported together.
        match (own, read(folder, Some(ORGANISATIONS), LIMITS)) {
            (Ok(own), Ok(of_organisations)) => Ok([own, of_organisations].concat()),
            (Err(own), Err(of_organisations)) => Err([own, of_organisations].concat()),
            (Err(problems), Ok(_)) | (Ok(_), Err(problems)) => Err(problems),
        }
    }

    fn from_files(files: Vec<DataFile>) -> Result<Self, Problems> {
        let (mut sources, mut problems) = (baseline::sources(), Vec::new());
        for file in files {
            match origin(&file.name) {
                Ok(origin) => sources.push(Source { name: file.name, origin, text: file.text }),
                Err(why) => problems.push(Problem::of_file(file.name, why)),
            }
        }
        if problems.is_empty() { Self::build(&sources) } else { Err(Problems::new(Self::NAME, problems)) }
    }

    fn version(&self) -> &str {
        &self.common().version
    }
}

fn origin(name: &str) -> Result<Origin, &'static str> {
    let Some((ORGANISATIONS, file)) = name.split_once('/') else { return Ok(Origin::Operator) };
    let organisation = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if is_organisation(organisation) {
        Ok(Origin::Organisation(organisation.to_owned()))
    } else {
        Err("its name is not the id of an organisation; use letters, digits, `.`, `_` and `-`")
    }
}

/// Returns true if `id` may be an organisation and can never name another folder.
fn is_organisation(id: &str) -> bool {
    (1..=MAX_ORGANISATION_BYTES).contains(&id.len())
        && !id.starts_with('.')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_organisation_never_leads_out_of_its_folder() {
        for id in ["acme", "acme-2", "a.b_c", "A"] {
            assert!(is_organisation(id), "{id}");
        }
        for id in ["", ".", "..", "../acme", "a/b", "a\\b", ".hidden", "a b", "ä", "a\0", &"x".repeat(129)] {
            assert!(!is_organisation(id), "{id}");
        }
    }

    #[test]
    fn files_of_the_operator_and_of_organisations_have_their_origin() {
        assert_eq!(origin("own.yaml"), Ok(Origin::Operator));
        assert_eq!(origin("organisations/acme.v2.yaml"), Ok(Origin::Organisation("acme.v2".into())));
        assert!(origin("organisations/a b.yaml").is_err());
    }
}
