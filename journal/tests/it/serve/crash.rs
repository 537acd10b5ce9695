//! A member is killed while nodes send: what was acknowledged is there, once, and nodes go on where they were.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pact_proto::wire::v1::uplink_reply::Kind;
use pact_xtask::authority::Leaf;

use super::caller::{Raw, Uplink, spool};
use super::member::{Member, Site};
use crate::support::runtime;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// So many each node sends in one life of the member, if that lives.
const EACH: u64 = 40;

/// The last number of each node that was acknowledged.
type Acknowledged = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// How a node sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Everything at once: how much of it becomes one group depends on how busy the machine is.
    AtOnce,
    /// Each batch when the one before is acknowledged: so many groups there are at least.
    OneByOne,
}

/// Sends until all is acknowledged or the member is gone.
async fn node(
    site: &Site,
    member: &Member,
    (name, leaf): (&'static str, &Leaf),
    pace: Pace,
    acknowledged: &Acknowledged,
) {
    let Ok((mut uplink, next)) = Uplink::of(site, member.address, leaf, 7).await else { return };
    let before = acknowledged.lock().unwrap().get(name).copied().unwrap_or(0);
    assert!(next > before, "{name}: {before} was acknowledged, and {next} is asked for");
    // From before what is asked for, as a node does that does not know what arrived.
    let numbers: Vec<u64> = (next.max(3) - 2..next + EACH).collect();
    let last = numbers[numbers.len() - 1];
    let together = match pace {
        Pace::AtOnce => 7,
        Pace::OneByOne => 2,
    };
    for some in numbers.chunks(together) {
        if uplink.send(Raw::batch(spool(name, 7, some.iter().copied()))).await.is_err() {
            break;
        }
        if pace == Pace::OneByOne && !until(&mut uplink, name, some[some.len() - 1], acknowledged).await {
            return;
        }
    }
    if pace == Pace::AtOnce {
        until(&mut uplink, name, last, acknowledged).await;
    }
}

/// Hears until a number is acknowledged; false where that does not happen any more.
async fn until(uplink: &mut Uplink, name: &'static str, last: u64, acknowledged: &Acknowledged) -> bool {
    while let Ok(Kind::Acknowledged(now)) = uplink.next().await {
        acknowledged.lock().unwrap().insert(name, now.number);
        if now.number >= last {
            return true;
        }
    }
    false
}

/// One life of a member; whether it ended by itself.
fn life(site: &Site, leaves: &[Leaf], failpoint: &str, pace: Pace, acknowledged: &Acknowledged) -> bool {
    let Some(mut member) = site.start_or_die(failpoint) else { return true };
    let total = || acknowledged.lock().unwrap().values().sum::<u64>();
    let before = total();
    runtime().block_on(async {
        let [a, b, c] = NODES;
        tokio::join!(
            node(site, &member, (a, &leaves[0]), pace, acknowledged),
            node(site, &member, (b, &leaves[1]), pace, acknowledged),
            node(site, &member, (c, &leaves[2]), pace, acknowledged),
        );
    });
    let lived = total() >= before + 3 * EACH;
    if lived {
        member.kill();
    } else {
        member.ended();
    }
    !lived
}

fn check(site: &Site, acknowledged: &Acknowledged, why: &str) {
    // What was acknowledged is in the log; a member that begins again puts into the chain what was not there yet.
    site.start().stop();
    let records = site.records();
    for name in NODES {
        let own = records.iter().filter(|record| record.contains(&format!(" node:{name} ")));
        let numbers: Vec<u64> = own.map(|record| record.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{why}: {name}");
        let last = acknowledged.lock().unwrap().get(name).copied().unwrap_or(0);
        assert!(numbers.len() as u64 >= last, "{why}: {name}: {last} was acknowledged, {} are there", numbers.len());
    }
}

fn leaves(site: &Site) -> Vec<Leaf> {
    NODES.iter().map(|name| site.node(name)).collect()
}

#[test]
fn killed_when_all_was_acknowledged() {
    let site = Site::new();
    let (leaves, acknowledged) = (leaves(&site), Acknowledged::default());
    for round in 1..=3 {
        assert!(!life(&site, &leaves, "", Pace::AtOnce, &acknowledged), "it ended by itself");
        check(&site, &acknowledged, &format!("round {round}"));
    }
    assert_eq!(site.records().len() as u64, 3 * 3 * EACH);
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_at_every_named_place() {
    for point in ["before-sync", "before-head", "before-apply", "after-apply"] {
        let site = Site::new();
        let (leaves, acknowledged) = (leaves(&site), Acknowledged::default());
        for nth in [1, 2, 3, 4, 5, 7, 9, 12] {
            let name = format!("{point}:{nth}");
            let pace = if nth > 2 { Pace::OneByOne } else { Pace::AtOnce };
            assert!(life(&site, &leaves, &name, pace, &acknowledged), "{name} was never reached");
            check(&site, &acknowledged, &name);
        }
        assert!(!life(&site, &leaves, "", Pace::AtOnce, &acknowledged), "{point}: it ended by itself");
        check(&site, &acknowledged, point);
    }
}
