//! One stream with a journal that does what a script says, over a pipe in memory: what is sent, what is believed.

use std::sync::{Arc, Mutex};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use pact_proto::model::entry::Body;
use pact_proto::model::{Entry, LineId};
use pact_proto::wire::v1::journal_server::{Journal, JournalServer};
use pact_proto::wire::v1::uplink_reply::Kind as Reply;
use pact_proto::wire::v1::uplink_request::Kind as Request;
use pact_proto::wire::v1::{Acknowledged, Report, UplinkRefused, UplinkReply, UplinkRequest, Welcome};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::*;
use crate::spool::{Draft, Durability, Settings};

const RECORDS: u64 = 3000;

/// What the journal does after it has heard hello.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Welcomes from here on, and acknowledges each batch.
    Work { next: u64 },
    /// The same, but says nothing more after so many batches.
    FallSilent { next: u64, after: usize },
    /// Says this, and nothing more.
    Say(&'static [Script]),
    /// Ends the stream.
    Leave,
    /// Nothing.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum Script {
    Welcome(u64),
    Acknowledged(u64),
    Refused(u64),
    Unknown,
}

impl From<Script> for UplinkReply {
    fn from(said: Script) -> Self {
        let kind = match said {
            Script::Welcome(next_number) => Some(Reply::Welcome(Welcome { next_number })),
            Script::Acknowledged(number) => Some(Reply::Acknowledged(Acknowledged { number })),
            Script::Refused(number) => Some(Reply::Refused(UplinkRefused { reason: "a reason".to_owned(), number })),
            Script::Unknown => None,
        };
        Self { kind }
    }
}

/// What it heard: the numbers of each batch.
type Heard = Arc<Mutex<Vec<Vec<u64>>>>;

struct Scripted {
    does: Does,
    heard: Heard,
}

type Replies = mpsc::Sender<Result<UplinkReply, Status>>;

#[tonic::async_trait]
impl Journal for Scripted {
    type UplinkStream = ReceiverStream<Result<UplinkReply, Status>>;

