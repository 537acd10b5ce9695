//! One stream to the journal: hello, welcome, batches there, acknowledgements back.
//!
//! **Invariant:** at most `flight::MOST` batches are unanswered, so as much is in memory and no more; reading them is
//! another thread's work, so no line waits for it. What the journal should say and does not is waited for so long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use pact_files::DiskError;
use pact_proto::model::SpoolNumber;
use pact_proto::wire::v1::journal_client::JournalClient;
use pact_proto::wire::v1::uplink_reply::Kind as Reply;
use pact_proto::wire::v1::uplink_request::Kind as Request;
use pact_proto::wire::v1::{
    Hello, Report, Revocation, Revocations, SpooledEntries, UplinkRefused, UplinkReply, UplinkRequest,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::{Status, Streaming};

use super::connect::chain;
use super::flight::{self, Flight};
use super::{Link, Lost, Relay, Said, State};
use crate::spool::{Batch, Most, Spool};

/// From the call to the welcome.
const WELCOME: Duration = Duration::from_secs(5);
/// HTTP wants one; the connection is there already, so it is never looked up.
pub(crate) const ORIGIN: &str = "https://journal.pact";
/// A reply is a number or a sentence.
const LARGEST_REPLY: usize = 64 * 1024;
/// Of a batch. A quarter of what may be sent together, so that a long way to catch up leaves room for lines.
const MOST: Most = Most { bytes: 256 * 1024, entries: 1024 };

struct Stream<'a> {
    spool: &'a Spool,
    said: &'a Said,
    report: watch::Receiver<Report>,
    requests: mpsc::Sender<UplinkRequest>,
    replies: Streaming<UplinkReply>,
    flight: Flight,
}

/// Greets the journal and sends records until the stream is lost.
pub(super) async fn run(requests: SendRequest<Body>, relay: &Relay) -> Lost {
    match Stream::open(requests, relay).await {
        Ok(mut stream) => match stream.serve().await {
            Ok(never) => match never {},
            Err(lost) => lost,
        },
        Err(lost) => lost,
    }
}

impl<'a> Stream<'a> {
    async fn open(journal: SendRequest<Body>, relay: &'a Relay) -> Result<Self, Lost> {
        let Relay { greeting: node, spool, said } = relay;
        // A place for every batch that may be unanswered, the hello before them, and a report: sending never waits.
        let (requests, receiver) = mpsc::channel(flight::MOST + 2);
        let hello = Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: node.address.clone(),
            epoch: spool.epoch().0,
            vcluster: node.place.vcluster.to_string(),
        };
        send(&requests, Request::Hello(hello))?;
        let greeting = async {
            let requests = journal.clone();
            let service = tower::service_fn(move |request| requests.clone().send_request(request));
            let client = JournalClient::with_origin(service, ORIGIN.parse().unwrap_or_default());
            let mut client = client.max_decoding_message_size(LARGEST_REPLY);
            let mut replies = client.uplink(ReceiverStream::new(receiver)).await.map_err(|s| lost(&s))?.into_inner();
            let reply = next(&mut replies).await?;
            Ok::<_, Lost>((replies, reply))
        };
        let late = |_| Lost::Away(format!("no welcome within {} s", WELCOME.as_secs()));
        let (replies, reply) = timeout(WELCOME, greeting).await.map_err(late)??;
        let flight = match reply {
            Reply::Welcome(welcome) => Flight::begin(SpoolNumber(welcome.next_number), spool.last()),
            Reply::Refused(refused) => return Err(refusal(refused)),
            Reply::Acknowledged(_) => return Err(Lost::Away("it acknowledged before its welcome".to_owned())),
            Reply::Revocations(_) => return Err(Lost::Away("it spoke of revocations before its welcome".to_owned())),
        };
        let flight = flight.map_err(Lost::Away)?;
        let acknowledged = flight.acknowledged();
        said.way.send_replace(Some(journal));
        said.state.send_modify(|state| *state = State { acknowledged, link: Link::There });
        let mut report = node.report.clone();
        report.mark_changed();
        Ok(Self { spool, said, report, requests, replies, flight })
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, Lost> {
        let mut written = self.spool.written();
        let mut reading: Option<JoinHandle<Result<Batch, DiskError>>> = None;
        loop {
            let may_read = reading.is_none() && self.flight.has_place();
            if may_read && self.flight.next() <= *written.borrow_and_update() {
                let (spool, first) = (self.spool.clone(), self.flight.next());
                reading = Some(tokio::task::spawn_blocking(move || spool.batch(first, MOST)));
            }
            let idle = reading.is_none() && self.flight.has_place();
            tokio::select! {
                reply = next(&mut self.replies) => self.heard(reply?)?,
                batch = read(&mut reading) => { reading = None; self.pass_on(batch?); }
                () = more(&mut written), if idle => {}
                Ok(()) = self.report.changed() => self.report(),
                () = at(self.flight.deadline()) => {
                    let seconds = flight::PATIENCE.as_secs();
                    let first = self.flight.acknowledged().0 + 1;
                    return Err(Lost::Away(format!("record {first} was not acknowledged within {seconds} s")));
                }
            }
        }
    }

