//! TLS to a Postgres server: the certificate is verified against the authorities that the operator names.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use futures::FutureExt;
use mcp_kit::database::postgres::{Postgres, PostgresOpenError, PostgresSchema, PostgresTarget};
use mcp_testkit::{PostgresDatabase, PostgresServer};
use metrics_exporter_prometheus::PrometheusBuilder;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

const SCHEMA: PostgresSchema<'static> =
    PostgresSchema { service: "test", migrations: &["CREATE TABLE number (value INTEGER)"] };

/// An authority that signs the certificate of a server.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(2032, 1, 1);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Returns certificate and key of a server with this name.
    fn certificate(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2031, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

async fn open(database: &PostgresDatabase<'_>, host: &str, ca: &str) -> Result<Postgres, PostgresOpenError> {
    let url = format!("{}?sslmode=require", database.url().replace("127.0.0.1", host));
    Postgres::open(&PostgresTarget::parse(&url, Some(ca.as_bytes()), 2).unwrap(), SCHEMA).await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_use_tls_and_a_certificate_of_another_authority_or_name_is_refused() {
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.certificate("localhost");
    let server = PostgresServer::start_with_tls(&certificate, &key);
    let database = server.database();
    for (host, ca) in [("localhost", &other.pem), ("127.0.0.1", &authority.pem)] {
        let error = open(&database, host, ca).await.err().unwrap().to_string();
        assert!(error.contains("cannot be reached") && error.contains("certificate"), "{host}: {error}");
    }
    assert!(!metrics.render().contains("database_server"), "a certificate that was refused has no metric");
    let opened = open(&database, "localhost", &authority.pem).await.unwrap();
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let read = opened.read("", |transaction| async { transaction.query_one(sql, &[]).await }.boxed());
    assert!(read.await.unwrap().get::<_, bool>(0), "the connection is not encrypted");
    opened.close().await;
    // The first seconds of 2032 and 2031.
    for (certificate, expiry) in [("database_issuer", 1_956_528_000), ("database_server", 1_924_992_000)] {
        let line = format!("mcp_certificate_expiry_timestamp_seconds{{certificate=\"{certificate}\"}} {expiry}");
        assert!(metrics.render().contains(&line), "{line} is missing in\n{}", metrics.render());
    }
}
