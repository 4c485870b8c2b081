//! Which URLs may be reached, and which addresses of them.

use super::{Network, Reach, normal_host, parse, without_secrets};
use std::net::SocketAddr;

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 7420)).collect()
}

fn listed(hosts: &[&str]) -> Reach {
    Reach::to(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
}

fn container() -> [Network; 1] {
    [Network { address: [172, 18, 0, 5].into(), mask: [255, 255, 0, 0].into() }]
}

#[test]
fn hosts_beyond_this_machine_are_refused_unless_they_are_listed() {
    let none = Reach::default();
    for near in ["127.0.0.1", "localhost", "::1", "127.8.8.8"] {
        assert_eq!(none.check_name(near, false), Ok(()), "{near}");
    }
    for far in ["192.0.2.7", "memory.example", "memory", "2001:db8::1", "3232235777", "localhost.example"] {
        let why = none.check_name(far, false).unwrap_err();
        assert!(why.contains("is not this machine") && why.contains("--allow-host"), "{far}: {why}");
    }
    let some = listed(&["Memory.Example.", "[2001:db8::1]"]);
    for far in ["memory.example", "2001:db8::1"] {
        assert_eq!(some.check_name(far, false), Ok(()), "{far}");
    }
    assert!(some.check_name("example", false).is_err());
}

#[test]
fn a_neighbour_of_the_container_is_a_name_without_a_dot() {
    let none = Reach::default();
    assert_eq!(none.check_name("memory", true), Ok(()));
    for far in ["memory.example", "192.0.2.7", "3232235777"] {
        assert!(none.check_name(far, true).is_err(), "{far}");
    }
}

#[test]
fn a_neighbour_must_have_its_address_in_the_network_of_the_container() {
    let none = Reach::default();
    let resolved_host = none.check("memory", addresses(&["172.18.3.1"]), &container()).unwrap();
    assert!(!resolved_host.is_loopback);
    assert_eq!(resolved_host.to_string(), "memory (172.18.3.1:7420)");
    let why = none.check("memory", addresses(&["172.18.3.1", "192.0.2.7"]), &container()).unwrap_err();
    assert!(why.contains("192.0.2.7"), "{why}");
}

#[test]
fn localhost_that_is_mapped_elsewhere_is_refused() {
    let why = Reach::default().check("localhost", addresses(&["127.0.0.1", "192.0.2.7"]), &container()).unwrap_err();
    assert!(why.contains("192.0.2.7") && why.contains("loopback"), "{why}");
}

#[test]
fn an_address_that_is_never_reached_is_refused_although_its_host_is_listed() {
    let some = listed(&["memory.example", "169.254.169.254", "224.0.0.1"]);
    for forbidden in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "fd00:ec2::254"] {
        let why = some.check("memory.example", addresses(&["192.0.2.7", forbidden]), &[]).unwrap_err();
        assert!(why.contains("never reached"), "{forbidden}: {why}");
    }
    for literal in ["169.254.169.254", "224.0.0.1"] {
        assert!(some.check_name(literal, false).unwrap_err().contains("never reached"), "{literal}");
    }
    assert!(some.check("memory.example", Vec::new(), &[]).unwrap_err().contains("has no address"));
    let many = vec!["192.0.2.7"; 33];
    assert!(some.check("memory.example", addresses(&many), &[]).unwrap_err().contains("more than 32"));
}

#[test]
fn a_listed_host_is_loopback_only_if_all_of_its_addresses_are() {
    let some = listed(&["memory.example"]);
    for (list, is_loopback) in [
        (&["127.0.0.1", "::1"][..], true),
        (&["::ffff:127.0.0.1"], true),
        (&["127.0.0.1", "192.0.2.7"], false),
        (&["192.0.2.7"], false),
    ] {
        assert_eq!(some.check("memory.example", addresses(list), &[]).unwrap().is_loopback, is_loopback, "{list:?}");
    }
}

#[test]
fn a_url_has_a_host_and_a_port() {
    for (url, host, port) in [
        ("http://127.0.0.1:7420/mcp", "127.0.0.1", 7420),
        ("https://Staging.Example./mcp", "staging.example", 443),
        ("http://[::1]", "::1", 80),
        ("http://[0:0:0:0:0:0:0:1]:9", "::1", 9),
    ] {
        assert_eq!(parse(url), Ok((host.to_owned(), port)), "{url}");
    }
    for url in ["ftp://127.0.0.1", "127.0.0.1:80", "/mcp", "not a url"] {
        assert!(parse(url).unwrap_err().contains("is not a URL such as"), "{url}");
    }
    let why = parse("http://ann:a-password@127.0.0.1").unwrap_err();
    assert!(why.contains("user name") && !why.contains("a-password"), "{why}");
    let why = parse("http://127.0.0.1/mcp?api_key=sesame").unwrap_err();
    assert!(why.contains("query") && why.contains("--bearer-env") && !why.contains("sesame"), "{why}");
    let why = parse("ftp://ann:a-password@127.0.0.1/mcp?api_key=sesame").unwrap_err();
    assert!(why.contains("`ftp://127.0.0.1/mcp`") && !why.contains("a-password") && !why.contains("sesame"), "{why}");
    assert_eq!(without_secrets("ann:pw@host:1/a@b?c"), "host:1/a@b");
    assert_eq!(normal_host("[::FFFF:7F00:1]"), "::ffff:127.0.0.1");
}

#[tokio::test]
async fn loopback_is_resolved_once_and_keeps_the_port() {
    let resolved_host = Reach::default().resolve("https://127.0.0.1:8443/mcp").await.unwrap();
    assert_eq!(resolved_host.addresses, ["127.0.0.1:8443".parse().unwrap()]);
    assert!(resolved_host.is_loopback);
    // The top-level domain `invalid` never has a name (RFC 6761).
    let why = listed(&["harness.invalid"]).resolve("http://harness.invalid").await.unwrap_err();
    assert!(why.contains("cannot be resolved"), "{why}");
    assert!(Reach::default().resolve("http://192.0.2.7").await.unwrap_err().contains("is not this machine"));
}