    /// How the node is now. Where there is no place for it, the next one is soon.
    fn report(&mut self) {
        let report = self.report.borrow_and_update().clone();
        let _next_time = send(&self.requests, Request::Report(report));
    }

    fn pass_on(&mut self, batch: Batch) {
        let last = batch.last();
        // A stream that has ended says why in its replies.
        let _ended = send(&self.requests, Request::Entries(SpooledEntries { entries: batch.entries }));
        self.flight.sent(last, Instant::now());
    }

    fn heard(&mut self, reply: Reply) -> Result<(), Lost> {
        match reply {
            Reply::Acknowledged(acknowledged) => {
                self.flight.acknowledge(SpoolNumber(acknowledged.number)).map_err(Lost::Away)?;
                let acknowledged = self.flight.acknowledged();
                self.said.state.send_modify(|state| state.acknowledged = acknowledged);
                Ok(())
            }
            Reply::Refused(refused) => Err(refusal(refused)),
            Reply::Revocations(revocations) => self.revoked(revocations),
            Reply::Welcome(_) => Err(Lost::Away("it said welcome twice".to_owned())),
        }
    }
}

impl Stream<'_> {
    /// A list that is whole is what counts; one that is not says that the journal is there.
    fn revoked(&self, told: Revocations) -> Result<(), Lost> {
        if !told.whole {
            return Ok(());
        }
        let read = |revocation: Revocation| {
            let before = revocation.before.and_then(|before| before.try_into().ok())?;
            Some((revocation.principal.parse().ok()?, before))
        };
        let all: Option<BTreeMap<_, _>> = told.revocations.into_iter().map(read).collect();
        let all = all.ok_or_else(|| Lost::Away("it told of a revocation that cannot be read".to_owned()))?;
        self.said.revoked.send_replace(Some(Arc::new(all)));
        Ok(())
    }
}

fn send(requests: &mpsc::Sender<UplinkRequest>, kind: Request) -> Result<(), Lost> {
    let sent = requests.try_send(UplinkRequest { kind: Some(kind) });
    sent.map_err(|_| Lost::Broken("the connection ended".to_owned()))
}

/// What the journal says next; an empty reply is one that this release does not know.
async fn next(replies: &mut Streaming<UplinkReply>) -> Result<Reply, Lost> {
    match replies.message().await {
        Ok(Some(UplinkReply { kind: Some(kind) })) => Ok(kind),
        Ok(Some(UplinkReply { kind: None })) => Err(Lost::Away("it said what this agent does not know".to_owned())),
        Ok(None) => Err(Lost::Away("it ended the stream".to_owned())),
        Err(status) => Err(lost(&status)),
    }
}

/// What the journal answered instead, or that there is no connection any more.
fn lost(status: &Status) -> Lost {
    match (std::error::Error::source(status), status.message()) {
        (Some(behind), _) => Lost::Broken(chain(behind)),
        (None, "") => Lost::Away(format!("it ended the stream: {}", status.code())),
        (None, message) => Lost::Away(message.to_owned()),
    }
}

/// Where it names no record it may be another time.
fn refusal(UplinkRefused { reason, number }: UplinkRefused) -> Lost {
    match number {
        0 => Lost::Away(format!("refused: {reason}")),
        number => Lost::Refused(format!("record {number} is refused: {reason}")),
    }
}

/// The batch that is being read; never, where none is.
async fn read(reading: &mut Option<JoinHandle<Result<Batch, DiskError>>>) -> Result<Batch, Lost> {
    match reading {
        Some(reading) => match reading.await {
            Ok(read) => read.map_err(Lost::Spool),
            Err(error) => Err(Lost::Away(format!("the records were not read: {error}"))),
        },
        None => std::future::pending().await,
    }
}

/// More is on the disk.
async fn more(written: &mut watch::Receiver<SpoolNumber>) {
    if written.changed().await.is_err() {
        // The spool has stopped, and so does the agent.
        std::future::pending::<()>().await;
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
