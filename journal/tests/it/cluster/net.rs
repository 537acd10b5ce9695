//! A network that loses, delays, doubles and reorders, as a seed says.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use async_raft::async_trait::async_trait;
use async_raft::raft::{AppendEntriesRequest, VoteRequest, VoteResponse};
use pact_journal::chain::Seq;
use pact_journal::consensus::network::{Appended, Install, Transport};
use pact_journal::consensus::{Batch, MemberId, Receiving};
use tokio::runtime::Handle;

/// SplitMix64: small, and the same everywhere.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

/// Which messages fare how.
struct Faults {
    dice: Dice,
    loss_percent: u64,
    delay_ms: u64,
    double_percent: u64,
    /// From and to: nothing passes.
    cut: BTreeSet<(MemberId, MemberId)>,
}

/// Who is there to be talked to.
pub(super) struct Net {
    members: Mutex<BTreeMap<MemberId, (Handle, Receiving<Link>)>>,
    faults: Mutex<Faults>,
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        let dice = Dice::new(!seed);
        let faults = Faults { dice, loss_percent: 5, delay_ms: 10, double_percent: 5, cut: BTreeSet::new() };
        Self { members: Mutex::default(), faults: Mutex::new(faults) }
    }

    pub(super) fn join(&self, member: MemberId, runtime: Handle, receiving: Receiving<Link>) {
        self.members.lock().unwrap().insert(member, (runtime, receiving));
    }

    pub(super) fn leave(&self, member: MemberId) {
        self.members.lock().unwrap().remove(&member);
    }

    pub(super) fn heal(&self) {
        let mut faults = self.faults.lock().unwrap();
        faults.cut.clear();
        (faults.loss_percent, faults.delay_ms, faults.double_percent) = (0, 3, 0);
    }

    pub(super) fn be_bad(&self, loss_percent: u64, delay_ms: u64, double_percent: u64) {
        let mut faults = self.faults.lock().unwrap();
        (faults.loss_percent, faults.delay_ms, faults.double_percent) = (loss_percent, delay_ms, double_percent);
    }

    pub(super) fn cut(&self, from: MemberId, to: MemberId) {
        self.faults.lock().unwrap().cut.insert((from, to));
    }

    pub(super) fn isolate(&self, one: MemberId) {
        for other in super::members::MEMBERS {
            self.cut(one, other);
            self.cut(other, one);
        }
    }

    /// How long a message takes, or that it does not come.
    fn fate(&self, from: MemberId, to: MemberId) -> Option<Duration> {
        let mut faults = self.faults.lock().unwrap();
        let limit = faults.delay_ms;
        let delay = Duration::from_millis(faults.dice.below(limit));
        let is_lost = faults.dice.below(100) < faults.loss_percent || faults.cut.contains(&(from, to));
        (!is_lost).then_some(delay)
    }

    fn is_doubled(&self) -> bool {
        let mut faults = self.faults.lock().unwrap();
        faults.dice.below(100) < faults.double_percent
    }
}

/// A member's end of the network.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) net: Arc<Net>,
    pub(super) me: MemberId,
}

type Work<R> = Pin<Box<dyn Future<Output = Result<R>> + Send>>;

impl Link {
    /// Brings a message, its double perhaps, and the answer.
    async fn send<R: Send + 'static>(
        &self,
        to: MemberId,
        work: impl Fn(Receiving<Self>) -> Work<R> + Send + Sync,
    ) -> Result<R> {
        if self.net.is_doubled() {
            let double = self.bring(to, &work);
            tokio::spawn(double);
        }
        let answer = self.bring(to, &work).await?;
        match self.net.fate(to, self.me) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => bail!("the answer is lost"),
        }
        Ok(answer)
    }

    /// The work is the receiver's, on its runtime: it dies with it.
    fn bring<R: Send + 'static>(&self, to: MemberId, work: &dyn Fn(Receiving<Self>) -> Work<R>) -> Work<R> {
        let fate = self.net.fate(self.me, to);
        let receiver = self.net.members.lock().unwrap().get(&to).cloned();
        let work = receiver.map(|(runtime, receiving)| (runtime, work(receiving)));
        Box::pin(async move {
            let (Some(delay), Some((runtime, work))) = (fate, work) else { bail!("the message is lost") };
            tokio::time::sleep(delay).await;
            runtime.spawn(work).await?
        })
    }
}

#[async_trait]
impl Transport for Link {
    async fn append(&self, to: MemberId, request: AppendEntriesRequest<Batch>) -> Result<Appended> {
        let copy = |r: &AppendEntriesRequest<Batch>| AppendEntriesRequest { entries: r.entries.clone(), ..*r };
        self.send(to, |receiving| {
            let request = copy(&request);
            Box::pin(async move { receiving.append(request).await })
        })
        .await
    }

    async fn vote(&self, to: MemberId, request: VoteRequest) -> Result<VoteResponse> {
        self.send(to, |receiving| {
            let request = VoteRequest { ..request };
            Box::pin(async move { receiving.vote(request).await })
        })
        .await
    }

    async fn install(&self, to: MemberId, request: Install) -> Result<u64> {
        self.send(to, |receiving| {
            let request = request.clone();
            Box::pin(async move { receiving.install(request).await })
        })
        .await
    }

    async fn records(&self, to: MemberId, from: Seq) -> Result<Vec<Vec<u8>>> {
        self.send(to, |receiving| Box::pin(async move { receiving.records(from) })).await
    }
}
