//! What every test needs: a journal of one member in a directory of its own.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use pact_journal::consensus::{MemberId, RaftSettings};
use pact_journal::entry::{Committed, Index, Item, Key};
use pact_journal::storage::{Reader, Settings};
use pact_journal::{Journal, JournalError};
use pact_proto::model::{SpoolEpoch, SpoolNumber, SpoolPosition};

pub(crate) fn settings(directory: &Path) -> Settings {
    Settings {
        directory: directory.to_owned(),
        cluster: "test".to_owned(),
        member: MemberId(1),
        members: [MemberId(1)].into(),
    }
}

/// Compacts often, so that tests meet it.
pub(crate) fn raft() -> RaftSettings {
    RaftSettings { compact_every: 16, ..RaftSettings::default() }
}

pub(crate) async fn open(directory: &Path) -> Result<Journal, JournalError> {
    open_as(&settings(directory)).await
}

pub(crate) async fn open_as(settings: &Settings) -> Result<Journal, JournalError> {
    // sled's lock is released a moment after its last handle is dropped.
    loop {
        match Journal::open(settings, raft()).await {
            Ok(journal) => return Ok(journal),
            Err(failed) if matches!(*failed.0, JournalError::Disk(pact_files::DiskError::InUse { .. })) => {
                tokio::task::yield_now().await;
            }
            Err(failed) => return Err(std::sync::Arc::into_inner(failed.0).unwrap_or(JournalError::Stopped)),
        }
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn at(node: &str, epoch: u64, number: u64) -> SpoolPosition {
    SpoolPosition { node: node.parse().unwrap(), epoch: SpoolEpoch(epoch), number: SpoolNumber(number) }
}

pub(crate) fn plain(payload: &str) -> Item {
    Item { source: None, keys: Vec::new(), payload: payload.as_bytes().to_vec() }
}

pub(crate) fn sourced(position: SpoolPosition) -> Item {
    let payload = format!("{} {} {}", position.node, position.epoch.0, position.number.0).into_bytes();
    let keys = vec![
        Key { index: Index::SCOPE, value: position.node.as_str().as_bytes().to_vec() },
        Key { index: Index::KIND, value: vec![u8::try_from(position.number.0 % 3).unwrap()] },
    ];
    Item { source: Some(position), keys, payload }
}

pub(crate) fn all(reader: &Reader) -> Result<Vec<Committed>, JournalError> {
    let mut all: Vec<_> = reader.newest().collect::<Result<_, _>>()?;
    all.reverse();
    Ok(all)
}

pub(crate) fn truncate(path: &Path, size: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(size).unwrap();
}

pub(crate) fn flip(path: &Path, at: u64) {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 0x10]).unwrap();
}

pub(crate) fn copy_directory(from: &Path, to: &Path) {
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
