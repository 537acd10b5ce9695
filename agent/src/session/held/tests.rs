//! Tickets at a node: which open a session, which keep it open, and what ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use pact_policy::authority::Authority;
use pact_policy::ticket::{Grant, LONGEST};
use pact_proto::wire::v1::credential::Kind;
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
        Self { authority: Authority::new([root]).unwrap(), made }
    }

    fn door(&self) -> Door {
        Door { authority: self.authority.clone(), audience: Audience::Node("node042".parse().unwrap()), key: key(7) }
    }

    /// Shown by its holder.
    fn shown(&self, grant: &Grant) -> v1::Credential {
        let leaf = self.made.member(1, &["journal01"]).unwrap();
        let signed = grant.sign(vec![leaf.der().unwrap()], |message| leaf.sign(message)).unwrap();
        v1::Credential { kind: Some(Kind::Ticket(v1::Ticket { signed })) }
    }
}

fn key(byte: u8) -> KeyThumbprint {
    KeyThumbprint::from_slice(&[byte; 32]).unwrap()
}

fn grant(principal: &str) -> Grant {
    let issued = Timestamp::now();
    Grant {
        audience: Audience::Node("node042".parse().unwrap()),
        principal: principal.parse().unwrap(),
        roles: BTreeSet::new(),
        key: key(7),
        issued,
        expires: issued + LONGEST,
        id: [9; 16],
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what the uplink tells, which may have told nothing")]
fn times(of: &[(&str, Timestamp)]) -> Revoked {
    Some(Arc::new(of.iter().map(|(name, time)| (name.parse().unwrap(), *time)).collect::<BTreeMap<_, _>>()))
}

const ALICE: &str = "alice@example.org";

#[test]
fn a_ticket_that_is_not_for_this_door_opens_nothing() {
    let site = Site::new();
    let here = grant(ALICE);
    let hour_ago = here.issued - SignedDuration::from_hours(2);
    let other = Site::new();
    for (shown, expected) in [
        (None, "no ticket was shown"),
        (Some(v1::Credential { kind: None }), "no ticket was shown"),
        (Some(v1::Credential { kind: Some(Kind::Peer(v1::PeerCredential::default())) }), "no ticket was shown"),
        (
            Some(site.shown(&Grant { audience: Audience::Node("node043".parse().unwrap()), ..here.clone() })),
            "the ticket: it is for node node043",
        ),
        (Some(site.shown(&Grant { audience: Audience::Journal, ..here.clone() })), "the ticket: it is for the journal"),
        (Some(site.shown(&Grant { key: key(8), ..here.clone() })), "the ticket: it is for another key"),
        (
            Some(site.shown(&Grant { issued: hour_ago, expires: hour_ago + LONGEST, ..here.clone() })),
            "the ticket: it expired at",
        ),
        (Some(other.shown(&here)), "the ticket: its signer: "),
    ] {
        let (_tell, told) = watch::channel(times(&[]));
        let fault = Held::read(site.door(), told, shown.as_ref()).err().unwrap();
        assert!(fault.to_string().starts_with(expected), "{fault}");
        let refusal = refusal(&fault, "192.0.2.1:4000".parse().unwrap());
        assert_eq!((refusal.code, refusal.message.as_str(), refusal.hint.as_str()), (ExitCode::Auth, REFUSED, ""));
        assert!(refusal.reason.starts_with("192.0.2.1:4000: "), "{}", refusal.reason);
    }
}

#[test]
fn a_node_that_does_not_know_what_is_revoked_takes_no_ticket() {
    let site = Site::new();
    let (_tell, told) = watch::channel(None);
    let fault = Held::read(site.door(), told, Some(&site.shown(&grant(ALICE)))).err().unwrap();
    assert!(matches!(fault, Fault::NotNow));
    assert_eq!(refusal(&fault, "192.0.2.1:4000".parse().unwrap()).code, ExitCode::Unreachable);
}

#[test]
fn what_is_revoked_opens_nothing_and_what_was_issued_afterwards_does() {
    let site = Site::new();
    let ticket = grant(ALICE);
    let later = ticket.issued + SignedDuration::from_secs(1);
    let earlier = ticket.issued - SignedDuration::from_secs(1);
    for (revoked, is_open) in [
        (times(&[(ALICE, later)]), false),
        (times(&[(ALICE, ticket.issued)]), false),
        (times(&[(ALICE, earlier)]), true),
        (times(&[("bob@example.org", later)]), true),
    ] {
        let (_tell, told) = watch::channel(revoked.clone());
        assert_eq!(Held::read(site.door(), told, Some(&site.shown(&ticket))).is_ok(), is_open, "{revoked:?}");
    }
}

#[tokio::test]
async fn an_open_session_hears_that_it_is_revoked() {
    let site = Site::new();
    let (tell, told) = watch::channel(times(&[]));
    let held = Held::read(site.door(), told, Some(&site.shown(&grant(ALICE)))).unwrap();
    let mut waiting = std::pin::pin!(held.revoked());
    let mut is_over =
        async || tokio::select! { biased; () = &mut waiting => true, () = tokio::task::yield_now() => false };
    assert!(!is_over().await);
    tell.send_replace(times(&[("bob@example.org", Timestamp::now())]));
    assert!(!is_over().await, "somebody else is");
    tell.send_replace(times(&[(ALICE, Timestamp::now())]));
    assert!(is_over().await);
}

#[test]
fn a_ticket_is_replaced_by_one_of_the_same_person() {
    let site = Site::new();
    let (_tell, told) = watch::channel(times(&[]));
    let first = grant(ALICE);
    let held = Held::read(site.door(), told, Some(&site.shown(&first))).unwrap();
    let next = Grant { expires: first.expires - SignedDuration::from_mins(1), id: [8; 16], ..first.clone() };
    let next = Grant { roles: BTreeSet::from(["pact-viewer-ml".parse().unwrap()]), ..next };
    let renew = |held: &Held, credential| pact_session::renew(Some(held), &v1::Renew { credential });
    renew(&held, Some(site.shown(&next))).unwrap();
    assert_eq!(held.expires(), next.expires);
    let proof = crate::session::Proof::Ticket(Arc::new(held));
    assert_eq!(proof.identity().roles(), next.roles.iter().cloned().collect::<Vec<_>>(), "a line is judged by these");
    let held = proof.ticket().unwrap();
    for bad in [
        None,
        Some(site.shown(&grant("bob@example.org"))),
        Some(site.shown(&Grant { key: key(8), ..first.clone() })),
        Some(site.shown(&Grant { audience: Audience::Journal, ..first })),
    ] {
        assert!(matches!(renew(&held, bad), Err(pact_session::Broken::Protocol(_))));
        assert_eq!(held.expires(), next.expires, "nothing has replaced it");
    }
}
