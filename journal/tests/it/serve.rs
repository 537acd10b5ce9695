//! A member as it is built: nodes send their records with real certificates, and everything is there once.

mod access;
mod caller;
mod crash;
mod entries;
mod files;
mod member;
mod sessions;
mod strangers;

use pact_proto::wire::v1::uplink_reply::Kind;

use self::caller::{Raw, Uplink, entry, spool};
use self::member::Site;
use crate::support::runtime;

#[test]
fn what_nodes_send_is_there_once_and_in_order() {
    let site = Site::new();
    let (n1, n2) = (site.node("n1"), site.node("n2"));
    for round in 0..3 {
        let member = site.start();
        runtime().block_on(async {
            for (leaf, node) in [(&n1, "n1"), (&n2, "n2")] {
                let (mut uplink, next) = Uplink::of(&site, member.address, leaf, 7).await.unwrap();
                assert_eq!(next, round * 9 + 1, "{node}");
                for first in [next, next + 3, next + 6] {
                    uplink.send(Raw::batch(spool(node, 7, first..first + 3))).await.unwrap();
                }
                uplink.done();
                uplink.acknowledged(next + 8).await.unwrap();
                assert_eq!(uplink.next().await, Err("the stream is over".to_owned()));
            }
            let (_, next) = Uplink::of(&site, member.address, &n1, 8).await.unwrap();
            assert_eq!(next, 1, "a new spool is not the old one");
        });
        member.stop();
    }
    let records = site.records();
    assert_eq!(records.len(), 2 * 27);
    for node in ["n1", "n2"] {
        let own: Vec<_> = records.iter().filter(|r| r.contains(&format!(" node:{node} "))).collect();
        assert_eq!(own.len(), 27);
        for (record, number) in own.iter().zip(1..) {
            assert!(record.ends_with(&format!(" alice@example.org {node} 7 {number}")), "{record}");
        }
    }
    // Before those of each round is that the member began.
    let seq = |at: usize| at + 2 + at / 18;
    let is_there = |(at, record): (usize, &String)| record.starts_with(&format!("#{} ", seq(at)));
    assert!(records.iter().enumerate().all(is_there), "{records:#?}");
}

#[test]
fn a_second_stream_of_a_node_ends_the_first() {
    let site = Site::new();
    let leaf = site.node("n1");
    let member = site.start();
    runtime().block_on(async {
        let (mut first, _) = Uplink::of(&site, member.address, &leaf, 7).await.unwrap();
        first.send(Raw::batch(spool("n1", 7, 1..=3))).await.unwrap();
        first.acknowledged(3).await.unwrap();
        let (mut second, next) = Uplink::of(&site, member.address, &leaf, 7).await.unwrap();
        assert_eq!(next, 4);
        let (_, number, reason) = first.refused().await.unwrap();
        assert_eq!((number, reason.as_str()), (0, "another stream of this node has begun"));
        assert_eq!(first.next().await, Err("the stream is over".to_owned()));
        second.send(Raw::batch(spool("n1", 7, [4]))).await.unwrap();
        second.acknowledged(4).await.unwrap();
    });
    member.stop();
    assert_eq!(site.records().len(), 4);
}

#[test]
fn a_member_that_stops_says_so() {
    let site = Site::new();
    let member = site.start();
    runtime().block_on(async {
        let (mut uplink, _) = Uplink::of(&site, member.address, &site.node("n1"), 7).await.unwrap();
        // On a thread of its own: the stream must be read meanwhile.
        let stopping = tokio::task::spawn_blocking(move || member.stop());
        assert_eq!(
            uplink.next().await.map(|reply| matches!(reply, Kind::Refused(r) if r.reason.contains("stopping"))),
            Ok(true)
        );
        stopping.await.unwrap();
    });
}

/// A node that is gone in the middle of whatever it said is no node that said something wrong.
#[test]
fn who_vanishes_is_not_refused() {
    let site = Site::new();
    let leaf = site.node("n1");
    let member = site.start();
    let mut taken = 0;
    runtime().block_on(async {
        for _ in 0..30 {
            let (mut uplink, next) = Uplink::of(&site, member.address, &leaf, 7).await.unwrap();
            assert!(next > taken, "{next}, and {taken} were acknowledged");
            let mut large = entry("n1", 7, next + 1);
            large.message = "x".repeat(900_000);
            uplink.send(Raw::batch(spool("n1", 7, [next]))).await.unwrap();
            uplink.acknowledged(next).await.unwrap();
            taken = next;
            uplink.send(Raw::batch(vec![large.encode()])).await.unwrap();
        }
    });
    member.stop();
    let records = site.records();
    assert!(records.len() as u64 >= taken && !records.iter().any(|record| record.contains("REJECT")), "{records:?}");
}

/// A node that sends and does not read makes nobody wait, and what it can make the member do is bounded.
#[test]
fn who_does_not_read_waits_alone() {
    let site = Site::new();
    let (slow, other) = (site.node("slow"), site.node("other"));
    let ca = site.authority.certificate();
    let member = site.start();
    runtime().block_on(async {
        let way = caller::Way { to: member.address, ca: &ca, as_: Some(&slow), window: Some(60) };
        let mut stuck = way.open().await.unwrap();
        stuck.send(Raw::greeting(7)).await.unwrap();
        let large = |number| {
            let mut entry = entry("slow", 7, number);
            entry.message = "x".repeat(50_000);
            Raw::batch(vec![entry.encode()])
        };
        let mut sent = 0;
        while stuck.sends(large(sent + 1)).await {
            sent += 1;
            assert!(sent < 500, "it is never full");
        }
        let (mut uplink, _) = Uplink::of(&site, member.address, &other, 7).await.unwrap();
        uplink.send(Raw::batch(spool("other", 7, 1..=5))).await.unwrap();
        uplink.acknowledged(5).await.unwrap();
        let (_, next) = Uplink::of(&site, member.address, &slow, 7).await.unwrap();
        assert!(next > 1 && next <= sent + 1, "{next} of {sent}");
    });
    member.stop();
    assert_eq!(site.records().iter().filter(|record| record.contains("node:other")).count(), 5);
}
