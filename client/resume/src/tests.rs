//! Streams on a network that breaks as a seed says: what goes in at one end comes out at the other, once and in order.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use pact_proto::resume::Frame;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::{Desk, Dial, HELD, PATIENCE, State, open};

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// After so many bytes, of both sides together.
    after: usize,
    /// What is on its way then is lost.
    loses: bool,
    /// Nobody is told.
    is_silent: bool,
}

/// What both sides of a connection know of it.
struct Fate {
    cut: Cut,
    passed: AtomicUsize,
    is_dead: AtomicBool,
}

/// One side of a connection.
struct Fragile {
    io: Option<DuplexStream>,
    fate: Arc<Fate>,
}

impl Fragile {
    fn pair(cut: Cut) -> (Self, Self) {
        let (near, far) = tokio::io::duplex(3000);
        let fate = Arc::new(Fate { cut, passed: AtomicUsize::new(0), is_dead: AtomicBool::new(false) });
        (Self { io: Some(near), fate: Arc::clone(&fate) }, Self { io: Some(far), fate })
    }

    fn broken() -> io::Error {
        io::ErrorKind::ConnectionReset.into()
    }
}

impl AsyncRead for Fragile {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.fate.is_dead.load(Ordering::Relaxed) && (self.fate.cut.loses || self.fate.cut.is_silent) {
            return if self.fate.cut.is_silent { Poll::Pending } else { Poll::Ready(Err(Self::broken())) };
        }
        match &mut self.io {
            Some(io) => Pin::new(io).poll_read(context, to),
            None => Poll::Ready(Err(Self::broken())),
        }
    }
}

impl AsyncWrite for Fragile {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let fate = Arc::clone(&self.fate);
        let left = fate.cut.after.saturating_sub(fate.passed.load(Ordering::Relaxed));
        if left == 0 || fate.is_dead.load(Ordering::Relaxed) {
            fate.is_dead.store(true, Ordering::Relaxed);
            if fate.cut.is_silent {
                return Poll::Ready(Ok(bytes.len()));
            }
            self.io = None;
        }
        let Some(io) = &mut self.io else { return Poll::Ready(Err(Self::broken())) };
        let written = Pin::new(io).poll_write(context, &bytes[..bytes.len().min(left)]);
        if let Poll::Ready(Ok(written)) = written {
            fate.passed.fetch_add(written, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Some(io) => Pin::new(io).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}

const WHOLE: Cut = Cut { after: usize::MAX, loses: false, is_silent: false };
const KEY: u8 = 1;
const NOTHING: [u8; 0] = [];

/// A network on which each connection ends as it is written; the ones behind the last are whole.
struct Network {
    cuts: Mutex<Vec<Cut>>,
    dialed: AtomicU64,
    desk: Arc<Desk<u8, Fragile>>,
    begun: mpsc::UnboundedSender<DuplexStream>,
}

impl Network {
    fn new(cuts: &[Cut]) -> (Arc<Self>, mpsc::UnboundedReceiver<DuplexStream>) {
        let (begun, begins) = mpsc::unbounded_channel();
        let cuts = Mutex::new(cuts.iter().rev().copied().collect());
        (Arc::new(Self { cuts, dialed: AtomicU64::new(0), desk: Arc::default(), begun }), begins)
    }

    fn open(self: &Arc<Self>, dial: impl Dial<Io = Fragile>) -> (DuplexStream, watch::Receiver<State>) {
        let (state, told) = watch::channel(State::Broken);
        (open(dial, 7, self.connect(KEY), state), told)
    }

    fn connect(self: &Arc<Self>, key: u8) -> Fragile {
        self.dialed.fetch_add(1, Ordering::Relaxed);
        let (near, far) = Fragile::pair(self.cuts.lock().unwrap().pop().unwrap_or(WHOLE));
        let network = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok(Some(carrier)) = network.desk.meet(key, far).await {
                let (near, carrying) = carrier.begin(|| true);
                network.begun.send(near).unwrap();
                carrying.await;
            }
        });
        near
    }
}

struct Dialer(Arc<Network>);

impl Dial for Dialer {
    type Io = Fragile;

    fn may(&self) -> bool {
        true
    }

    async fn dial(&self) -> io::Result<Fragile> {
        sleep(Duration::from_millis(20)).await;
        Ok(self.0.connect(KEY))
    }
}

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| at.wrapping_mul(31).to_le_bytes()[1] ^ seed).collect()
}

