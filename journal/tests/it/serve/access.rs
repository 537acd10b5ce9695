//! Persons at a member's door: tokens, and what they are traded for.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use pact_policy::authority::Authority;
use pact_policy::certificate::KeyThumbprint;
use pact_policy::ticket::{Audience, Ticket};
use pact_proto::model::entry::Credential;
use pact_proto::wire::v1::access_client::AccessClient;
use pact_proto::wire::v1::{ExchangeReply, ExchangeRequest, MembersRequest};
use pact_xtask::authority::Leaf;
use pact_xtask::issuer::{Provider, Signs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tonic::Code;

use super::caller::{Raw, Uplink, Way, entry};
use super::member::{Member, Site};
use crate::support::runtime;

pub(super) fn provider(site: &Site) -> Provider {
    let provider = Provider::new("https://id.example.org", Signs::Es256).unwrap();
    std::fs::write(site.path("keys.json"), provider.jwks().unwrap()).unwrap();
    let issuer = format!(
        "[[issuer]]\nissuer = {:?}\naudience = \"pact\"\nalgorithm = \"ES256\"\njwks = {:?}\n",
        provider.name,
        site.path("keys.json").display().to_string()
    );
    let path = site.path("journal.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, config + &issuer).unwrap();
    provider
}

/// A certificate that somebody made for themselves.
pub(super) fn own() -> Leaf {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap().self_signed(&key).unwrap();
    Leaf { certificate: made.pem(), key: key.serialize_pem() }
}

fn thumbprint(leaf: &Leaf) -> KeyThumbprint {
    KeyThumbprint::of(&CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()).unwrap()
}

pub(super) async fn exchange(
    site: &Site,
    member: &Member,
    as_: &Leaf,
    token: &str,
    nodes: &[&str],
) -> Result<ExchangeReply, Code> {
    exchange_from(Ipv4Addr::LOCALHOST, site, member, as_, token, nodes).await
}

async fn exchange_from(
    from: Ipv4Addr,
    site: &Site,
    member: &Member,
    as_: &Leaf,
    token: &str,
    nodes: &[&str],
) -> Result<ExchangeReply, Code> {
    let ca = site.authority.certificate();
    let way = Way { to: member.address, ca: &ca, as_: Some(as_), window: None };
    let nodes = nodes.iter().map(|name| (*name).to_owned()).collect();
    let asked = ExchangeRequest { token: token.to_owned(), nodes, journal: true };
    let mut client = AccessClient::new(way.channel_from(from).await.unwrap());
    client.exchange(asked).await.map(tonic::Response::into_inner).map_err(|status| {
        if status.code() == Code::Unauthenticated {
            assert_eq!(status.message(), "access: the token is not accepted");
        }
        status.code()
    })
}

#[test]
fn a_token_is_traded_for_tickets_of_one_key() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    let authority = site.authority.certificate();
    let authority = Authority::new([CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()]).unwrap();
    runtime().block_on(async {
        let (_uplink, _) = Uplink::of(&site, member.address, &site.node("n1"), 7).await.unwrap();
        let alice = own();
        let token = provider.token("alice@example.org", &["pact-ops-ml"]).unwrap();
        let reply = exchange(&site, &member, &alice, &token, &["n1", "n2", "N3"]).await.unwrap();
        assert_eq!(
            (reply.principal.as_str(), reply.roles.as_slice()),
            ("alice@example.org", &["pact-ops-ml".to_owned()][..])
        );
        let refused: Vec<_> = reply.grants.iter().map(|grant| grant.refused.as_str()).collect();
        assert_eq!(refused, ["", "no node of this name has connected", "it is not a name of a node", ""]);
        for (grant, audience) in [(0, Audience::Node("n1".parse().unwrap())), (3, Audience::Journal)] {
            let ticket = Ticket::read(&reply.grants[grant].signed, &authority).unwrap();
            ticket.opens(&audience, &thumbprint(&alice), Timestamp::now()).unwrap();
            assert!(ticket.opens(&audience, &thumbprint(&own()), Timestamp::now()).is_err());
            assert_eq!(ticket.grant().principal.as_str(), "alice@example.org");
        }
    });
    member.stop();
}

/// A node writes as somebody who showed it a ticket, and as nobody else who has one.
#[test]
fn what_a_node_says_of_a_person_their_ticket_must_bear_out() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    runtime().block_on(async {
        let kept = [
            Uplink::of(&site, member.address, &site.node("n1"), 7).await.unwrap(),
            Uplink::of(&site, member.address, &site.node("n2"), 7).await.unwrap(),
        ];
        let token = provider.token("alice@example.org", &[]).unwrap();
        let reply = exchange(&site, &member, &own(), &token, &["n1", "n2"]).await.unwrap();
        drop(kept);
        let [first, second] = [0, 1].map(|grant| reply.grants[grant].signed.clone());
        for (node, number, author, ticket, hears) in [
            ("n1", 1, "alice@example.org", first.clone(), ""),
            ("n1", 2, "bob@example.org", first.clone(), "its ticket is alice@example.org's, and its author bob@"),
            ("n1", 2, "alice@example.org", second, "its ticket is for node n2, and n1 sent it"),
            ("n1", 2, "alice@example.org", vec![1, 2, 3], "its ticket: it cannot be read"),
            ("n2", 1, "alice@example.org", first, "its ticket is for node n1, and n2 sent it"),
        ] {
            let (mut uplink, next) = Uplink::of(&site, member.address, &site.node(node), 7).await.unwrap();
            assert_eq!(next, number);
            let mut said = entry(node, 7, number);
            (said.author, said.credential) = (author.parse().unwrap(), Some(Credential::Ticket(ticket)));
            uplink.send(Raw::batch(vec![said.encode()])).await.unwrap();
            if hears.is_empty() {
                uplink.acknowledged(number).await.unwrap();
            } else {
                let (_, refused, why) = uplink.refused().await.unwrap();
                assert!(refused == number && why.contains(hears), "{why}");
            }
        }
    });
    member.stop();
}

