//! The catalogue of hardening checks: one file for each check or small family of checks, and one row of the list below for each. A check uses the stack
//! only over the network, as an attacker would. `docs/adding-a-hardening-check.md` describes how to add one.

mod auth;
mod busy;
mod containers;
mod guardrails;
mod handles;
mod limits;
mod quota;
mod resilience;
mod secrets;
mod shapes;
mod supply;
mod tenancy;
mod transport;

pub use harness_core::drive::hardening::{HardeningCheck, Lane, Need};

/// Every check, in the order of reports. An id is never given to another check.
pub const ALL: &[HardeningCheck] = &[
    auth::presence::NO_TOKEN,
    auth::presence::METADATA,
    auth::claims::EXPIRED,
    auth::claims::EARLY,
    auth::claims::LIFETIME,
    auth::signature::FORGED,
    auth::signature::NO_ALGORITHM,
    auth::signature::CONFUSED,
    auth::claims::AUDIENCE,
    auth::passthrough::PASSTHROUGH,
    auth::presence::TOKEN_ELSEWHERE,
    auth::presence::REPEATED,
    auth::scope::SCOPES,
    auth::roles::ADMIN,
    auth::rotation::ROTATION,
    auth::oracle::SAME_REFUSAL,
    auth::routes::ROUTES,
    auth::delegated::DELEGATED,
    tenancy::by_id::READ,
    tenancy::by_id::CHANGE,
    tenancy::tags::RESERVED,
    tenancy::cursor::CURSORS,
    tenancy::handles::HANDLES,
    tenancy::search::HIDDEN,
    tenancy::duplicates::DUPLICATES,
    tenancy::search::OPERATORS,
    tenancy::deleted::DELETED,
    transport::origin::ORIGINS,
    transport::origin::HOSTS,
    transport::http::METHODS,
    transport::http::MEDIA_TYPES,
    transport::revision::UNKNOWN,
    transport::revision::MISMATCH,
    transport::json::MALFORMED,
    transport::smuggling::SMUGGLED,
    transport::upgrade::UPGRADED,
    transport::outbound::OUTBOUND,
    transport::http::HEADERS,
    transport::json::TRACES,
    transport::origin::CORS,
    transport::http::NOT_STORED,
    limits::size::BODY,
    limits::size::HEAD,
    limits::json::DEPTH,
    limits::fields::FIELDS,
    limits::concurrency::CONCURRENCY,
    limits::explosion::EXPLOSION,
    limits::size::COMPRESSED,
    limits::descriptors::DESCRIPTORS,
    limits::fuzz::TOOLS,
    limits::fuzz::ENVELOPE,
    quota::daily::DAILY,
    quota::outage::OUTAGE,
    quota::retry::RETRY,
    quota::names::NAMES,
    quota::start::OPEN_FALLBACK,
    resilience::drain::DRAIN,
    resilience::durable::DURABLE,
    resilience::backup::BACKUP,
    secrets::logs::CANARIES,
    secrets::start::WEAK_KEYS,
    secrets::logs::FORGED_LINES,
    secrets::tools::HIDDEN_TEXT,
    secrets::tools::STABLE,
    secrets::tools::ANNOTATIONS,
    secrets::metrics::NAMES,
    secrets::injection::NEUTRAL,
    secrets::denied::TRAIL,
    guardrails::injection::NO_VERDICT,
    guardrails::injection::FOREIGN_VERDICT,
    guardrails::check::BLOCKED,
    guardrails::check::NOT_DISABLED,
    guardrails::injection::OTHER_REQUEST,
    guardrails::caller::SAME_FOR_ALL,
    containers::image::IMAGE,
    containers::image::BASE,
    containers::runtime::CONFINED,
    containers::runtime::BOUNDED,
    supply::workflows::PINNED,
    supply::dependencies::LOCKED,
];

/// Returns true if a check disturbs nothing and takes well under a second, or only listens while the others run, so that a gate makes it on every push.
/// Files are checked only if the gate knows the repository.
pub fn is_quick(check: &HardeningCheck, has_repository: bool) -> bool {
    check.lane != Lane::Alone && (has_repository || !check.needs.contains(&Need::Repository))
}

pub fn find(id: &str) -> Option<&'static HardeningCheck> {
    ALL.iter().find(|check| check.id == id)
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::HashSet;
    use std::path::Path;

    #[test]
    fn ids_are_unique_and_in_the_order_of_their_families() {
        let mut ids = HashSet::new();
        for check in ALL {
            assert!(ids.insert(check.id), "`{}` is listed twice", check.id);
            let parts: Vec<&str> = check.id.split('-').collect();
            let [product, family, number] = parts[..] else { panic!("`{}`", check.id) };
            let is_family = (3..=4).contains(&family.len()) && family.bytes().all(|byte| byte.is_ascii_uppercase());
            assert!(
                product == "MCP" && is_family && number.len() == 2 && number.parse::<u8>().is_ok(),
                "`{}`",
                check.id
            );
        }
        let in_order = ALL.windows(2).all(|pair| {
            pair[0].id.get(..pair[0].id.len() - 2) != pair[1].id.get(..pair[1].id.len() - 2) || pair[0].id < pair[1].id
        });
        assert!(in_order, "ids of a family ascend");
        let mut families: Vec<&str> = ALL.iter().filter_map(|check| check.id.split('-').nth(1)).collect();
        families.dedup();
        assert_eq!(families, ["AUTH", "TEN", "TRN", "LIM", "QUO", "RES", "SEC", "GRD", "CON", "SUP"]);
    }

    #[test]
    fn every_check_has_its_texts() {
        for check in ALL {
            let id = check.id;
            assert!(!check.title.ends_with('.') && check.title.len() > 20, "{id}: {}", check.title);
            for sentence in [check.why, check.how, check.remedy] {
                assert!(sentence.ends_with('.') && sentence.len() > 20, "{id}: {sentence}");
            }
            assert!((0.1..=10.0).contains(&check.score) && !check.sources.is_empty(), "{id}");
        }
    }

    #[test]
    fn every_file_to_fix_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for check in ALL {
            assert!(!check.fix_in.is_empty(), "{}", check.id);
            let gone: Vec<_> = check.fix_in.iter().filter(|file| !root.join(file).is_file()).collect();
            assert!(gone.is_empty(), "{}: {gone:?}", check.id);
        }
    }

    #[test]
    fn causes_exist_and_form_no_circle() {
        let mut left: Vec<&super::HardeningCheck> = ALL.iter().collect();
        while !left.is_empty() {
            let before = left.len();
            let waiting: HashSet<&str> = left.iter().map(|check| check.id).collect();
            left.retain(|check| check.follows.iter().any(|id| waiting.contains(id)));
            assert!(left.len() < before, "a circle among {waiting:?}");
        }
        let unknown = ALL.iter().flat_map(|check| check.follows).filter(|id| super::find(id).is_none());
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
