//! Files that were cut, torn, flipped or changed: the place is named, and nothing starts empty.

use std::path::{Path, PathBuf};

use pact_journal::JournalError;
use pact_journal::chain::{Hash, Seq, Tip};
use pact_journal::entry::Committed;
use pact_journal::verify::verify;

use crate::support::{all, at, copy_directory, flip, open, runtime, sourced, truncate};

/// A journal with 40 entries, closed; compacted up to some, the others still in the log.
fn good(place: &Path) -> (PathBuf, Vec<Committed>, Tip) {
    let directory = place.join("good");
    runtime().block_on(async {
        let journal = open(&directory).await.unwrap();
        for number in 1..=40 {
            journal.append(vec![sourced(at("n1", 1, number))]).await.unwrap();
        }
        journal.close().await;
    });
    // A runtime of its own each: when it is gone, so is everything that had the files open.
    let (kept, tip) = runtime().block_on(async {
        let journal = open(&directory).await.unwrap();
        (all(&journal.reader()).unwrap(), journal.reader().tip())
    });
    assert_eq!(kept.len(), 40);
    drop(runtime().block_on(open(&directory)).unwrap());
    (directory, kept, tip)
}

fn verify_copy(place: &Path, copy: &Path, known: &[Tip]) -> Result<Tip, JournalError> {
    loop {
        match verify(copy, &place.join("scratch"), known) {
            Err(JournalError::Disk(pact_files::DiskError::InUse { .. })) => std::thread::yield_now(),
            other => return other.map(|verified| verified.tip),
        }
    }
}

type Damage = Box<dyn Fn(&Path)>;

/// Every kind of damage is an error with a name in it, or no damage to what was kept.
#[test]
fn damage_is_named_and_never_an_empty_start() {
    let place = tempfile::tempdir().unwrap();
    let (good, kept, tip) = good(place.path());
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
    for at in (0..80_000.min(size)).step_by(1777) {
        damages.push((format!("db flipped at {at}"), Box::new(move |d| flip(&d.join("sled/db"), at))));
    }
    let mut named = 0;
    for (what, damage) in damages {
        let copy = place.path().join("copy");
        copy_directory(&good, &copy);
        damage(&copy);
        let mut said = |error: JournalError| {
            named += 1;
            assert!(error.to_string().contains(copy.to_str().unwrap()), "{what}: {error}");
        };
        match verify_copy(place.path(), &copy, &[]) {
            Ok(found) => assert_eq!(found, tip, "{what}: verified with other entries"),
            Err(error) => said(error),
        }
        runtime().block_on(async {
            match open(&copy).await {
                Ok(journal) => match all(&journal.reader()) {
                    Ok(entries) => assert_eq!(entries, kept, "{what}: opened with other entries"),
                    Err(error) => said(error),
                },
                Err(error) => said(error),
            }
        });
        std::fs::remove_dir_all(&copy).unwrap();
    }
    assert!(named > 30, "only {named} kinds of damage were seen");
}

/// A change that the database itself cannot notice, because it was made through it.
struct Change {
    what: &'static str,
    make: fn(&sled::Db),
    says: &'static str,
}

fn tree(database: &sled::Db, name: &str) -> sled::Tree {
    database.open_tree(name).unwrap()
}

fn entry(seq: u64) -> Vec<u8> {
    [&seq.to_be_bytes()[..], &[0; 4]].concat()
}

/// Changes the bytes of a value behind its version and length.
fn rewrite(database: &sled::Db, seq: u64, change: fn(&mut Vec<u8>)) {
    let entries = tree(database, "entries");
    let mut value = entries.get(entry(seq)).unwrap().unwrap().to_vec();
    change(&mut value);
    entries.insert(entry(seq), value).unwrap();
}

fn flip_last(value: &mut Vec<u8>) {
    let last = value.pop().unwrap();
    value.push(last ^ 1);
}

