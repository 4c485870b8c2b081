//! Until when certificates are valid, as metrics, so that an alert fires before a connection fails. Nothing is verified here: TLS does that.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use mcp_contracts::metric;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

// The tags of DER (X.690) that a certificate has before its end of validity.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A certificate that this service relies on.
#[derive(Clone, Copy)]
pub(crate) enum Certificate {
    /// The authorities in `REDIS_CA_FILE`.
    RedisIssuer,
    /// The authorities in `DATABASE_CA_FILE`.
    DatabaseIssuer,
    /// That of the Postgres server, from the latest handshake.
    DatabaseServer,
}

impl Certificate {
    const fn name(self) -> &'static str {
        match self {
            Self::RedisIssuer => "redis_issuer",
            Self::DatabaseIssuer => "database_issuer",
            Self::DatabaseServer => "database_server",
        }
    }

    /// Publishes the time at which the certificate expires. `None`: there is no such certificate, or its time cannot be read; the metric is 0.
    pub(crate) fn publish(self, expiry: Option<Timestamp>) {
        let seconds = expiry.map_or(0, Timestamp::as_second);
        metrics::gauge!(metric::CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS, "certificate" => self.name()).set(seconds as f64);
    }
}

/// Returns the time at which the first certificate of a PEM file expires; `None` if no time can be read.
// The first, because a file may keep an old authority beside its successor, and servers may still have certificates of the old one.
pub(crate) fn first_expiry(pem: &[u8]) -> Option<Timestamp> {
    CertificateDer::pem_slice_iter(pem).filter_map(|certificate| expiry(&certificate.ok()?)).min()
}

/// Returns the end of validity (RFC 5280, `notAfter`) of a certificate in DER; `None` if the bytes are no certificate.
pub(crate) fn expiry(der: &[u8]) -> Option<Timestamp> {
    let mut signed = Elements(Elements(der).next_of(SEQUENCE)?);
    let mut content = Elements(signed.next_of(SEQUENCE)?);
    // The serial number. Before it is the version, unless that is 1.
    if content.next()?.0 == VERSION {
        content.next()?;
    }
    let _algorithm = content.next()?;
    let _issuer = content.next()?;
    let mut validity = Elements(content.next_of(SEQUENCE)?);
    let _not_before = validity.next()?;
    let (tag, not_after) = validity.next()?;
    timestamp(tag, std::str::from_utf8(not_after).ok()?)
}

fn timestamp(tag: u8, text: &str) -> Option<Timestamp> {
    let text = match tag {
        GENERALIZED_TIME => text.to_owned(),
        // A year of two digits: 1950 to 2049.
        UTC_TIME if text.get(..2)?.parse::<u8>().ok()? >= 50 => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    // A certificate without an end says 9999-12-31 23:59:59, which is above the maximum.
    Some(Offset::UTC.to_timestamp(time).unwrap_or(Timestamp::MAX))
}

/// The elements of DER, one after the other: the tag and the content of each.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn next_of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|element| element.0 == tag).map(|element| element.1)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        // Below 128 the byte is the length; above, the number of bytes that have it.
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (bytes, rest) =
                rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
            (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::{expiry, first_expiry, timestamp};
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(year: i32) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["db.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn the_end_of_validity_is_read_in_both_forms_of_a_time() {
        for year in [2026, 2049, 2050, 4096] {
            let read = expiry(certificate(year).der()).unwrap();
            assert_eq!(read.to_string(), format!("{year}-12-31T00:00:00Z"));
        }
        assert_eq!(timestamp(0x17, "991231235959Z").unwrap().to_string(), "1999-12-31T23:59:59Z");
        assert!(timestamp(0x18, "99991231235959Z").is_some(), "a certificate without an end");
        assert_eq!(timestamp(0x18, "20261301000000Z"), None, "there is no month 13");
        assert_eq!(timestamp(0x04, "20261231000000Z"), None, "no time");
    }

    #[test]
    fn a_file_expires_with_its_first_certificate() {
        let pem = certificate(2050).pem() + &certificate(2031).pem();
        assert_eq!(first_expiry(pem.as_bytes()).unwrap().to_string(), "2031-12-31T00:00:00Z");
        assert_eq!(first_expiry(b"no certificate"), None);
    }

    #[test]
    fn damaged_bytes_have_no_end_of_validity_and_do_not_panic() {
        let whole = certificate(2031).der().to_vec();
        for length in 0..whole.len() {
            assert_eq!(expiry(&whole[..length]), None, "{length} bytes");
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0x80, 0x84, 0x88, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                // Any result will do: a changed byte of the name is no reason to refuse.
                let _ = expiry(&damaged);
            }
        }
    }
}