async fn converse(end: DuplexStream, says: Vec<u8>, expects: Vec<u8>) -> DuplexStream {
    let (mut reads, mut writes) = tokio::io::split(end);
    let said = async {
        for piece in says.chunks(1777) {
            writes.write_all(piece).await.unwrap();
            sleep(Duration::from_millis(u64::from(piece[0]) % 5)).await;
        }
    };
    let heard = async {
        let mut came = vec![0; expects.len()];
        reads.read_exact(&mut came).await.unwrap();
        assert!(came == expects, "other bytes came than were sent");
    };
    tokio::join!(said, heard);
    reads.unsplit(writes)
}

/// How a connection ends of which both sides are told.
fn cut() -> impl Strategy<Value = Cut> {
    let after = prop_oneof![4 => 100_usize..60_000, 1 => 0_usize..100];
    (after, any::<bool>()).prop_map(|(after, loses)| Cut { after, loses, is_silent: false })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The first connection must be there for a stream to begin: without its first word there is none to resume.
    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(
        first in cut(), later in prop::collection::vec(cut(), 0..8), silent in 0_usize..16,
        there in 0_usize..90_000, back in 0_usize..90_000,
    ) {
        let first = Cut { after: first.after + 9, loses: false, ..first };
        let mut cuts: Vec<_> = std::iter::once(first).chain(later).collect();
        // Two that are silent and carry nothing are half a minute, after which nobody waits.
        if let Some(cut) = cuts.get_mut(silent) {
            cut.is_silent = true;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (network, mut begun) = Network::new(&cuts);
            let (near, _) = network.open(Dialer(Arc::clone(&network)));
            let far = begun.recv().await.unwrap();
            let (there, back) = (pattern(there, 3), pattern(back, 5));
            let both = async { tokio::join!(converse(near, there.clone(), back.clone()), converse(far, back, there)) };
            drop(timeout(Duration::from_secs(3600), both).await.expect("all that was sent comes"));
        });
    }
}

/// A stream over whole connections but for those cut, and its two ends.
async fn begun(cuts: &[Cut]) -> (Arc<Network>, (DuplexStream, watch::Receiver<State>), DuplexStream) {
    let (network, mut begun) = Network::new(cuts);
    let near = network.open(Dialer(Arc::clone(&network)));
    let far = begun.recv().await.unwrap();
    (network, near, far)
}

