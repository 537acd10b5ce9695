//! A head and a database that do not belong together.

use super::*;

fn open(directory: &Path) -> Result<Disk, DiskError> {
    // sled's lock is released a moment after its last handle is dropped.
    loop {
        match Disk::open(directory) {
            Err(DiskError::InUse { .. }) => std::thread::yield_now(),
            other => return other,
        }
    }
}

/// A database with so many promises.
fn made(directory: &Path, promises: u64) {
    let mut disk = open(directory).unwrap();
    for number in 1..=promises {
        let mut batch = sled::Batch::default();
        batch.insert(&number.to_be_bytes(), &[]);
        let tree = disk.tree("x").unwrap();
        disk.promise(vec![(tree, batch)]).unwrap();
    }
}

fn head_of(directory: &Path) -> Vec<u8> {
    std::fs::read(head::path(directory)).unwrap()
}

#[test]
fn a_head_is_of_one_database_and_never_ahead_of_it() {
    let place = tempfile::tempdir().unwrap();
    let [own, other, old] = ["own", "other", "old"].map(|name| place.path().join(name).join("below"));
    made(&own, 3);
    made(&other, 9);
    made(&old, 0);
    let ahead = {
        let promise = Mark { number: 4, ..open(&own).unwrap().last };
        let mut disk = open(&old).unwrap();
        disk.last = promise;
        disk.sync().unwrap();
        head_of(&old)
    };
    let good = head_of(&own);
    for (what, head, says) in [
        ("its own", good.clone(), ""),
        ("another's", head_of(&other), "it is not the database of which"),
        ("ahead", ahead, "it ends with promise 3, and"),
        ("longer", [good.as_slice(), b"x"].concat(), "it has 33 bytes, not 32"),
        ("changed", good.iter().map(|byte| byte ^ 1).collect(), "its checksum does not match"),
    ] {
        std::fs::write(head::path(&own), head).unwrap();
        let error = open(&own).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(says) && error.is_empty() == says.is_empty(), "{what}: {error}");
        assert!(says.is_empty() || error.contains(own.to_str().unwrap()), "{what}: {error}");
    }
    // It may be behind: the database was synced, and the power went before the head was.
    std::fs::write(head::path(&own), good).unwrap();
    let behind = head_of(&own);
    made(&own, 2);
    std::fs::write(head::path(&own), behind).unwrap();
    assert_eq!(open(&own).unwrap().last.number, 5);
}

#[test]
fn a_database_without_a_head_is_new_only_while_nothing_was_promised() {
    let place = tempfile::tempdir().unwrap();
    for promises in [0, 1] {
        let directory = place.path().join(promises.to_string());
        made(&directory, promises);
        std::fs::remove_file(head::path(&directory)).unwrap();
        match open(&directory) {
            Ok(disk) => assert_eq!((disk.last.number, promises), (0, 0)),
            Err(error) => {
                let text = error.to_string();
                assert!(promises == 1 && text.contains("head: the records are damaged: it is gone"), "{text}");
            }
        }
    }
}
