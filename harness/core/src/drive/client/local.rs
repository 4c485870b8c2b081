//! Errors of this machine, which must not count against the service: the harness has no descriptor, port, buffer or memory left for a
//! connection, cannot resolve the name of the host, or does not trust its certificate.

use harness_history::ErrorKind;
use nix::errno::Errno;
use std::io;
use std::net::SocketAddr;

/// What the harness itself can run out of.
const EXHAUSTED: &[Errno] = &[Errno::EMFILE, Errno::ENFILE, Errno::EADDRNOTAVAIL, Errno::ENOBUFS, Errno::ENOMEM];

/// The error of a name that could not be resolved. The error of the system has no code of its own.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve `{host}`: {why}")]
struct Unresolved {
    host: String,
    why: String,
}

/// Why the certificate of a server is not accepted. Most often the plan names a wrong authority or a wrong host, and then every call would fail.
#[derive(Debug, thiserror::Error)]
#[error("the certificate of `{host}` is not accepted: {why}")]
pub(super) struct Untrusted {
    pub(super) host: String,
    pub(super) why: String,
}

/// Resolves the host of an endpoint that has no address.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let failed = |why: String| io::Error::other(Unresolved { host: host.to_owned(), why });
    let addresses: Vec<_> =
        tokio::net::lookup_host((host, port)).await.map_err(|error| failed(error.to_string()))?.collect();
    if addresses.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(addresses) }
}

/// Returns true if the error is one of this machine.
pub(super) fn is_local(error: &io::Error) -> bool {
    let exhausted = error.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&Errno::from_raw(code)));
    exhausted || error.get_ref().is_some_and(|inner| inner.is::<Unresolved>() || inner.is::<Untrusted>())
}

/// Returns the kind of an error: that of this machine, or `otherwise`.
pub(super) fn kind_of(error: &io::Error, otherwise: ErrorKind) -> ErrorKind {
    if is_local(error) { ErrorKind::Local(error.to_string().into()) } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::{EXHAUSTED, is_local, kind_of, resolve};
    use harness_history::ErrorKind;
    use nix::errno::Errno;
    use std::io::Error;

    #[tokio::test]
    async fn errors_of_this_machine_differ_from_those_of_the_service() {
        for code in EXHAUSTED {
            let kind = kind_of(&Error::from_raw_os_error(*code as i32), ErrorKind::Connect);
            assert!(matches!(kind, ErrorKind::Local(_)), "{code}: {kind:?}");
        }
        for code in [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::ETIMEDOUT, Errno::EPIPE] {
            assert!(!is_local(&Error::from_raw_os_error(code as i32)), "{code}");
        }
        // The top-level domain `invalid` never has a name (RFC 6761).
        let unknown = resolve("harness.invalid", 80).await.unwrap_err();
        assert!(
            matches!(kind_of(&unknown, ErrorKind::Connect), ErrorKind::Local(why) if why.contains("harness.invalid"))
        );
        assert_eq!(resolve("127.0.0.1", 80).await.unwrap().len(), 1);
    }
}