const CHANGES: [Change; 16] = [
    Change { what: "payload", make: |d| rewrite(d, 7, flip_last), says: "tree entries: record 7: its hash" },
    Change { what: "first payload", make: |d| rewrite(d, 1, flip_last), says: "tree entries: record 1: its hash" },
    Change {
        what: "last payload",
        make: |d| rewrite(d, 40, flip_last),
        says: "tree entries: record 40 is not the one that was applied",
    },
    Change {
        what: "cut",
        make: |d| rewrite(d, 7, |value| value.truncate(value.len() - 1)),
        says: "tree entries: record 7 is not complete",
    },
    Change {
        what: "version",
        make: |d| rewrite(d, 7, |value| value[0] = 9),
        says: "tree entries: record 7 is of an unknown version",
    },
    Change {
        what: "chain version",
        make: |d| rewrite(d, 7, |value| value[5] = 9),
        says: "tree entries: record 7: it cannot be read",
    },
    Change {
        what: "removed",
        make: |d| drop(tree(d, "entries").remove(entry(7)).unwrap()),
        says: "tree entries: record 7 is missing",
    },
    Change {
        what: "last removed",
        make: |d| drop(tree(d, "entries").remove(entry(40)).unwrap()),
        says: "tree entries: it ends with 39, and 40 is applied",
    },
    Change {
        what: "doubled",
        make: |d| {
            let entries = tree(d, "entries");
            entries.insert(entry(41), entries.get(entry(40)).unwrap().unwrap()).unwrap();
        },
        says: "tree entries: it ends with 41, and 40 is applied",
    },
    Change {
        what: "swapped",
        make: |d| {
            let entries = tree(d, "entries");
            let before = entries.insert(entry(7), entries.get(entry(8)).unwrap().unwrap()).unwrap().unwrap();
            entries.insert(entry(8), before).unwrap();
        },
        says: "tree entries: record 7: record 8 stands in its place",
    },
    Change {
        what: "index key removed",
        make: |d| {
            let index = tree(d, "index");
            index.remove(index.scan_prefix([1]).keys().next().unwrap().unwrap()).unwrap();
        },
        says: "tree index: it does not find record 1",
    },
    Change {
        what: "index key added",
        make: |d| drop(tree(d, "index").insert([1, 0, 0, 0, 0, 0, 0, 0, 0, 7], &[1]).unwrap()),
        says: "tree index: it has 121 keys, and the chain makes 120",
    },
    Change {
        what: "source moved",
        make: |d| {
            let sources = tree(d, "sources");
            let (key, _) = sources.first().unwrap().unwrap();
            sources.insert(key, &[1, 0, 0, 0, 0, 0, 0, 0, 9]).unwrap();
        },
        says: "tree sources: it does not find record 1",
    },
    Change {
        what: "source added",
        make: |d| drop(tree(d, "sources").insert([b'x'; 20], &[1, 0, 0, 0, 0, 0, 0, 0, 9]).unwrap()),
        says: "tree sources: it has 41 keys, and the chain makes 40",
    },
    Change {
        what: "log",
        make: |d| drop(tree(d, "log").pop_max().unwrap()),
        says: "is applied, and the log has no such record",
    },
    Change {
        what: "identity",
        make: |d| drop(tree(d, "meta").remove("identity").unwrap()),
        says: "tree meta: whose it is stands nowhere",
    },
];

#[test]
fn verifying_finds_every_change() {
    let place = tempfile::tempdir().unwrap();
    let (good, _, tip) = good(place.path());
    assert_eq!(verify_copy(place.path(), &good, &[tip]).unwrap(), tip);
    for Change { what, make, says } in CHANGES {
        let copy = place.path().join("copy");
        copy_directory(&good, &copy);
        let database = sled::open(copy.join("sled")).unwrap();
        make(&database);
        database.flush().unwrap();
        drop(database);
        let before = std::fs::read(copy.join("sled/db")).unwrap();
        let error = verify_copy(place.path(), &copy, &[]).expect_err(what).to_string();
        assert!(error.contains(says) && error.contains(copy.to_str().unwrap()), "{what}: {error}");
        assert!(before == std::fs::read(copy.join("sled/db")).unwrap(), "{what}: verifying changed it");
        std::fs::remove_dir_all(&copy).unwrap();
    }
}

#[test]
fn a_tip_that_somebody_kept_tells_of_another_chain() {
    let place = tempfile::tempdir().unwrap();
    let (good, kept, tip) = good(place.path());
    let at = |seq: u64| Tip { seq: Seq(seq), hash: kept[usize::try_from(seq).unwrap() - 1].hash };
    let forged = |seq| Tip { hash: Hash::of(b"x"), ..at(seq) };
    for (known, says) in [
        (vec![at(1), at(20), tip], ""),
        (vec![at(3), forged(20)], "record 20 is not the one that is vouched for"),
        (vec![forged(40)], "record 40 is not the one that is vouched for"),
        (vec![Tip { seq: Seq(41), ..tip }], "record 41 is missing, and it is vouched for"),
    ] {
        let error = verify_copy(place.path(), &good, &known).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(says) && error.is_empty() == says.is_empty(), "{error}");
    }
}

#[test]
fn a_journal_that_is_open_or_is_none_is_not_verified() {
    let place = tempfile::tempdir().unwrap();
    let (good, ..) = good(place.path());
    runtime().block_on(async {
        let _open = open(&good).await.unwrap();
        let error = verify(&good, &place.path().join("scratch"), &[]).unwrap_err();
        assert!(matches!(error, JournalError::Disk(pact_files::DiskError::InUse { .. })), "{error}");
    });
    let error = verify(place.path(), &place.path().join("scratch"), &[]).unwrap_err();
    assert!(error.to_string().contains("there is no journal"), "{error}");
}
