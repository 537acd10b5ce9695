//! Entries that are not taken: the node hears which and why, it is on record, and nothing is doubled.

use pact_proto::model::entry::{Body, Entry, Via};
use pact_proto::model::{Scope, SpoolNumber};
use pact_proto::wire::v1;
use prost::Message;

use super::caller::{Raw, Uplink, entry, spool};
use super::member::Site;
use crate::support::{at, runtime};

/// What the node sends after hello; what it hears: the last number that was acknowledged, the number that is refused,
/// and a part of the reason.
struct Case {
    what: &'static str,
    send: Vec<Raw>,
    hears: (u64, u64, &'static str),
}

fn cases(node: &str) -> Vec<Case> {
    let of = |numbers: &[u64]| Raw::batch(spool(node, 7, numbers.iter().copied()));
    let changed = |change: fn(&mut Entry)| {
        let mut second = entry(node, 7, 2);
        change(&mut second);
        vec![Raw::batch(vec![entry(node, 7, 1).encode(), second.encode()])]
    };
    let garbage = |bytes: Vec<u8>| vec![of(&[1]), Raw::batch(vec![bytes])];
    let mut dated = v1::Entry::from(&entry(node, 7, 2));
    dated.seq = 17;
    let dated = [&[1], dated.encode_to_vec().as_slice()].concat();
    let many = vec![vec![0; 600_000]; 2];
    let case = |what, send, hears| Case { what, send, hears };
    vec![
        case("a gap at first", vec![of(&[2])], (0, 2, "entry 1 must come first")),
        case("a gap", vec![of(&[1, 2]), of(&[4])], (2, 4, "entry 3 must come first")),
        case("a gap in a message", vec![of(&[1, 2, 4])], (2, 4, "entry 3 must come first")),
        case("again", vec![of(&[1, 2]), of(&[2, 3])], (2, 2, "entry 3 must come first")),
        case("again in a message", vec![of(&[1, 1])], (1, 1, "entry 2 must come first")),
        case("reordered", vec![of(&[1, 3, 2])], (1, 3, "entry 2 must come first")),
        case(
            "another spool",
            changed(|e| e.position.as_mut().unwrap().epoch.0 = 8),
            (1, 2, "it is of the spool 0000000000000008"),
        ),
        case("another node", changed(|e| e.position = Some(at("other", 7, 2))), (1, 2, "it is of other")),
        case("another scope", changed(|e| e.scope = Scope::Global), (1, 2, "its scope is global")),
        case(
            "the scope of another",
            changed(|e| e.scope = "node:other".parse().unwrap()),
            (1, 2, "its scope is node:other"),
        ),
        case(
            "via another",
            changed(|e| e.via = Via::Node("other".parse().unwrap())),
            (1, 2, "it says that other vouches"),
        ),
        case("via a member", changed(|e| e.via = Via::Member("1".into())), (1, 2, "it says that member \"1\" vouches")),
        case(
            "in no spool",
            changed(|e| (e.position, e.via) = (None, Via::Member("1".into()))),
            (1, 2, "it was in no spool"),
        ),
        case(
            "root elsewhere",
            changed(|e| e.author = "unix:root@other".parse().unwrap()),
            (1, 2, "its author is \"unix:root@other\""),
        ),
        case(
            "a machine",
            changed(|e| e.author = "pact://node/other".parse().unwrap()),
            (1, 2, "cannot vouch for that"),
        ),
        case(
            "what a member says",
            changed(|e| {
                let node = "other".parse().unwrap();
                e.body = Body::UplinkRejected { node, number: SpoolNumber(1), reason: String::new() };
            }),
            (1, 2, "only a member of the journal says that"),
        ),
        case(
            "that a member started",
            changed(|e| e.body = Body::MemberStarted { version: String::new() }),
            (1, 2, "only a member of the journal says that"),
        ),
        case("nothing", garbage(Vec::new()), (1, 2, "no entry: it is empty")),
        case("a newer version", garbage(vec![2, 0, 0]), (1, 2, "no entry: its version is 2")),
        case("garbage", garbage(vec![1, 0xff, 0xff]), (1, 2, "no entry: it cannot be decoded")),
        case("with a seq", garbage(dated), (1, 2, "it has a seq, a hash or a commit time")),
        case(
            "oversized together",
            vec![of(&[1]), Raw::batch(many)],
            (1, 2, "have 1200000 bytes, 1048576 are the most"),
        ),
        case(
            "oversized alone",
            vec![of(&[1]), Raw::batch(vec![vec![1; (4 << 20) + 1]])],
            (1, 2, "4194304 are the most"),
        ),
        case(
            "an oversized message",
            vec![of(&[1]), Raw::batch(vec![vec![1; 5 << 20]])],
            (1, 2, "a message cannot be read"),
        ),
        case("no entries", vec![of(&[1]), Raw::batch(Vec::new())], (1, 2, "a message has no entries")),
        case("no kind", vec![of(&[1]), Raw::default()], (1, 2, "of no kind that this journal knows")),
        case(
            "an unknown kind",
            vec![Raw { unknown: Some(vec![1, 2, 3]), ..Raw::default() }],
            (0, 1, "of no kind that this journal knows"),
        ),
        case(
            "no message",
            vec![Raw { entries: Some(vec![0xff; 9]), ..Raw::default() }],
            (0, 1, "a message cannot be read"),
        ),
        case("hello again", vec![of(&[1]), Raw::greeting(7)], (1, 2, "hello came again")),
    ]
}

#[test]
fn what_is_wrong_is_refused_and_recorded() {
    let site = Site::new();
    let count = cases("n").len();
    let member = site.start();
    runtime().block_on(async {
        for n in 0..count {
            let node = format!("n{n}");
            let Case { what, send, hears: (last, number, why) } = cases(&node).swap_remove(n);
            let (mut uplink, next) = Uplink::of(&site, member.address, &site.node(&node), 7).await.unwrap();
            assert_eq!(next, 1);
            for message in send {
                uplink.send(message).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            let heard = uplink.refused().await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!((heard.0, heard.1) == (last, number) && heard.2.contains(why), "{what}: {heard:?}");
            // It goes on from there, as if nothing had been.
            let (mut uplink, next) = Uplink::of(&site, member.address, &site.node(&node), 7).await.unwrap();
            assert_eq!(next, last + 1, "{what}");
            uplink.send(Raw::batch(spool(&node, 7, next..next + 2))).await.unwrap();
            uplink.acknowledged(next + 1).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    });
    member.stop();
    let records = site.records();
    for n in 0..count {
        let Case { what, hears: (last, number, why), .. } = cases("n").swap_remove(n);
        let own: Vec<_> = records.iter().filter(|record| record.contains(&format!(" node:n{n} "))).collect();
        let (rejected, taken): (Vec<_>, Vec<_>) = own.into_iter().partition(|record| record.contains(" REJECT "));
        let says = format!(" pact://node/n{n} the journal did not take entry {number} of n{n}: ");
        assert!(
            rejected.len() == 1 && rejected[0].contains(&says) && rejected[0].contains(why),
            "{what}: {rejected:?}"
        );
        let numbers: Vec<u64> =
            taken.iter().map(|record| record.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
        assert_eq!(numbers, (1..=last + 2).collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn before_hello_nothing_is_taken() {
    let site = Site::new();
    let (ca, leaf) = (site.authority.certificate(), site.node("n1"));
    let member = site.start();
    runtime().block_on(async {
        let way = super::caller::Way { to: member.address, ca: &ca, as_: Some(&leaf), window: None };
        let mut uplink = way.open().await.unwrap();
        uplink.send(Raw::batch(spool("n1", 7, [1]))).await.unwrap();
        assert_eq!(uplink.refused().await, Ok((0, 0, "entries came before hello".to_owned())));
    });
    member.stop();
    assert_eq!(site.records().len(), 1);
}

/// What comes again on a new stream is acknowledged, unless it is not what came before.
#[test]
fn the_past_is_not_written_anew() {
    let site = Site::new();
    let leaf = site.node("n1");
    let member = site.start();
    runtime().block_on(async {
        let stream = async || Uplink::of(&site, member.address, &leaf, 7).await.unwrap().0;
        let mut uplink = stream().await;
        uplink.send(Raw::batch(spool("n1", 7, 1..=4))).await.unwrap();
        uplink.acknowledged(4).await.unwrap();
        let mut uplink = stream().await;
        uplink.send(Raw::batch(spool("n1", 7, 2..=6))).await.unwrap();
        uplink.acknowledged(6).await.unwrap();
        let mut uplink = stream().await;
        let mut other = entry("n1", 7, 3);
        other.author = "bob@example.org".parse().unwrap();
        uplink.send(Raw::batch(vec![entry("n1", 7, 2).encode(), other.encode()])).await.unwrap();
        let refused = uplink.refused().await.unwrap();
        assert_eq!(refused, (0, 3, "it is not what came under its number before, which is record 4".to_owned()));
    });
    member.stop();
    let records = site.records();
    assert_eq!(records.len(), 7);
    assert!(records[6].contains(" REJECT ") && !records.iter().any(|record| record.contains("bob@")), "{records:#?}");
}

/// A node that is refused again and again does not fill the log with it.
#[test]
fn refusals_are_counted_where_they_are_many() {
    let site = Site::new();
    let leaf = site.node("n1");
    let member = site.start();
    let start = std::time::Instant::now();
    let tries = 30;
    runtime().block_on(async {
        for _ in 0..tries {
            let (mut uplink, _) = Uplink::of(&site, member.address, &leaf, 7).await.unwrap();
            uplink.send(Raw::batch(spool("n1", 7, [9]))).await.unwrap();
            uplink.refused().await.unwrap();
        }
    });
    let seconds = start.elapsed().as_secs() + 2;
    member.stop();
    let recorded = site.records().len() as u64;
    assert!(recorded >= 1 && recorded <= seconds && recorded < tries, "{recorded} in {seconds} s");
}
