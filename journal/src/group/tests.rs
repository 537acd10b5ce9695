//! What waits goes together; how consensus answers is how each caller is answered.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::*;
use crate::chain::Seq;
use crate::consensus::{MemberId, Members};

/// Consensus that takes a batch when it is let, and writes down how many items each had.
struct Gate {
    open: Semaphore,
    batches: Mutex<Vec<usize>>,
    refuses: Option<Unavailable>,
}

impl Gate {
    fn new(refuses: Option<Unavailable>) -> Arc<Self> {
        Arc::new(Self { open: Semaphore::new(0), batches: Mutex::default(), refuses })
    }
}

impl Consensus for Gate {
    async fn propose(&self, batch: Batch) -> Result<Vec<Answer>, Unavailable> {
        self.open.acquire().await.unwrap().forget();
        let mut batches = self.batches.lock().unwrap();
        let before: usize = batches.iter().sum();
        batches.push(batch.0.len());
        match self.refuses {
            Some(error) => Err(error),
            None => Ok((before..before + batch.0.len()).map(|n| Answer::Appended(Seq(n as u64 + 1))).collect()),
        }
    }

    fn members(&self) -> Members {
        Members { me: MemberId(1), all: [MemberId(1)].into(), leader: None }
    }
}

fn item(bytes: usize) -> Item {
    Item { source: None, keys: Vec::new(), payload: vec![0; bytes] }
}

type Answered = Result<Vec<Answer>, AppendError>;

/// Lets each caller ask once, in order, before the first batch is let through. Answers what each was told.
async fn ask(gate: &Arc<Gate>, calls: Vec<Vec<Item>>) -> Vec<Answered> {
    let appender = Appender::start(Arc::clone(gate), Timestamp::now);
    let tasks: Vec<_> = calls
        .into_iter()
        .map(|items| {
            let appender = appender.clone();
            tokio::spawn(async move { appender.append(items).await })
        })
        .collect();
    // On one thread, a yield runs all that is ready: every caller has asked.
    tokio::task::yield_now().await;
    gate.open.add_permits(1000);
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn what_waits_goes_into_one_entry() {
    block_on(async {
        for producers in [1, 16, 256] {
            let gate = Gate::new(None);
            let answers = ask(&gate, vec![vec![item(10)]; producers]).await;
            let expected: Vec<Answered> = (1..=producers as u64).map(|n| Ok(vec![Answer::Appended(Seq(n))])).collect();
            assert_eq!(answers, expected);
            let batches = gate.batches.lock().unwrap().clone();
            assert!(batches.len() <= 2 && batches.iter().sum::<usize>() == producers, "{producers}: {batches:?}");
        }
    });
}

#[test]
fn entries_are_bounded_and_calls_are_whole() {
    block_on(async {
        for (calls, expected) in [
            (vec![vec![item(0); 600], vec![item(0); 600], vec![item(0); 424]], vec![600, 1024]),
            (vec![vec![item(MOST_BYTES)], vec![item(1)], vec![item(1)]], vec![1, 2]),
            (vec![vec![item(1)], vec![item(2 * MOST_BYTES), item(MOST_BYTES)], vec![item(1)]], vec![1, 2, 1]),
            (vec![vec![item(0); MOST_IN_CALL], vec![]], vec![MOST_IN_CALL, 0]),
        ] {
            let gate = Gate::new(None);
            let counts: Vec<_> = calls.iter().map(Vec::len).collect();
            let answers = ask(&gate, calls).await;
            assert_eq!(answers.iter().map(|a| a.as_ref().unwrap().len()).collect::<Vec<_>>(), counts);
            assert_eq!(*gate.batches.lock().unwrap(), expected);
        }
    });
}

#[test]
fn a_call_is_bounded_too() {
    block_on(async {
        for call in [vec![item(0); MOST_IN_CALL + 1], vec![item(MOST_PAYLOAD), item(MOST_PAYLOAD), item(1)]] {
            assert_eq!(ask(&Gate::new(None), vec![call]).await, [Err(AppendError::TooMuch)]);
        }
    });
}

#[test]
fn everybody_is_told_why_there_is_no_answer() {
    block_on(async {
        for error in [Unavailable::NotLeader(Some(MemberId(2))), Unavailable::Unknown, Unavailable::Stopped] {
            let answers = ask(&Gate::new(Some(error)), vec![vec![item(1)]; 3]).await;
            assert_eq!(answers, vec![Err(AppendError::Unavailable(error)); 3]);
        }
    });
}

#[test]
fn a_call_that_nobody_waits_for_is_not_made() {
    block_on(async {
        let gate = Gate::new(None);
        let appender = Appender::start(Arc::clone(&gate), Timestamp::now);
        let (first, second) = (appender.clone(), appender.clone());
        let first = tokio::spawn(async move { first.append(vec![item(1)]).await });
        tokio::task::yield_now().await;
        let second = tokio::spawn(async move { second.append(vec![item(1); 7]).await });
        tokio::task::yield_now().await;
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        gate.open.add_permits(10);
        assert_eq!(first.await.unwrap(), Ok(vec![Answer::Appended(Seq(1))]));
        assert_eq!(
            appender.append(vec![item(1); 2]).await,
            Ok(vec![Answer::Appended(Seq(2)), Answer::Appended(Seq(3))])
        );
        assert_eq!(*gate.batches.lock().unwrap(), [1, 2]);
    });
}
