//! The spool on a real disk: durable order, restart, damage, a full disk.

use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::mpsc;

use pact_proto::model::entry::{End, LineRecorded, StageKind, StageRecord};

use super::*;

fn settings(directory: &Path) -> Settings {
    Settings {
        directory: directory.to_owned(),
        node: "node042".parse().unwrap(),
        reserve_bytes: 0,
        durability: Durability::Durable,
    }
}

fn open(directory: &Path) -> Result<Spool, DiskError> {
    // sled's lock is released a moment after its last handle is dropped.
    loop {
        match Spool::open(&settings(directory), |error| panic!("{error}")) {
            Err(DiskError::InUse { .. }) => std::thread::yield_now(),
            other => return other,
        }
    }
}

fn draft(session: u8, line: u64, body: Body) -> Draft {
    Draft {
        event_time: Timestamp::UNIX_EPOCH,
        author: "alice@example.org".parse().unwrap(),
        session: Some(SessionId::from_bytes([session; 16])),
        line: LineId(line),
        policy_version: "p".to_owned(),
        request_hash: None,
        credential: None,
        body,
    }
}

fn line(text: &str) -> Body {
    let argv = text.split(' ').map(|w| w.as_bytes().to_vec()).collect();
    let stages = vec![StageRecord { kind: StageKind::Program("uname".into()), argv }];
    Body::Line(LineRecorded { line: text.as_bytes().to_vec(), stages, expansions: Vec::new() })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn bodies(spool: &Spool) -> Vec<Body> {
    let mut bodies: Vec<_> = spool.newest().map(|e| e.unwrap().body).collect();
    bodies.reverse();
    bodies
}

#[test]
fn numbers_are_gapless_and_survive_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let closed = |n: u64| Body::SessionClosed { reason: n.to_string() };
    let first = open(place.path()).unwrap();
    runtime().block_on(async {
        for n in 1..=50 {
            assert_eq!(first.append(draft(1, 0, closed(n))).await, Ok(SpoolNumber(n)));
        }
    });
    drop(first);
    let second = open(place.path()).unwrap();
    assert_eq!(bodies(&second), (1..=50).map(closed).collect::<Vec<_>>());
    assert_eq!(runtime().block_on(second.append(draft(1, 0, closed(51)))), Ok(SpoolNumber(51)));
    let epochs: Vec<_> = second.newest().map(|entry| entry.unwrap().position.unwrap().epoch).collect();
    assert!(epochs.windows(2).all(|two| two[0] == two[1]), "one spool has one epoch");
}

#[test]
fn what_was_open_is_interrupted_once() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path()).unwrap();
    let opened = Body::SessionOpened { kind: pact_proto::model::entry::SessionKind::Repl, roles: Vec::new() };
    runtime().block_on(async {
        for (id, body) in [(0, opened), (1, line("uname -a")), (2, line("uname"))] {
            spool.append(draft(1, id, body)).await.unwrap();
        }
    });
    drop(spool);
    for _ in 0..2 {
        let bodies = bodies(&open(place.path()).unwrap());
        assert_eq!(bodies.len(), 6, "{bodies:?}");
        for outcome in &bodies[3..5] {
            assert!(matches!(outcome, Body::Outcome(o) if matches!(o.end, End::Interrupted(_))), "{outcome:?}");
        }
        assert!(matches!(bodies[5], Body::SessionClosed { .. }));
    }
}

#[test]
fn a_spool_of_another_node_is_not_used() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path()).unwrap();
    runtime().block_on(spool.append(draft(1, 1, line("uname")))).unwrap();
    drop(spool);
    let mut other = settings(place.path());
    other.node = "node043".parse().unwrap();
    let error = loop {
        match Spool::open(&other, |_| ()) {
            Err(DiskError::InUse { .. }) => std::thread::yield_now(),
            Err(error) => break error,
            Ok(_) => panic!("opened"),
        }
    };
    assert!(matches!(error, DiskError::Foreign { .. }), "{error}");
}

type Damage = Box<dyn Fn(&Path)>;