#[test]
fn a_ticket_ends_with_its_token() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    runtime().block_on(async {
        let mut claims = provider.claims("alice@example.org", &[]);
        let soon = Timestamp::now().as_second() + 90;
        claims["exp"] = json!(soon);
        let token = provider.sign(&claims).unwrap();
        let reply = exchange(&site, &member, &own(), &token, &[]).await.unwrap();
        let expires = Timestamp::try_from(reply.grants[0].expires.unwrap()).unwrap();
        assert_eq!(expires.as_second(), soon);
    });
    member.stop();
}

#[test]
fn every_bad_token_reads_the_same_and_its_reason_is_on_record() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    let mut old = provider.claims("alice@example.org", &[]);
    old["exp"] = json!(1_000_000);
    let stranger = Provider::new(&provider.name, Signs::Es256).unwrap();
    let tokens = [
        (String::new(), "there is no token"),
        ("x.y.z".to_owned(), "it cannot be read"),
        (provider.sign(&old).unwrap(), "it expired at 1970-01-12T13:46:40Z"),
        (stranger.token("mallory@example.org", &["pact-platform-admin"]).unwrap(), "its signature is not good"),
    ];
    runtime().block_on(async {
        let key = own();
        // What comes fast from one place is counted, and here each should be seen.
        for (place, (token, _)) in (1..).zip(&tokens) {
            let from = Ipv4Addr::new(127, 0, 0, place);
            let refused = exchange_from(from, &site, &member, &key, token, &["n1"]).await;
            assert_eq!(refused, Err(Code::Unauthenticated));
        }
        let machine = site.node("n1");
        assert_eq!(exchange(&site, &member, &machine, &tokens[0].0, &[]).await, Err(Code::PermissionDenied));
    });
    member.stop();
    let records = site.records();
    assert_eq!(records.len(), tokens.len(), "{records:?}");
    for (record, (token, reason)) in records.iter().zip(&tokens) {
        assert!(record.contains(" DENIED  global pact://member/1 127.0.0.") && record.contains(reason), "{record}");
        assert!(token.is_empty() || !record.contains(token), "{record}");
    }
}

#[test]
fn a_vcluster_has_the_nodes_that_say_so() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    runtime().block_on(async {
        let mut kept = Vec::new();
        for name in ["n2", "n1"] {
            kept.push(Uplink::of(&site, member.address, &site.node(name), 7).await.unwrap());
        }
        let ca = site.authority.certificate();
        let leaf = own();
        let way = Way { to: member.address, ca: &ca, as_: Some(&leaf), window: None };
        let mut client = AccessClient::new(way.channel().await.unwrap());
        let mut ask = async |token: &str, vcluster: &str| {
            let asked = MembersRequest { token: token.to_owned(), vcluster: vcluster.to_owned() };
            client.members(asked).await.map(|reply| reply.into_inner().nodes).map_err(|status| status.code())
        };
        let token = provider.token("alice@example.org", &[]).unwrap();
        assert_eq!(ask(&token, "test").await, Ok(vec!["n1".to_owned(), "n2".to_owned()]));
        assert_eq!(ask(&token, "other").await, Ok(Vec::new()));
        assert_eq!(ask(&token, "No Such").await, Err(Code::InvalidArgument));
        assert_eq!(ask("", "test").await, Err(Code::Unauthenticated));
    });
    member.stop();
}

/// Keys are made by anybody: a place at the door is for whoever has a token.
#[test]
fn who_has_no_token_is_sent_away_and_who_has_one_stays() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    runtime().block_on(async {
        let (ca, leaf) = (site.authority.certificate(), own());
        let way = Way { to: member.address, ca: &ca, as_: Some(&leaf), window: None };
        let mut known = AccessClient::new(way.channel_from(Ipv4Addr::new(127, 0, 0, 8)).await.unwrap());
        let asked = |token: &str| ExchangeRequest { token: token.to_owned(), nodes: Vec::new(), journal: true };
        let token = provider.token("alice@example.org", &[]).unwrap();
        known.exchange(asked(&token)).await.unwrap();
        let mut stranger = AccessClient::new(way.channel_from(Ipv4Addr::new(127, 0, 0, 9)).await.unwrap());
        assert_eq!(stranger.exchange(asked("none")).await.unwrap_err().code(), Code::Unauthenticated);
        let said = member.until("no token was accepted within 10 s").unwrap();
        assert!(said.contains("127.0.0.9:"), "{said}");
        assert!(stranger.exchange(asked(&token)).await.is_err(), "its place is somebody else's");
        known.exchange(asked(&token)).await.unwrap();
    });
    member.stop();
}

/// Every frame that a person can send, and none that hangs the door: it is another service, or no request at all.
#[test]
fn a_person_reaches_nothing_else() {
    let site = Site::new();
    let member = site.start();
    runtime().block_on(async {
        let (ca, leaf) = (site.authority.certificate(), own());
        let way = Way { to: member.address, ca: &ca, as_: Some(&leaf), window: None };
        let refused = way.open().await.err().unwrap();
        assert!(refused.contains("a person has nothing to ask of this service"), "{refused}");
        let (mut uplink, _) = Uplink::of(&site, member.address, &site.node("n1"), 7).await.unwrap();
        uplink.send(Raw::batch(super::caller::spool("n1", 7, [1]))).await.unwrap();
        uplink.acknowledged(1).await.unwrap();
    });
    member.stop();
}
