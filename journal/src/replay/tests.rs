//! Nodes that repeat, reorder, lose and restart: the log holds every entry once, in order.

use proptest::prelude::*;

use super::*;
use crate::chain::{Record, Tip, verify};

fn at(node: &str, epoch: u64, number: u64) -> SpoolPosition {
    SpoolPosition { node: node.parse().unwrap(), epoch: SpoolEpoch(epoch), number: SpoolNumber(number) }
}

#[test]
fn only_the_next_one_is_new() {
    let mut replay = Replay::default();
    let gap = |number, expected| {
        let node = "n1".parse().unwrap();
        Err(OutOfOrder::Gap { node, number: SpoolNumber(number), expected: SpoolNumber(expected) })
    };
    for (position, expected) in [
        (at("n1", 7, 2), gap(2, 1)),
        (at("n1", 7, 1), Ok(Admitted::New)),
        (at("n1", 7, 1), Ok(Admitted::Known)),
        (at("n1", 7, 3), gap(3, 2)),
        (at("n1", 7, 2), Ok(Admitted::New)),
        (at("n1", 7, 1), Ok(Admitted::Known)),
        (at("n2", 7, 1), Ok(Admitted::New)),
        (at("n1", 3, 3), gap(3, 1)),
        (at("n1", 3, 1), Ok(Admitted::New)),
        (at("n1", 7, 2), Ok(Admitted::Known)),
        (at("n1", 7, 3), Ok(Admitted::New)),
        (at("n1", 7, 0), Err(OutOfOrder::Zero("n1".parse().unwrap()))),
        (at("n1", 7, u64::MAX), gap(u64::MAX, 4)),
    ] {
        assert_eq!(replay.admit(&position), expected, "{position:?}");
    }
    assert_eq!(replay.acknowledged(&"n1".parse().unwrap(), SpoolEpoch(7)), SpoolNumber(3));
    assert_eq!(replay.acknowledged(&"n3".parse().unwrap(), SpoolEpoch(7)), SpoolNumber(0));
    let text = replay.admit(&at("n1", 7, 9)).unwrap_err().to_string();
    assert_eq!(text, "entry 9 of n1: entry 4 must come first");
}

/// One step of a node: what it sends, or that its spool is lost and made anew.
#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    /// From an entry that may be known already, so many; some arrive twice, some swapped, some not at all.
    Send {
        back: u64,
        count: u64,
        damage: u8,
    },
    NewSpool,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let send = (0..4u64, 0..6u64, any::<u8>()).prop_map(|(back, count, damage)| Step::Send { back, count, damage });
    (0..3usize, prop_oneof![4 => (1..4usize).prop_map(Step::Write), 6 => send, 1 => Just(Step::NewSpool)])
}

/// Epochs do not repeat, and have no order: the next one may be smaller.
fn epoch_of(generation: u64) -> u64 {
    generation ^ 5
}

#[derive(Default)]
struct Log {
    replay: Replay,
    tip: Option<Tip>,
    stored: Vec<Vec<u8>>,
}

impl Log {
    fn receive(&mut self, position: &SpoolPosition) {
        if self.replay.admit(position) == Ok(Admitted::New) {
            let payload = format!("{} {} {}", position.node, position.epoch.0, position.number.0);
            let (stored, tip) = self.tip.unwrap_or(Tip::EMPTY).append(payload.as_bytes());
            self.stored.push(stored);
            self.tip = Some(tip);
        }
    }
}

proptest! {
    #[test]
    fn every_entry_is_in_the_log_once_and_in_order(steps in prop::collection::vec(step(), 0..80)) {
        let mut log = Log::default();
        // Of each node: which of its spools it is, and how many entries that holds.
        let mut spools = [(0u64, 0u64); 3];
        let mut written = BTreeMap::new();
        let mut late = Vec::new();
        for (node, step) in steps {
            let name = format!("n{node}");
            let (generation, count) = spools[node];
            let epoch = epoch_of(generation);
            match step {
                Step::Write(more) => spools[node].1 += more as u64,
                Step::NewSpool => spools[node] = (generation + 1, 0),
                Step::Send { back, count: some, damage } => {
                    let acknowledged = log.replay.acknowledged(&name.parse().unwrap(), SpoolEpoch(epoch)).0;
                    let from = acknowledged.saturating_sub(back) + 1;
                    let mut batch: Vec<_> = (from..=count.min(from + some)).map(|n| at(&name, epoch, n)).collect();
                    match damage % 4 {
                        0 => batch.reverse(),
                        1 => batch.extend(batch.clone()),
                        2 => drop(batch.pop()),
                        _ => late.extend(batch.first().cloned()),
                    }
                    for position in batch.iter().chain(&late) {
                        log.receive(position);
                    }
                }
            }
            let (generation, count) = spools[node];
            let most = written.entry((name, epoch_of(generation))).or_insert(0);
            *most = count.max(*most);
        }
        for ((name, epoch), most) in &written {
            for number in 1..=*most {
                log.receive(&at(name, *epoch, number));
            }
        }
        let payloads: Vec<String> = log.stored.iter()
            .map(|stored| String::from_utf8(Record::read(stored).unwrap().payload.to_vec()).unwrap())
            .collect();
        for ((name, epoch), most) in &written {
            let own: Vec<_> = payloads.iter().filter(|p| p.starts_with(&format!("{name} {epoch} "))).cloned().collect();
            let expected: Vec<_> = (1..=*most).map(|number| format!("{name} {epoch} {number}")).collect();
            prop_assert_eq!(own, expected);
        }
        let tip = log.tip.unwrap_or(Tip::EMPTY);
        prop_assert_eq!(tip.seq.0, log.stored.len() as u64);
        prop_assert_eq!(verify(Tip::EMPTY, log.stored.iter().map(Vec::as_slice), tip), Ok(()));
    }

    #[test]
    fn members_that_apply_the_same_come_to_the_same(numbers in prop::collection::vec((0..3u64, 0..9u64), 0..60)) {
        let (mut one, mut other) = (Log::default(), Log::default());
        for (epoch, number) in numbers {
            one.receive(&at("n1", epoch, number));
            other.receive(&at("n1", epoch, number));
        }
        prop_assert_eq!(one.stored, other.stored);
        prop_assert_eq!(one.replay, other.replay);
    }
}
