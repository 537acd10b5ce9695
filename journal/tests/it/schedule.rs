//! Whatever nodes send and however often the journal restarts: it says what the rule says, and holds what it said.

use std::collections::BTreeMap;

use pact_journal::chain::Seq;
use pact_journal::entry::{Answer, Index};
use proptest::prelude::*;

use crate::support::{all, at, open, runtime, sourced};

#[derive(Clone, Debug)]
enum Step {
    /// Numbers of one spool, in any order.
    Append {
        node: usize,
        epoch: u64,
        numbers: Vec<u64>,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let run = (1..12u64, 0..6u64).prop_map(|(first, count)| (first..first + count).collect());
    let any = prop::collection::vec(0..12u64, 0..5);
    let append = (0..2usize, 0..2u64, prop_oneof![3 => run, 1 => any])
        .prop_map(|(node, epoch, numbers)| Step::Append { node, epoch, numbers });
    prop_oneof![8 => append, 1 => Just(Step::Restart)]
}

/// The rule, in a map.
#[derive(Default)]
struct Model {
    seqs: BTreeMap<(usize, u64), Vec<u64>>,
    payloads: Vec<String>,
}

impl Model {
    fn append(&mut self, node: usize, epoch: u64, number: u64) -> Answer {
        let of_spool = self.seqs.entry((node, epoch)).or_default();
        let last = of_spool.len() as u64;
        match number {
            0 => Answer::Zero,
            number if number <= last => Answer::Known(Seq(of_spool[usize::try_from(number).unwrap() - 1])),
            number if number > last + 1 => Answer::Gap(last + 1),
            number => {
                self.payloads.push(format!("n{node} {epoch} {number}"));
                of_spool.push(self.payloads.len() as u64);
                Answer::Appended(Seq(self.payloads.len() as u64))
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_is_its_model(steps in prop::collection::vec(step(), 1..60)) {
        let place = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        runtime().block_on(async {
            let mut journal = open(place.path()).await.unwrap();
            for step in steps {
                match step {
                    Step::Append { node, epoch, numbers } => {
                        let items = numbers.iter().map(|n| sourced(at(&format!("n{node}"), epoch, *n))).collect();
                        let expected = numbers.iter().map(|n| model.append(node, epoch, *n)).collect();
                        prop_assert_eq!(journal.append(items).await, Ok(expected));
                    }
                    Step::Restart => {
                        journal.close().await;
                        journal = open(place.path()).await.unwrap();
                    }
                }
            }
            let reader = journal.reader();
            let payloads: Vec<_> = all(&reader).unwrap().into_iter().map(|e| String::from_utf8(e.item.payload).unwrap()).collect();
            prop_assert_eq!(&payloads, &model.payloads);
            for node in 0..2 {
                let of_node = reader.by(Index::SCOPE, format!("n{node}").as_bytes()).map(|e| e.unwrap().seq);
                let mut expected: Vec<_> = (0..2).flat_map(|epoch| model.seqs.get(&(node, epoch)).cloned().unwrap_or_default()).collect();
                expected.sort_unstable();
                prop_assert_eq!(of_node.collect::<Vec<_>>(), expected.into_iter().map(Seq).collect::<Vec<_>>());
            }
            Ok(())
        })?;
    }
}
