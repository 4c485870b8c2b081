//! A hardening check: its texts, what it needs, and the function that probes the stack.

use super::probe::{Probe, Stop};
use crate::plan::Backend;
use crate::plan::hardening::CheckTexts;
use crate::plan::target::Target;
use crate::plan::topology::Topology;
use futures::future::LocalBoxFuture;
use mcp_contracts::Service;
use std::path::Path;

/// Probes the stack once. What it finds is recorded by the methods of [`Probe`].
pub type ProbeFn = for<'a> fn(&'a Probe<'a>) -> LocalBoxFuture<'a, Result<(), Stop>>;

/// A row of the catalogue.
pub struct HardeningCheck {
    /// Stable id, such as `MCP-AUTH-03`. It is never given to another check.
    pub id: &'static str,
    /// What a stack that passes does, in one sentence.
    pub title: &'static str,
    /// Severity of a failure from 0.1 to 10.0.
    pub score: f64,
    /// What an attacker gains if the check fails.
    pub why: &'static str,
    pub sources: &'static [&'static str],
    pub needs: &'static [Need],
    pub how: &'static str,
    pub remedy: &'static str,
    /// Files in which a failure is fixed, the most likely one first.
    pub fix_in: &'static [&'static str],
    /// Checks whose failure is the cause of a failure of this one, so that both are one finding.
    pub follows: &'static [&'static str],
    pub lane: Lane,
    pub probing: ProbeFn,
}

/// When a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Beside others.
    Shared,
    /// After those beside others, one at a time: it restarts parts, uses up a limit or compares what a part holds.
    Alone,
    /// From the beginning until every other check has ended: it sends beside the shared ones and then waits for what comes late.
    Throughout,
}

/// What a check needs besides a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A token that the stack accepts.
    Token,
    /// The key that signs tokens, because the check signs tokens that no honest client has.
    Key,
    /// The services of this product, because the check is about what only they promise.
    Product,
    /// Tokens of two organisations.
    SecondTenant,
    /// This service.
    Service(Service),
    /// The logs of the parts, which only the stack that the harness started has.
    Control,
    /// Parts that are processes of this machine, because the check reads what the kernel knows of them or changes their settings.
    Processes,
    /// The sources of the stack, because the check reads files.
    Repository,
}

/// Why a check that is about the services of this product is not made on another server.
const OF_THE_PRODUCT: &str = "it is about what only the services of this product promise";

impl Need {
    /// Returns true if no option provides it for a server that is none of this product.
    const fn is_out_of_reach(self) -> bool {
        matches!(self, Self::Key | Self::Product | Self::Service(_) | Self::Control)
    }

    /// The word in lists.
    pub fn name(self) -> String {
        match self {
            Self::Token => "token".to_owned(),
            Self::Key => "key of tokens".to_owned(),
            Self::Product => "a service of this product".to_owned(),
            Self::SecondTenant => "second tenant".to_owned(),
            Self::Service(service) => service.name().to_owned(),
            Self::Control => "control of the stack".to_owned(),
            Self::Processes => "processes".to_owned(),
            Self::Repository => "a repository".to_owned(),
        }
    }

    /// Returns what is missing and how to provide it; `None` if nothing is missing.
    fn missing(self, topology: &Topology, backend: &Backend, repository: Option<&Path>) -> Option<String> {
        if self == Self::Repository {
            let why = "it reads files; add `--repository DIR` with the folder of the sources";
            return repository.is_none().then(|| why.to_owned());
        }
        if let Backend::Target(target) = backend {
            return self.missing_at(target);
        }
        match (self, backend) {
            // The key of the stack signs tokens of every organisation, and no plan is without it.
            (Self::Token | Self::Key | Self::Product | Self::SecondTenant | Self::Repository, _) => None,
            (Self::Service(service), Backend::External { urls, .. }) => (!urls.contains_key(service.name()))
                .then(|| format!("it needs {0}; add `--url {0}=URL`", service.name())),
            (Self::Service(service), Backend::Process | Backend::Docker | Backend::Target(_)) => {
                topology.of(service).next().is_none().then(|| format!("it needs {}", service.name()))
            }
            (Self::Control, Backend::External { .. }) => {
                Some("it reads the logs of the parts; remove `--url`".to_owned())
            }
            (Self::Processes, Backend::External { .. }) => {
                Some("it needs parts that the harness started; remove `--url`".to_owned())
            }
            (Self::Processes, Backend::Docker) => Some("it needs `--backend process`".to_owned()),
            (Self::Control, Backend::Process | Backend::Docker | Backend::Target(_))
            | (Self::Processes, Backend::Process | Backend::Target(_)) => None,
        }
    }

