//! How the harness speaks with the Postgres server of a stack: its role and database, the login of the services, and whether it answers. Only the first
//! message of a connection is needed, so there is no client here.

use sha2::{Digest, Sha256};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The role of the services. Row-level security confines it: it is neither a superuser nor has it BYPASSRLS.
pub(super) const ROLE: &str = "mcp";
/// The database of memory, which the role owns.
pub(super) const DATABASE: &str = "mcp";
const SCHEME: &str = "postgres://";
/// Deadline for the server to answer the first message of a connection.
const GREETING_DEADLINE: Duration = Duration::from_secs(1);
/// Version 3.0 of the protocol, which every supported server speaks.
const PROTOCOL: u32 = 3 << 16;
/// Maximum length of an answer that is read, in bytes. The longest is an error with its text.
const MAX_ANSWER_BYTES: usize = 2_048;
/// Types of messages: a request for the password, which a server sends only when it accepts connections, and an error.
const AUTHENTICATION: u8 = b'R';
const ERROR: u8 = b'E';

/// Returns the URL of a server without a login.
pub(super) fn url(port: u16) -> String {
    format!("{SCHEME}127.0.0.1:{port}/{DATABASE}")
}

/// Returns the URL with the login of the services.
pub(super) fn with_login(url: &str, secret: &str) -> String {
    let place = url.strip_prefix(SCHEME).unwrap_or(url);
    format!("{SCHEME}{ROLE}:{}@{place}", password(secret))
}

/// Returns the password of the role. It comes from the key of the stack, so that a stack which is started again has the same one, and no file has it.
pub(super) fn password(secret: &str) -> String {
    hex::encode(Sha256::digest(format!("password of postgres {secret}")))
}

/// Returns why the server at `postgres://host:port/…` accepts no connections; `None` if it does.
///
/// # Errors
/// The server does not answer.
pub(super) async fn refusal(url: &str) -> io::Result<Option<String>> {
    let place = url.strip_prefix(SCHEME).unwrap_or(url);
    let authority = place.split('/').next().unwrap_or_default();
    let greeting = async {
        let mut stream = TcpStream::connect(authority).await?;
        stream.write_all(&first_message()).await?;
        let mut answer = vec![0; MAX_ANSWER_BYTES];
        let length = stream.read(&mut answer).await?;
        answer.truncate(length);
        Ok::<_, io::Error>(answer)
    };
    let answer = tokio::time::timeout(GREETING_DEADLINE, greeting).await??;
    refusal_of(&answer)
}

/// Returns the first message of a connection: length, version, and pairs of names and values.
fn first_message() -> Vec<u8> {
    let pairs = format!("user\0{ROLE}\0database\0{DATABASE}\0\0");
    let length = (2 * size_of::<u32>() + pairs.len()) as u32;
    [&length.to_be_bytes()[..], &PROTOCOL.to_be_bytes()[..], pairs.as_bytes()].concat()
}

/// Reads the answer to the first message: a type, a length, and in an error fields that end with 0, each with its kind before it.
fn refusal_of(answer: &[u8]) -> io::Result<Option<String>> {
    match answer.split_first() {
        Some((&AUTHENTICATION, _)) => Ok(None),
        Some((&ERROR, rest)) => {
            let fields = rest.get(size_of::<u32>()..).unwrap_or_default().split(|byte| *byte == 0);
            let text = fields.filter_map(|field| field.strip_prefix(b"M")).next().unwrap_or_default();
            Ok(Some(String::from_utf8_lossy(text).into_owned()))
        }
        Some(_) => Ok(Some("it answers, but not as a Postgres server".to_owned())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{first_message, password, refusal_of, url, with_login};

    #[test]
    fn the_login_is_in_the_url_of_the_services_only() {
        let plain = url(5_432);
        assert_eq!(plain, "postgres://127.0.0.1:5432/mcp");
        assert_eq!(with_login(&plain, "k"), format!("postgres://mcp:{}@127.0.0.1:5432/mcp", password("k")));
        assert_eq!(password("k").len(), 64);
        assert_ne!(password("k"), password("l"));
    }

    #[test]
    fn a_server_that_starts_refuses_with_its_reason() {
        let error = b"E\0\0\0\x40SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0Fpostmaster.c\0\0";
        assert_eq!(refusal_of(error).unwrap().unwrap(), "the database system is starting up");
        assert_eq!(refusal_of(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0").unwrap(), None);
        assert!(refusal_of(b"HTTP/1.1 400").unwrap().is_some());
        refusal_of(b"").unwrap_err();
    }

    #[test]
    fn the_first_message_has_its_own_length() {
        let message = first_message();
        assert_eq!(message[..4], u32::try_from(message.len()).unwrap().to_be_bytes());
    }
}
