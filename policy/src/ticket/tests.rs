//! Tickets, good and bad, by members, nodes and strangers.

use std::time::{Duration, SystemTime};

use pact_xtask::authority::{Asked, Leaf};
use proptest::prelude::*;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;

struct Site {
    made: pact_xtask::authority::Authority,
    authority: Authority,
}

impl Site {
    fn new() -> Self {
        let made = pact_xtask::authority::Authority::new("a site").unwrap();
        let root = CertificateDer::from_pem_slice(made.certificate().as_bytes()).unwrap();
        Self { made, authority: Authority::new([root]).unwrap() }
    }

    fn member(&self) -> Leaf {
        self.made.member(1, &["journal01"]).unwrap()
    }

    fn read(&self, signed: &[u8]) -> Result<Ticket, String> {
        Ticket::read(signed, &self.authority).map_err(|fault| fault.to_string())
    }
}

fn signing(leaf: &Leaf, grant: &Grant) -> Vec<u8> {
    grant.sign(vec![leaf.der().unwrap()], |message| leaf.sign(message)).unwrap()
}

fn key(byte: u8) -> KeyThumbprint {
    KeyThumbprint::from_slice(&[byte; 32]).unwrap()
}

fn grant() -> Grant {
    let issued = Timestamp::now();
    Grant {
        audience: Audience::Node("node042".parse().unwrap()),
        principal: "alice@example.org".parse().unwrap(),
        roles: ["pact-ops-ml".parse().unwrap()].into(),
        key: key(7),
        issued,
        expires: issued + LONGEST,
        id: [9; 16],
    }
}

#[test]
fn what_a_member_signed_is_read_back() {
    let site = Site::new();
    let expected = grant();
    let ticket = site.read(&signing(&site.member(), &expected)).unwrap();
    assert_eq!(*ticket.grant(), expected);
    let journal = Grant { audience: Audience::Journal, roles: BTreeSet::new(), ..expected };
    assert_eq!(*site.read(&signing(&site.member(), &journal)).unwrap().grant(), journal);
}

#[test]
fn it_opens_one_door_with_one_key_for_an_hour() {
    let site = Site::new();
    let grant = grant();
    let ticket = site.read(&signing(&site.member(), &grant)).unwrap();
    let here = || grant.audience.clone();
    let there = Audience::Node("node043".parse().unwrap());
    let at = |seconds: i64| grant.issued + SignedDuration::from_secs(seconds);
    for (door, with, now, expected) in [
        (here(), key(7), at(0), ""),
        (here(), key(7), at(-59), ""),
        (here(), key(7), at(3599), ""),
        (here(), key(7), at(3600), "it expired at"),
        (here(), key(7), at(-61), "it is not valid before"),
        (here(), key(8), at(0), "it is for another key"),
        (there, key(7), at(0), "it is for node node042"),
        (Audience::Journal, key(7), at(0), "it is for node node042"),
    ] {
        let told = ticket.opens(&door, &with, now).map_or_else(|fault| fault.to_string(), |()| String::new());
        assert!(told.starts_with(expected) && told.is_empty() == expected.is_empty(), "{door} {now}: {told}");
    }
}

#[test]
fn nobody_but_a_member_of_the_site_signs() {
    let (site, other) = (Site::new(), Site::new());
    let leaf = |uris: &[&str]| site.made.leaf(&Asked::new(&["x"], uris)).unwrap();
    let old = Asked {
        not_after: SystemTime::now() - Duration::from_secs(60),
        ..Asked::new(&["journal01"], &["pact://member/1"])
    };
    for (signer, expected) in [
        (other.member(), "invalid peer certificate"),
        (site.made.leaf(&old).unwrap(), "invalid peer certificate"),
        (site.made.node("node042").unwrap(), "pact://node/node042 signed it"),
        (leaf(&[]), "it has no name"),
        (leaf(&["pact://member/1", "pact://member/2"]), "names that begin with pact:"),
    ] {
        let told = site.read(&signing(&signer, &grant())).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
    // Another's key under the member's certificate.
    let (member, mallory) = (site.member(), site.made.node("node042").unwrap());
    let forged = Leaf { certificate: member.certificate, key: mallory.key };
    assert_eq!(site.read(&signing(&forged, &grant())).unwrap_err(), "its signer: its signature is not good");
}

#[test]
fn none_lasts_longer_than_an_hour_or_less_than_nothing() {
    let site = Site::new();
    for seconds in [-1, 0, 3601] {
        let issued = grant().issued;
        let long = Grant { issued, expires: issued + SignedDuration::from_secs(seconds), ..grant() };
        assert!(site.read(&signing(&site.member(), &long)).unwrap_err().contains("it lasts from"), "{seconds}");
    }
}

/// A signature that the key made for something else is no ticket's.
#[test]
fn what_is_signed_begins_with_what_it_is() {
    let site = Site::new();
    let signed = signing(&site.member(), &grant());
    let mut wire = v1::SignedTicket::decode(signed.as_slice()).unwrap();
    wire.body = message(&wire.body);
    assert!(site.read(&wire.encode_to_vec()).is_err());
}

#[test]
fn a_byte_that_is_changed_is_no_ticket() {
    let site = Site::new();
    let good = signing(&site.member(), &grant());
    proptest!(ProptestConfig::with_cases(400), |(at in 0usize..good.len(), bit in 0u8..8, junk: Vec<u8>)| {
        let mut bad = good.clone();
        bad[at] ^= 1 << bit;
        prop_assert!(site.read(&bad).is_err(), "{at}.{bit}");
        prop_assert!(site.read(&good[..at]).is_err());
        prop_assert!(site.read(&junk).is_err());
    });
    assert!(site.read(&vec![0; MOST_BYTES + 1]).unwrap_err().contains("too long"));
}