async fn is_over(end: &mut DuplexStream) -> bool {
    matches!(end.read(&mut [0; 100]).await, Ok(0) | Err(_))
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_told_of_the_gap() {
    let cut = Cut { after: 30, loses: true, is_silent: false };
    let (_network, (mut near, mut state), mut far) = begun(&[cut]).await;
    far.write_all(&[1; 100]).await.unwrap();
    state.wait_for(|state| *state == State::Broken).await.unwrap();
    state.wait_for(|state| *state == State::Carried).await.unwrap();
    near.read_exact(&mut [0; 100]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_closed_ends_at_the_other_side_with_all_that_was_said() {
    let (_network, (mut near, _), mut far) = begun(&[]).await;
    near.write_all(&pattern(60_000, 1)).await.unwrap();
    drop(near);
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    assert!(heard == pattern(60_000, 1));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_one_stays() {
    let (network, (mut near, _), mut far) = begun(&[]).await;
    assert!(timeout(Duration::from_secs(3600), near.read(&mut [0; 1])).await.is_err());
    far.write_all(b"x").await.unwrap();
    near.read_exact(&mut [0; 1]).await.unwrap();
    assert_eq!(network.dialed.load(Ordering::Relaxed), 1);
}

/// A network that is gone for good.
struct Away;

impl Dial for Away {
    type Io = Fragile;

    fn may(&self) -> bool {
        true
    }

    async fn dial(&self) -> io::Result<Fragile> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

#[tokio::test(start_paused = true)]
async fn both_sides_give_up_in_time() {
    let (network, mut begins) = Network::new(&[Cut { after: 30, loses: true, is_silent: false }]);
    let (mut near, _) = network.open(Away);
    let mut far = begins.recv().await.unwrap();
    near.write_all(&[0; 100]).await.unwrap();
    let start = Instant::now();
    assert!(is_over(&mut near).await);
    assert_eq!(start.elapsed().as_secs(), PATIENCE.as_secs());
    while !is_over(&mut far).await {}
    assert_eq!(start.elapsed().as_secs(), HELD.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_given_up() {
    let (network, (mut near, mut state), mut far) = begun(&[Cut { after: 30, loses: true, is_silent: true }]).await;
    let began = Instant::now();
    far.write_all(&[1; 100]).await.unwrap();
    near.read_exact(&mut [0; 100]).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!((*state.borrow_and_update(), network.dialed.load(Ordering::Relaxed)), (State::Carried, 2));
}

/// What somebody is told who says this on a connection.
async fn told(network: &Arc<Network>, key: u8, says: Frame) -> Vec<u8> {
    let mut io = network.connect(key);
    let mut bytes = Vec::new();
    says.put(&mut bytes);
    io.write_all(&bytes).await.unwrap();
    let mut heard = Vec::new();
    io.read_to_end(&mut heard).await.unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn nobody_resumes_what_is_not_theirs() {
    let (network, (mut near, _), mut far) = begun(&[]).await;
    let mut over = Vec::new();
    Frame::Over.put(&mut over);
    // Of another key, and of no stream; a number is used once; a connection says what it is for.
    assert_eq!(told(&network, KEY + 1, Frame::Resume { number: 7, attempt: 1, received: 0 }).await, over);
    assert_eq!(told(&network, KEY, Frame::Resume { number: 8, attempt: 1, received: 0 }).await, over);
    assert_eq!(told(&network, KEY, Frame::New { number: 7 }).await, NOTHING);
    assert_eq!(told(&network, KEY, Frame::Bytes(1)).await, NOTHING);
    // And the stream is as it was.
    near.write_all(b"x").await.unwrap();
    far.read_exact(&mut [0; 1]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_ends_the_stream() {
    // More was received than was sent.
    let (network, (near, _), mut far) = begun(&[]).await;
    assert_eq!(told(&network, KEY, Frame::Resume { number: 7, attempt: 1, received: 1 }).await, NOTHING);
    assert!(is_over(&mut far).await);
    drop(near);
    let (network, mut begun) = Network::new(&[]);
    for says in [Frame::Received(1), Frame::New { number: 8 }, Frame::Resume { number: 7, attempt: 1, received: 0 }] {
        let mut io = network.connect(KEY);
        let mut bytes = Vec::new();
        Frame::New { number: 7 }.put(&mut bytes);
        says.put(&mut bytes);
        io.write_all(&bytes).await.unwrap();
        assert!(is_over(&mut begun.recv().await.unwrap()).await, "{says:?}");
    }
}

/// The other side of a stream that begins, which says what it likes; the near end; and what carries it.
async fn met(is_wanted: impl Fn() -> bool) -> (Fragile, DuplexStream, impl Future<Output = ()>) {
    let desk = Arc::new(Desk::default());
    let (mut peer, far) = Fragile::pair(WHOLE);
    let mut bytes = Vec::new();
    Frame::New { number: 7 }.put(&mut bytes);
    peer.write_all(&bytes).await.unwrap();
    let (end, carrying) = desk.meet(KEY, far).await.unwrap().unwrap().begin(is_wanted);
    (peer, end, carrying)
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_wants_ends_with_its_connection() {
    let (peer, mut end, carrying) = met(|| false).await;
    drop(peer);
    let began = Instant::now();
    carrying.await;
    assert!(is_over(&mut end).await);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Nobody dials where it is not allowed, and nobody says that they do.
#[tokio::test(start_paused = true)]
async fn whoever_may_not_connect_gives_up_at_once() {
    struct Confined;
    impl Dial for Confined {
        type Io = Fragile;

        fn may(&self) -> bool {
            false
        }

        async fn dial(&self) -> io::Result<Fragile> {
            panic!("it was dialed")
        }
    }
    let (network, mut begins) = Network::new(&[Cut { after: 30, loses: true, is_silent: false }]);
    let (mut near, state) = network.open(Confined);
    let mut far = begins.recv().await.unwrap();
    far.write_all(&[0; 100]).await.unwrap();
    let start = Instant::now();
    while !is_over(&mut near).await {}
    assert_eq!((start.elapsed(), *state.borrow()), (Duration::ZERO, State::Carried));
}

/// A network that lets a connection be made and then nothing through is away, however often that happens.
#[tokio::test(start_paused = true)]
async fn connections_that_carry_nothing_are_one_gap() {
    // What a connection says first passes, in both directions, and not a byte more.
    let first = Cut { after: 100, loses: true, is_silent: false };
    let nothing = Cut { after: 21 + 9, loses: true, is_silent: true };
    let (network, mut begins) = Network::new(&[&[first][..], &[nothing; 100]].concat());
    let (mut near, _) = network.open(Dialer(Arc::clone(&network)));
    let mut far = begins.recv().await.unwrap();
    far.write_all(&[0; 1000]).await.unwrap();
    let start = Instant::now();
    while !is_over(&mut near).await {}
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

/// Whoever takes all and never says so is not kept for: neither in memory nor for ever.
#[tokio::test(start_paused = true)]
async fn whoever_acknowledges_nothing_ends_the_stream() {
    let (peer, mut end, carrying) = met(|| true).await;
    let (mut hears, mut says) = tokio::io::split(peer);
    let listens = tokio::spawn(async move { while matches!(hears.read(&mut [0; 4096]).await, Ok(1..)) {} });
    let beats = tokio::spawn(async move {
        let mut beat = Vec::new();
        Frame::Received(0).put(&mut beat);
        while says.write_all(&beat).await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    let carried = tokio::spawn(carrying);
    let mut sent = 0_usize;
    while end.write_all(&[0; 4096]).await.is_ok() {
        sent += 4096;
    }
    assert!(sent < 2 << 20, "{sent}");
    timeout(Duration::from_secs(60), async { tokio::join!(carried, listens, beats) })
        .await
        .expect("all are over")
        .0
        .unwrap();
}

/// A connection that was given up may come behind the one that was tried after it.
#[tokio::test(start_paused = true)]
async fn one_that_comes_late_is_not_taken() {
    let (network, (mut near, _), mut far) = begun(&[Cut { after: 200, loses: true, is_silent: false }]).await;
    far.write_all(&[1; 300]).await.unwrap();
    near.read_exact(&mut [0; 300]).await.unwrap();
    assert_eq!(network.dialed.load(Ordering::Relaxed), 2);
    // The first attempt is taken; it is said once more, by somebody who had received less.
    assert_eq!(told(&network, KEY, Frame::Resume { number: 7, attempt: 1, received: 0 }).await, NOTHING);
    far.write_all(&[1; 300]).await.unwrap();
    near.read_exact(&mut [0; 300]).await.unwrap();
    assert_eq!(network.dialed.load(Ordering::Relaxed), 3);
}

/// What is said in a gap, the last words too, is heard behind it.
#[tokio::test(start_paused = true)]
async fn the_last_words_of_a_gap_are_heard() {
    let (_network, (mut near, mut state), mut far) = begun(&[Cut { after: 30, loses: true, is_silent: false }]).await;
    far.write_all(&[1; 100]).await.unwrap();
    state.wait_for(|state| *state == State::Broken).await.unwrap();
    far.write_all(b"goodbye").await.unwrap();
    let mut heard = Vec::new();
    timeout(Duration::from_secs(5), near.read_buf(&mut heard)).await.unwrap().unwrap();
    while heard.len() < 107 {
        assert!(near.read_buf(&mut heard).await.unwrap() > 0);
    }
    assert!(heard.ends_with(b"goodbye"));
}

/// A side that has something to say in the middle of a frame that is stuck waits for its end.
#[tokio::test(start_paused = true)]
async fn a_frame_that_is_stuck_stays_whole() {
    let (mut peer, mut end, carrying) = met(|| true).await;
    tokio::spawn(carrying);
    end.write_all(&pattern(16_000, 1)).await.unwrap();
    // Longer than a beat, and shorter than it takes to be given up; nothing is read meanwhile.
    sleep(Duration::from_secs(8)).await;
    let (mut input, mut heard) = (Vec::new(), Vec::new());
    while heard.len() < 16_000 {
        assert!(peer.read_buf(&mut input).await.unwrap() > 0);
        while let Some(Frame::Bytes(length)) = Frame::read(&input).unwrap() {
            let whole = 5 + usize::try_from(length).unwrap();
            if input.len() < whole {
                break;
            }
            heard.extend(input.drain(..whole).skip(5));
        }
        while let Some(Frame::Received(0)) = Frame::read(&input).unwrap() {
            input.drain(..9);
        }
    }
    assert!(heard == pattern(16_000, 1));
}
