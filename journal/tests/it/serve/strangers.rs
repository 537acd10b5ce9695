//! Whoever is no node of the site: refused, and named.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use pact_xtask::authority::{Asked, Authority, Leaf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::caller::{Raw, Uplink, Way, spool};
use super::member::{Member, PATIENCE, Site};
use crate::support::runtime;

/// A certificate, what whoever shows it hears, and what the member says of it.
type Stranger = (&'static str, Option<Leaf>, &'static str, &'static str);

fn in_the_handshake(site: &Site) -> Vec<Stranger> {
    let (other, same) = (Authority::new("elsewhere").unwrap(), Authority::new("site").unwrap());
    let asked = Asked::new(&["n1"], &["pact://node/n1"]);
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let expired = site.authority.leaf(&Asked { not_after: now - hour, ..asked.clone() }).unwrap();
    let early = site.authority.leaf(&Asked { not_before: now + hour, ..asked }).unwrap();
    vec![
        ("no certificate", None, "CertificateRequired", "peer sent no certificates"),
        ("another authority", Some(other.node("n1").unwrap()), "UnknownCA", "UnknownIssuer"),
        ("another of that name", Some(same.node("n1").unwrap()), "DecryptError", "BadSignature"),
        ("expired", Some(expired), "CertificateExpired", "certificate expired"),
        ("not yet valid", Some(early), "CertificateExpired", "certificate not valid yet"),
    ]
}

/// Certificates of the site's authority that name no node.
fn by_name(site: &Site) -> Vec<(&'static str, Leaf, &'static str)> {
    let leaf = |uris: &[&str]| site.authority.leaf(&Asked::new(&["n1"], uris)).unwrap();
    let member = site.authority.member(2, &["localhost"]).unwrap();
    vec![
        ("a member", member, "it is that of pact://member/2, and only a node sends records"),
        (
            "two names",
            leaf(&["pact://node/n1", "pact://node/n2"]),
            "it has 2 names that begin with pact:, and one is the most",
        ),
        ("no machine", leaf(&["pact://node/N1"]), "\"pact://node/N1\" is neither pact://node/<name> nor"),
    ]
}

fn is_named(member: &Member, what: &str, says: &str) {
    let said = member.until(says).unwrap_or_else(|said| panic!("{what}: {said:?}"));
    assert!(said.starts_with("pact-journal: 127.0.0.1:"), "{what}: {said}");
}

#[test]
fn strangers_do_not_come_in() {
    let site = Site::new();
    let ca = site.authority.certificate();
    let member = site.start();
    runtime().block_on(async {
        for (what, leaf, hears, says) in in_the_handshake(&site) {
            let way = Way { to: member.address, ca: &ca, as_: leaf.as_ref(), window: None };
            // The client is done with its half before the member has seen the certificate; then comes the alert.
            let mut stream = way.tls().await.unwrap();
            let heard = stream.read(&mut [0; 1024]).await.unwrap_err().to_string();
            assert!(heard.contains(hears), "{what}: {heard}");
            is_named(&member, what, says);
        }
        for (what, leaf, says) in by_name(&site) {
            let way = Way { to: member.address, ca: &ca, as_: Some(&leaf), window: None };
            let refused = match way.open().await {
                Err(refused) => refused,
                Ok(mut uplink) => uplink.refused().await.unwrap_err(),
            };
            assert!(!refused.is_empty(), "{what}");
            is_named(&member, what, says);
        }
        // A certificate without a name is a person's, whoever signed it, and a person has no records.
        let person = site.authority.leaf(&Asked::new(&["n1"], &[])).unwrap();
        let way = Way { to: member.address, ca: &ca, as_: Some(&person), window: None };
        let refused = way.open().await.err().unwrap();
        assert!(refused.contains("a person has nothing to ask of this service"), "{refused}");
    });
    member.stop();
    assert_eq!(site.records(), Vec::<String>::new());
}

/// A node shows its own certificate and sends the records of another.
#[test]
fn a_certificate_counts_for_its_own_node() {
    let site = Site::new();
    let member = site.start();
    runtime().block_on(async {
        let (mut uplink, _) = Uplink::of(&site, member.address, &site.node("n2"), 7).await.unwrap();
        uplink.send(Raw::batch(spool("n1", 7, 1..=3))).await.unwrap();
        let refused = uplink.refused().await.unwrap();
        assert_eq!(refused, (0, 1, "it is of n1, and n2 sent it".to_owned()));
    });
    member.stop();
    let records = site.records();
    assert_eq!(records.len(), 1);
    assert!(
        records[0].contains(" REJECT  node:n2 pact://node/n2 the journal did not take entry 1 of n2: it is of n1"),
        "{records:?}"
    );
}

/// Bytes that are no TLS, and TLS that goes nowhere: the member goes on.
#[test]
fn noise_ends_its_own_connection() {
    let site = Site::new();
    let (ca, leaf) = (site.authority.certificate(), site.node("n1"));
    let member = site.start();
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 600], &[0x16, 3, 1, 0xff, 0xff]] {
        let mut stream = TcpStream::connect(member.address).unwrap();
        stream.write_all(noise).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // An alert or a reset; in any case an end.
        let _end = stream.read_to_end(&mut Vec::new());
        member.until("TLS: ").unwrap();
    }
    runtime().block_on(async {
        let way = Way { to: member.address, ca: &ca, as_: Some(&leaf), window: None };
        for noise in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 600], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff"]
        {
            let mut stream = way.tls().await.unwrap();
            stream.write_all(noise).await.unwrap();
            let _end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
        }
        let (_, next) = Uplink::of(&site, member.address, &leaf, 7).await.unwrap();
        assert_eq!(next, 1);
    });
    member.stop();
}

/// Whoever connects and says nothing loses its place, and whoever is known and says no hello too.
#[test]
fn who_says_nothing_is_not_waited_for() {
    let site = Site::new();
    let (ca, leaf) = (site.authority.certificate(), site.node("n1"));
    let member = site.start();
    let mut silent = TcpStream::connect(member.address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    runtime().block_on(async {
        let way = Way { to: member.address, ca: &ca, as_: Some(&leaf), window: None };
        let mut uplink = way.open().await.unwrap();
        let (_, _, reason) = uplink.refused().await.unwrap();
        assert_eq!(reason, "hello: none came within 10 s");
    });
    member.until("TLS: no handshake within 10 s").unwrap();
    runtime().block_on(async {
        let way = Way { to: member.address, ca: &ca, as_: Some(&leaf), window: None };
        let mut stream = way.tls().await.unwrap();
        let _end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
    });
    member.until("nothing was asked for within 10 s").unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    member.stop();
}