    async fn uplink(
        &self,
        request: tonic::Request<Streaming<UplinkRequest>>,
    ) -> Result<Response<Self::UplinkStream>, Status> {
        let (replies, receiver) = mpsc::channel(16);
        tokio::spawn(play(self.does, request.into_inner(), replies, Arc::clone(&self.heard)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn play(does: Does, mut requests: Streaming<UplinkRequest>, replies: Replies, heard: Heard) {
    let hello = requests.message().await.unwrap().unwrap().kind.unwrap();
    assert!(matches!(&hello, Request::Hello(hello) if !hello.version.is_empty()), "{hello:?}");
    let say = async |said: Script| drop(replies.send(Ok(said.into())).await);
    let mut answers = match does {
        Does::Work { next } => {
            say(Script::Welcome(next)).await;
            usize::MAX
        }
        Does::FallSilent { next, after } => {
            say(Script::Welcome(next)).await;
            after
        }
        Does::Say(all) => {
            for said in all {
                say(*said).await;
            }
            0
        }
        Does::Leave => return,
        Does::Nothing => 0,
    };
    while let Ok(Some(UplinkRequest { kind: Some(said) })) = requests.message().await {
        let batch = match said {
            Request::Entries(batch) => batch,
            Request::Report(_) => continue,
            Request::Hello(hello) => panic!("{hello:?} again"),
        };
        assert!(batch.entries.iter().map(Vec::len).sum::<usize>() <= 1 << 20);
        let numbers: Vec<_> = batch.entries.iter().map(|entry| number(&Entry::decode(entry).unwrap())).collect();
        let last = numbers.last().copied().unwrap();
        heard.lock().unwrap().push(numbers);
        if answers > 0 {
            say(Script::Acknowledged(last)).await;
            answers -= 1;
        }
    }
}

fn number(entry: &Entry) -> u64 {
    entry.position.as_ref().unwrap().number.0
}

/// A spool with records, and a runtime whose clock goes on by itself when all wait.
struct World {
    runtime: tokio::runtime::Runtime,
    relay: Relay,
    heard: Heard,
    _place: tempfile::TempDir,
}

impl World {
    fn new(records: u64) -> Self {
        let place = tempfile::tempdir().unwrap();
        let node = "node042".parse().unwrap();
        let settings =
            Settings { directory: place.path().join("spool"), node, reserve_bytes: 0, durability: Durability::Durable };
        let spool = Spool::open(&settings, |error| panic!("{error}")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let link = Link::Away { since: Timestamp::now(), from: Instant::now(), reason: "begin".to_owned() };
        let state = watch::Sender::new(State { acknowledged: SpoolNumber(0), link });
        let said = Said { state, revoked: watch::channel(None).0, way: watch::channel(None).0 };
        let here = Place { node: settings.node.clone(), vcluster: "ml".parse().unwrap() };
        let (_, report) = watch::channel(Report::default());
        let relay = Relay { greeting: Greeting { place: here, address: String::new(), report }, spool, said };
        let world = Self { runtime, relay, heard: Heard::default(), _place: place };
        for number in 1..=records {
            // Those that nobody waits for have so much room and no more.
            if number % 1000 == 0 {
                world.runtime.block_on(world.relay.spool.append(draft())).unwrap();
            } else {
                world.relay.spool.keep(draft()).unwrap();
            }
        }
        // The writer takes records in order: this one is the last.
        let last = world.runtime.block_on(world.relay.spool.append(draft())).unwrap();
        assert_eq!(last.0, records + 1);
        world
    }

    fn meet(&self, does: Does) -> Lost {
        self.runtime.block_on(self.stream(does))
    }

    async fn stream(&self, does: Does) -> Lost {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = JournalServer::new(Scripted { does, heard: Arc::clone(&self.heard) });
        let serving = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(theirs), TowerToHyperService::new(service));
        tokio::spawn(serving);
        over(connect::http2(ours).await.unwrap(), &self.relay).await
    }

    fn numbers(&self) -> Vec<u64> {
        self.heard.lock().unwrap().concat()
    }

    fn acknowledged(&self) -> u64 {
        self.relay.said.state.borrow().acknowledged.0
    }
}

fn draft() -> Draft {
    Draft {
        event_time: Timestamp::UNIX_EPOCH,
        author: "alice@example.org".parse().unwrap(),
        session: None,
        line: LineId::NONE,
        policy_version: "p".to_owned(),
        request_hash: None,
        credential: None,
        body: Body::SessionClosed { reason: "x".repeat(300) },
    }
}

fn away(lost: Lost) -> String {
    match lost {
        Lost::Away(reason) => reason,
        Lost::Broken(_) | Lost::Refused(_) | Lost::Spool(_) => panic!("{lost:?}"),
    }
}

#[test]
fn all_records_arrive_once_in_order_and_new_ones_follow() {
    let world = World::new(RECORDS - 1);
    world.runtime.block_on(async {
        let (mut state, spool) = (world.relay.said.state.subscribe(), world.relay.spool.clone());
        let typing = async {
            state.wait_for(|state| state.acknowledged.0 == RECORDS).await.unwrap();
            for _ in 0..20 {
                let number = spool.append(draft()).await.unwrap();
                state.wait_for(|state| state.acknowledged == number).await.unwrap();
            }
        };
        tokio::select! {
            lost = world.stream(Does::Work { next: 1 }) => panic!("{lost:?}"),
            () = typing => {}
        }
    });
    assert_eq!(world.numbers(), (1..=RECORDS + 20).collect::<Vec<_>>());
    assert!(matches!(world.relay.said.state.borrow().link, Link::There));
}

#[test]
fn the_journal_says_where_it_goes_on() {
    let world = World::new(9);
    let lost = world.meet(Does::FallSilent { next: 7, after: 0 });
    assert_eq!(world.numbers(), [7, 8, 9, 10]);
    assert_eq!(world.acknowledged(), 6);
    assert!(away(lost).contains("record 7 was not acknowledged within 30 s"));
    world.meet(Does::Say(&[Script::Welcome(11), Script::Unknown]));
    assert_eq!(world.acknowledged(), 10);
}

#[test]
fn a_journal_that_does_not_answer_is_sent_four_batches_and_left() {
    let world = World::new(RECORDS * 4);
    let lost = world.meet(Does::FallSilent { next: 1, after: 3 });
    assert!(away(lost).contains("was not acknowledged within 30 s"));
    let batches = world.heard.lock().unwrap().clone();
    assert_eq!(batches.len(), 3 + flight::MOST);
    assert_eq!(world.acknowledged(), batches[2].last().copied().unwrap());
    assert_eq!(world.numbers(), (1..=world.numbers().len() as u64).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_is_not_believed() {
    for (does, expected) in [
        (Does::Nothing, "no welcome within 5 s"),
        (Does::Leave, "it ended the stream"),
        (Does::Say(&[Script::Welcome(0)]), "it asks for record 0"),
        (Does::Say(&[Script::Welcome(12)]), "it has 11 records of a spool that holds 10: they were lost here"),
        (Does::Say(&[Script::Acknowledged(3)]), "it acknowledged before its welcome"),
        (Does::Say(&[Script::Unknown]), "it said what this agent does not know"),
        (Does::Say(&[Script::Welcome(5), Script::Unknown]), "it said what this agent does not know"),
        (Does::Say(&[Script::Welcome(5), Script::Welcome(5)]), "it said welcome twice"),
        (Does::Say(&[Script::Welcome(5), Script::Acknowledged(99)]), "it acknowledged record 99, which was not sent"),
        (Does::Say(&[Script::Welcome(5), Script::Acknowledged(2)]), "it acknowledged record 2 after 4"),
        (Does::Say(&[Script::Refused(0)]), "refused: a reason"),
    ] {
        let world = World::new(9);
        let reason = away(world.meet(does));
        assert!(reason.contains(expected), "{does:?}: {reason}");
        assert!(world.acknowledged() <= 4, "{does:?}: {}", world.acknowledged());
    }
}

#[test]
fn a_record_that_is_refused_is_not_sent_again_soon() {
    for said in [&[Script::Refused(3)] as &[_], &[Script::Welcome(1), Script::Refused(3)]] {
        let lost = World::new(9).meet(Does::Say(said));
        assert!(matches!(&lost, Lost::Refused(reason) if reason == "record 3 is refused: a reason"), "{lost:?}");
    }
}

#[test]
fn what_another_machine_says_is_shown_short() {
    assert_eq!(shortened("short".to_owned()), "short");
    assert_eq!(shortened("é".repeat(5000)).chars().count(), LONGEST_REASON + 1);
}

/// Who waits is told when its record is there, and where that was asked for when the journal goes away.
#[test]
fn waits_end_with_the_record_or_with_the_journal() {
    let world = World::new(0);
    let uplink = Uplink {
        endpoint: "journal01:9443".parse().unwrap(),
        state: world.relay.said.state.subscribe(),
        revoked: world.relay.said.revoked.subscribe(),
        way: watch::channel(None).1,
    };
    world.runtime.block_on(async {
        uplink.acknowledged_or_away(SpoolNumber(1)).await;
        world.relay.said.state.send_modify(|state| state.link = Link::There);
        let moment = Duration::from_secs(1);
        assert!(timeout(moment, uplink.acknowledged_or_away(SpoolNumber(1))).await.is_err());
        assert!(timeout(moment, uplink.acknowledged(SpoolNumber(1))).await.is_err());
        world.relay.said.state.send_modify(|state| state.acknowledged = SpoolNumber(1));
        uplink.acknowledged(SpoolNumber(1)).await;
        uplink.acknowledged_or_away(SpoolNumber(1)).await;
    });
}
