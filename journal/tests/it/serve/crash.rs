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

/// Sends until all is acknowledged or the member is gone.
async fn node(site: &Site, member: &Member, leaf: &Leaf, name: &'static str, acknowledged: &Acknowledged) {
    let Ok((mut uplink, next)) = Uplink::of(site, member.address, leaf, 7).await else { return };
    let before = acknowledged.lock().unwrap().get(name).copied().unwrap_or(0);
    assert!(next > before, "{name}: {before} was acknowledged, and {next} is asked for");
    // From before what is asked for, as a node does that does not know what arrived.
    let numbers: Vec<u64> = (next.max(3) - 2..next + EACH).collect();
    let last = numbers[numbers.len() - 1];
    for some in numbers.chunks(7) {
        if uplink.send(Raw::batch(spool(name, 7, some.iter().copied()))).await.is_err() {
            break;
        }
    }
    while let Ok(Kind::Acknowledged(now)) = uplink.next().await {
        acknowledged.lock().unwrap().insert(name, now.number);
        if now.number == last {
            return;
        }
    }
}

/// One life of a member; whether it ended by itself.
fn life(site: &Site, leaves: &[Leaf], failpoint: &str, acknowledged: &Acknowledged) -> bool {
    let Some(mut member) = site.start_or_die(failpoint) else { return true };
    let total = || acknowledged.lock().unwrap().values().sum::<u64>();
    let before = total();
    runtime().block_on(async {
        let [a, b, c] = NODES;
        tokio::join!(
            node(site, &member, &leaves[0], a, acknowledged),
            node(site, &member, &leaves[1], b, acknowledged),
            node(site, &member, &leaves[2], c, acknowledged),
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
        assert!(!life(&site, &leaves, "", &acknowledged), "it ended by itself");
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
            assert!(life(&site, &leaves, &name, &acknowledged), "{name} was never reached");
            check(&site, &acknowledged, &name);
        }
        assert!(!life(&site, &leaves, "", &acknowledged), "{point}: it ended by itself");
        check(&site, &acknowledged, point);
    }
}