/// Every kind of damage is an error with a name in it, or no damage to what was kept.
#[test]
fn damage_is_named_and_never_an_empty_start() {
    let place = tempfile::tempdir().unwrap();
    let good = place.path().join("good");
    let spool = open(&good).unwrap();
    runtime().block_on(async {
        for n in 1..=40 {
            spool.append(draft(1, n, line(&format!("uname -{n}")))).await.unwrap();
        }
    });
    drop(spool);
    drop(open(&good).unwrap());
    let kept = bodies(&open(&good).unwrap());
    let size = std::fs::metadata(good.join("sled/db")).unwrap().len();

    let mut damages: Vec<(String, Damage)> = vec![
        ("db gone".into(), Box::new(|d| std::fs::remove_file(d.join("sled/db")).unwrap())),
        ("all of sled gone".into(), Box::new(|d| std::fs::remove_dir_all(d.join("sled")).unwrap())),
        ("head gone".into(), Box::new(|d| std::fs::remove_file(d.join("head")).unwrap())),
        ("head cut".into(), Box::new(|d| truncate(&d.join("head"), 7))),
        ("head flipped".into(), Box::new(|d| flip(&d.join("head"), 20))),
        ("db empty".into(), Box::new(|d| truncate(&d.join("sled/db"), 0))),
    ];
    for part in 1..8 {
        damages.push((format!("db cut {part}/8"), Box::new(move |d| truncate(&d.join("sled/db"), size * part / 8))));
    }
    for at in (0..40_000.min(size)).step_by(977) {
        damages.push((format!("db flipped at {at}"), Box::new(move |d| flip(&d.join("sled/db"), at))));
    }
    let mut named = 0;
    for (what, damage) in damages {
        let copy = place.path().join("copy");
        copy_directory(&good, &copy);
        damage(&copy);
        match open(&copy) {
            Ok(spool) => assert_eq!(bodies(&spool), kept, "{what}: opened with other records"),
            Err(error) => {
                named += 1;
                assert!(error.to_string().contains(copy.to_str().unwrap()), "{what}: {error}");
            }
        }
        std::fs::remove_dir_all(&copy).unwrap();
    }
    assert!(named > 12, "only {named} kinds of damage were seen");
}

#[test]
fn a_full_disk_refuses_lines_and_keeps_refusals() {
    let place = tempfile::tempdir().unwrap();
    let mut full = settings(place.path());
    full.reserve_bytes = u64::MAX;
    let spool = Spool::open(&full, |error| panic!("{error}")).unwrap();
    assert!(!spool.has_room());
    assert_eq!(runtime().block_on(spool.append(draft(1, 1, line("uname")))), Err(AppendError::Full));
    spool.keep(draft(1, 0, Body::SessionClosed { reason: "left".into() })).unwrap();
    // The writer takes jobs in order: once this one is refused, the one before it was kept.
    assert_eq!(runtime().block_on(spool.append(draft(1, 2, line("uname")))), Err(AppendError::Full));
    assert_eq!(bodies(&spool), []);
}

#[test]
fn two_processes_never_share_a_spool() {
    let place = tempfile::tempdir().unwrap();
    let _first = open(place.path()).unwrap();
    let (tell, told) = mpsc::channel();
    let second = Spool::open(&settings(place.path()), move |e| tell.send(e.to_string()).unwrap());
    assert!(matches!(second, Err(DiskError::InUse { .. })));
    assert!(told.try_recv().is_err());
}

fn truncate(path: &Path, size: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(size).unwrap();
}

fn flip(path: &Path, at: u64) {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 0x10]).unwrap();
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for item in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy_directory(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

fn numbers(spool: &Spool, first: u64, bytes: usize, entries: usize) -> Vec<u64> {
    let batch = spool.batch(SpoolNumber(first), Most { bytes, entries }).unwrap();
    assert_eq!(batch.first, SpoolNumber(first));
    batch.entries.iter().map(|entry| Entry::decode(entry).unwrap().position.unwrap().number.0).collect()
}

#[test]
fn batches_are_the_bytes_in_order_and_bounded() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path()).unwrap();
    assert_eq!(numbers(&spool, 1, 1 << 20, 100), [0; 0], "an empty spool");
    let long = "x".repeat(10_000);
    runtime().block_on(async {
        for n in 1..=9 {
            spool.append(draft(1, n, line(&format!("uname {}", if n == 5 { &long } else { "" })))).await.unwrap();
        }
    });
    let all = 1 << 20;
    assert_eq!(numbers(&spool, 1, all, 100), (1..=9).collect::<Vec<_>>());
    assert_eq!(numbers(&spool, 4, all, 3), [4, 5, 6]);
    assert_eq!(numbers(&spool, 10, all, 100), [0; 0], "nothing new");
    assert_eq!(numbers(&spool, 12, all, 100), [0; 0], "beyond the end");
    assert_eq!(numbers(&spool, 3, 5000, 100), [3, 4], "the long one does not fit");
    assert_eq!(numbers(&spool, 5, 5000, 100), [5], "the long one comes alone");
    let stored = spool.batch(SpoolNumber(5), Most { bytes: all, entries: 1 }).unwrap();
    assert_eq!(stored.last(), SpoolNumber(5));
    let entry = spool.entry(SpoolNumber(5)).unwrap().unwrap();
    assert_eq!(stored.entries, [entry.encode()]);
    assert!(spool.entry(SpoolNumber(10)).unwrap().is_none());
}

#[test]
fn a_reader_is_woken_by_what_is_on_the_disk() {
    let place = tempfile::tempdir().unwrap();
    let spool = open(place.path()).unwrap();
    let mut written = spool.written();
    let runtime = runtime();
    for n in 1..=3 {
        assert!(!written.has_changed().unwrap());
        runtime.block_on(spool.append(draft(1, n, line("uname")))).unwrap();
        runtime.block_on(written.changed()).unwrap();
        assert_eq!(*written.borrow_and_update(), SpoolNumber(n));
        assert_eq!(numbers(&spool, n, 1 << 20, 100), [n]);
    }
}