    /// Returns what is missing at a server that is none of this product.
    fn missing_at(self, target: &Target) -> Option<String> {
        match self {
            Self::Token => {
                target.tokens.is_empty().then(|| "it needs a token that the server accepts; add `--bearer-env NAME`".to_owned())
            }
            Self::SecondTenant => (target.tokens.len() < 2)
                .then(|| "it needs a token of another organisation; add `--other-bearer-env NAME`".to_owned()),
            Self::Key => {
                Some("it signs tokens with the key of the server, which only the services of this product share with the harness".to_owned())
            }
            Self::Service(_) | Self::Product | Self::Control => Some(OF_THE_PRODUCT.to_owned()),
            Self::Processes => target
                .start
                .is_none()
                .then(|| "it reads what the kernel knows of the process; let the harness start the server: `--profile FILE` with `[target.start]`".to_owned()),
            Self::Repository => None,
        }
    }
}

impl HardeningCheck {
    pub fn texts(&self) -> CheckTexts {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CheckTexts {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            score: self.score,
            why: self.why.to_owned(),
            sources: texts(self.sources),
            how: self.how.to_owned(),
            remedy: self.remedy.to_owned(),
            mend: texts(self.fix_in),
            follows: texts(self.follows),
        }
    }

    /// Returns the texts for a run. They name only files that can be those of the stack: none of this product for a server of another maker, and with
    /// a folder of sources only files that it has.
    pub fn texts_for(&self, backend: &Backend, repository: Option<&Path>) -> CheckTexts {
        let reads_files = self.needs.contains(&Need::Repository);
        let mut texts = self.texts();
        texts.mend.retain(|file| match (backend, repository) {
            (Backend::Target(_), _) if !reads_files => false,
            (_, Some(folder)) => folder.join(file).is_file(),
            (Backend::Target(_), None) => false,
            (Backend::Process | Backend::Docker | Backend::External { .. }, None) => true,
        });
        texts
    }

    /// Returns why the check is not applicable to a stack; `None` if it is.
    pub fn missing(&self, topology: &Topology, backend: &Backend, repository: Option<&Path>) -> Option<String> {
        // If one of the needs cannot be provided, an option that provides another one would enable nothing.
        let is_hopeless = |need: &&Need| backend.target().is_some() && need.is_out_of_reach();
        let hopeless = self.needs.iter().filter(is_hopeless).max_by_key(|need| **need != Need::Key);
        if let Some(need) = hopeless {
            return need.missing(topology, backend, repository);
        }
        let missing = self.needs.iter().filter_map(|need| need.missing(topology, backend, repository));
        let missing: Vec<String> = missing.collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Backend, HardeningCheck, Lane, Need};
    use crate::plan::reach::Reach;
    use crate::plan::target::Target;

    fn check(needs: &'static [Need]) -> HardeningCheck {
        HardeningCheck {
            id: "MCP-TRN-01",
            title: "",
            score: 1.0,
            why: "",
            sources: &[],
            needs,
            how: "",
            remedy: "",
            fix_in: &["Dockerfile", "services/kit/src/origin.rs"],
            follows: &[],
            lane: Lane::Shared,
            probing: |_| Box::pin(async { Ok(()) }),
        }
    }

    #[test]
    fn a_finding_names_no_file_of_this_product_for_the_server_of_another_maker() {
        let url = "http://127.0.0.1:1/mcp".to_owned();
        let target = Target { url, tokens: Vec::new(), ca_file: None, reach: Reach::default(), start: None };
        let target = Backend::Target(Box::new(target));
        let sources = tempfile::tempdir().unwrap();
        std::fs::write(sources.path().join("Dockerfile"), "").unwrap();
        let files = |needs, backend: &Backend, sources| check(needs).texts_for(backend, sources).mend;
        let ours = ["Dockerfile", "services/kit/src/origin.rs"].map(str::to_owned).to_vec();
        assert_eq!(files(&[], &Backend::Process, None), ours);
        assert_eq!(files(&[], &target, None), Vec::<String>::new());
        assert_eq!(files(&[], &target, Some(sources.path())), Vec::<String>::new());
        // A check of files is about what the folder has.
        assert_eq!(files(&[Need::Repository], &target, Some(sources.path())), ["Dockerfile"]);
        assert_eq!(files(&[], &Backend::Process, Some(sources.path())), ["Dockerfile"]);
    }
}
