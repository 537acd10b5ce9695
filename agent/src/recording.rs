//! What was seen on the terminals of lines, kept on this node's disk as asciicasts.
//!
//! **Invariant:** a line that is to be recorded runs only once its recording exists; what was drawn is in the file a
//! second later, and on the disk when the line is over. Where one cannot go on, or would be larger than the policy allows,
//! its line is ended. Nobody but the agent and root reads them, and no session sees where they are.
//! **Not here:** that a line ran, and who typed it: that is on record (`crate::spool`), and stays when this is gone.

mod cast;
mod sealed;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use pact_policy::Recording as Rules;
use pact_proto::model::{LineId, NodeName, SessionId};
use pact_session::Size;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use cast::{Cast, header};
pub(crate) use cast::{Event, events};
pub(crate) use sealed::Key;

/// What is drawn is kept in memory for so long, or until there is so much of it.
const SOON: Duration = Duration::from_secs(1);
const MUCH: usize = 16 * 1024;
/// How long a disk may take for the end of one.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pieces that wait to be written down.
const PLACES: usize = 16;
/// How often is looked what is too old.
const PACE: Duration = Duration::from_secs(3600);
const DAY: u64 = 24 * 60 * 60;
const NAME: &str = "cast";
const SEALED_NAME: &str = "cast.sealed";
/// A file is its text, and what sealing adds to each piece; this is more than the largest of either.
const MOST_READ: u64 = 1 << 30;

/// Where recordings are, and which there are to be.
#[derive(Clone)]
pub(crate) struct Recordings {
    node: NodeName,
    directory: PathBuf,
    key: Option<Key>,
    rules: Rules,
}

/// One that is being made, by a task of its own: whoever draws waits for a place at most, and never for the disk while
/// somebody waits for them.
pub(crate) struct Recording {
    happened: mpsc::Sender<Happened>,
    /// The last size that nobody has written down yet.
    size: Arc<Mutex<Option<Size>>>,
    made: Option<JoinHandle<io::Result<()>>>,
}

/// What is to be written down.
enum Happened {
    Drawn(Duration, Vec<u8>),
    /// The line is over.
    End,
}

/// The file, and what waits to be in it.
struct Maker {
    cast: Cast,
    file: Arc<File>,
    seal: Option<sealed::Sealing>,
    begun: Instant,
    size: Arc<Mutex<Option<Size>>>,
    waiting: String,
    left: u64,
    most: u64,
}

/// What cannot be recorded, or played.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The disk, or who may use it.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that is not what was written.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> RecordingError + use<'_> {
    move |source| RecordingError::Io { path: path.to_owned(), source }
}

impl Recordings {
    /// Makes the directory, where nobody has yet, for this account alone.
    pub(crate) fn open(
        node: NodeName,
        directory: PathBuf,
        key: Option<Key>,
        rules: Rules,
    ) -> Result<Self, RecordingError> {
        match fs::DirBuilder::new().mode(0o700).recursive(true).create(&directory) {
            Ok(()) => Ok(Self { node, directory, key, rules }),
            Err(source) => Err(RecordingError::Io { path: directory, source }),
        }
    }

    fn path(&self, session: SessionId, line: LineId, name: &str) -> PathBuf {
        let session: String = session.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(format!("{session}-{line}.{name}", line = line.0))
    }

    /// Those of a line whose session begins so, as `log` shows it.
    fn find(&self, session: &str, line: u64) -> Vec<PathBuf> {
        let ends = [NAME, SEALED_NAME].map(|name| format!("-{line}.{name}"));
        let items = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let is_it = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(session) && ends.iter().any(|end| name.ends_with(end))
        };
        items.map(|item| item.path()).filter(is_it).collect()
    }

    /// Begins one, where the policy wants it.
    pub(crate) async fn begin(
        &self,
        (session, line): (SessionId, LineId),
        size: Size,
        terminal: &str,
    ) -> Result<Option<Recording>, RecordingError> {
        if !self.rules.terminal {
            return Ok(None);
        }
        let path = self.path(session, line, if self.key.is_some() { SEALED_NAME } else { NAME });
        let (key, text) = (self.key.clone(), header(size, terminal, Timestamp::now()));
        let name = self.context(&path);
        let made = spawn_blocking(move || {
            let open = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
            let mut file = open.map_err(failed(&path))?;
            let mut seal = key.map(|key| key.sealing(&name)).transpose().map_err(failed(&path))?;
            let bytes = match &mut seal {
                Some(seal) => seal.first(text.as_bytes()).map_err(failed(&path))?,
                None => text.into_bytes(),
            };
            file.write_all(&bytes).map_err(failed(&path))?;
            Ok((file, seal))
        });
        let (file, seal) = made.await.map_err(|_| self.gone())??;
        let (happened, happens) = mpsc::channel(PLACES);
        let (size, most) = (Arc::<Mutex<Option<Size>>>::default(), self.rules.most_bytes);
        let maker = Maker {
            cast: Cast::default(),
            file: Arc::new(file),
            seal,
            begun: Instant::now(),
            size: Arc::clone(&size),
            waiting: String::new(),
            left: most,
            most,
        };
        let made = Some(tokio::spawn(maker.make(happens)));
        Ok(Some(Recording { happened, size, made }))
    }

    /// What a sealed file is bound to: it is no other line's, and no other node's.
    fn context(&self, path: &Path) -> String {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        format!("{}/{name}", self.node)
    }

    /// One that was made, as text; nothing where there is none. The second is whether it was cut short.
    pub(crate) async fn read(&self, session: &str, line: u64) -> Result<Option<(String, bool)>, RecordingError> {
        let (own, session) = (self.clone(), session.to_owned());
        let read = spawn_blocking(move || {
            let found = own.find(&session, line);
            let Some(path) = found.first() else { return Ok(None) };
            let damaged = |what: &str| RecordingError::Damaged { path: path.clone(), what: what.to_owned() };
            if found.len() > 1 {
                return Err(damaged("another one could be meant too"));
            }
            let bytes = bytes(path)?;
            if !path.to_string_lossy().ends_with(SEALED_NAME) {
                return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), false)));
            }
            let key = own.key.as_ref().ok_or_else(|| damaged("it is sealed, and this node has no key for it"))?;
            let (text, is_whole) = key.open(&bytes, &own.context(path)).map_err(damaged)?;
            Ok(Some((String::from_utf8_lossy(&text).into_owned(), !is_whole)))
        });
        read.await.map_err(|_| self.gone())?
    }

    fn gone(&self) -> RecordingError {
        failed(&self.directory)(io::Error::other("the agent ends"))
    }

    /// Takes away what is older than the policy says, again and again.
    pub(crate) async fn forget(self) {
        loop {
            let own = self.clone();
            let _ended = spawn_blocking(move || own.forget_once(SystemTime::now())).await;
            tokio::time::sleep(PACE).await;
        }
    }

    fn forget_once(&self, now: SystemTime) {
        let keep = Duration::from_secs(self.rules.keep_days.saturating_mul(DAY));
        for item in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let is_one = item.file_name().to_str().is_some_and(|n| n.ends_with(NAME) || n.ends_with(SEALED_NAME));
            let changed = item.metadata().and_then(|metadata| metadata.modified());
            let is_old = changed.is_ok_and(|changed| now.duration_since(changed).is_ok_and(|age| age >= keep));
            if is_one && is_old {
                // What cannot be taken away now is tried again.
                let _later = fs::remove_file(item.path());
            }
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, RecordingError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed(path))?;
    file.take(MOST_READ).read_to_end(&mut bytes).map_err(failed(path))?;
    Ok(bytes)
}

impl Recording {
    /// Where it is drawn from.
    pub(crate) fn drawing(&self) -> Drawing {
        Drawing { happened: self.happened.clone(), begun: Instant::now() }
    }

    /// The terminal is of another size.
    pub(crate) fn resized(&self, size: Size) {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = Some(size);
    }

    /// Returns why it cannot go on, when it cannot. May be dropped and called again until it has returned.
    pub(crate) async fn breaks(&mut self) -> String {
        match &mut self.made {
            Some(made) => {
                let ended = made.await;
                self.made = None;
                reason(ended).unwrap_or_else(|| "it has ended".to_owned())
            }
            None => std::future::pending().await,
        }
    }

    /// The line is over: all of it is on the disk, or why not.
    pub(crate) async fn finish(mut self) -> Result<(), String> {
        // One that has ended by itself says why below.
        let ended = async {
            let _ended = self.happened.send(Happened::End).await;
            match self.made.take() {
                Some(made) => reason(made.await).map_or(Ok(()), Err),
                None => Ok(()),
            }
        };
        timeout(PATIENCE, ended).await.unwrap_or_else(|_| Err("its disk does not answer".to_owned()))
    }
}

fn reason(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Option<String> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the agent ends".to_owned()),
    }
}

/// Who says what is drawn.
#[derive(Clone)]
pub(crate) struct Drawing {
    happened: mpsc::Sender<Happened>,
    begun: Instant,
}

impl Drawing {
    /// Something was drawn.
    pub(crate) async fn drawn(&self, bytes: &[u8]) {
        // A recording that cannot go on ends the line, and tells its owner.
        let _ended = self.happened.send(Happened::Drawn(self.begun.elapsed(), bytes.to_vec())).await;
    }
}

impl Maker {
    /// Until the line is over, or something is wrong.
    async fn make(mut self, mut happens: mpsc::Receiver<Happened>) -> io::Result<()> {
        loop {
            let happened = if self.waiting.is_empty() {
                happens.recv().await
            } else {
                match timeout(SOON, happens.recv()).await {
                    Ok(happened) => happened,
                    Err(_) => {
                        self.write(false).await?;
                        continue;
                    }
                }
            };
            self.note_size()?;
            match happened {
                Some(Happened::Drawn(since, bytes)) => {
                    let event = self.cast.drawn(since, &bytes);
                    self.add(&event)?;
                }
                Some(Happened::End) | None => break,
            }
            if self.waiting.len() >= MUCH {
                self.write(false).await?;
            }
        }
        let rest = self.cast.rest(self.begun.elapsed());
        self.add(&rest)?;
        self.write(true).await?;
        let file = Arc::clone(&self.file);
        spawn_blocking(move || file.sync_data()).await.map_err(io::Error::other)?
    }

    fn note_size(&mut self) -> io::Result<()> {
        let size = self.size.lock().unwrap_or_else(PoisonError::into_inner).take();
        match size {
            Some(size) => {
                let event = Cast::resized(self.begun.elapsed(), size);
                self.add(&event)
            }
            None => Ok(()),
        }
    }

    fn add(&mut self, event: &str) -> io::Result<()> {
        let size = event.len() as u64;
        if size > self.left {
            return Err(io::Error::other(format!("{} bytes are the most that the policy allows", self.most)));
        }
        self.left -= size;
        self.waiting.push_str(event);
        Ok(())
    }

    async fn write(&mut self, is_last: bool) -> io::Result<()> {
        let text = std::mem::take(&mut self.waiting);
        let bytes = match &mut self.seal {
            Some(seal) => seal.next(text.as_bytes(), is_last)?,
            None => text.into_bytes(),
        };
        let file = Arc::clone(&self.file);
        spawn_blocking(move || (&*file).write_all(&bytes)).await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC_AND_RANDOM: usize = 19 + 32;
    const SIZE: Size = Size { columns: 80, rows: 24 };

    fn node() -> NodeName {
        "node042".parse().unwrap()
    }

    fn ids() -> (SessionId, LineId) {
        (SessionId::from_bytes([7; 16]), LineId(3))
    }

    fn rules(most_bytes: u64) -> Rules {
        Rules { terminal: true, most_bytes, keep_days: 30 }
    }

    async fn recorded(recordings: &Recordings) -> String {
        let (session, line) = ids();
        let recording = recordings.begin((session, line), SIZE, "xterm").await.unwrap().unwrap();
        let drawing = recording.drawing();
        drawing.drawn("a \u{1b}[31mré".as_bytes()).await;
        recording.resized(Size { columns: 100, rows: 30 });
        drawing.drawn(&[0xc3]).await;
        drawing.drawn(&[0xa9, 0xff, b'\n', 0xe6]).await;
        recording.finish().await.unwrap();
        let (text, is_cut) = recordings.read(&session.to_string(), line.0).await.unwrap().unwrap();
        assert!(!is_cut);
        text
    }

    #[tokio::test]
    async fn what_was_drawn_can_be_read_again_sealed_or_not() {
        for key in [None, Some(Key::from_text(&"0f".repeat(32)).unwrap())] {
            let place = tempfile::tempdir().unwrap();
            let directory = place.path().join("recordings");
            let recordings = Recordings::open(node(), directory.clone(), key.clone(), rules(1 << 20)).unwrap();
            let text = recorded(&recordings).await;
            let drawn: String = events(&text)
                .filter_map(|(_, event)| match event {
                    Event::Drawn(text) => Some(text),
                    Event::Mark(_) | Event::Other => None,
                })
                .collect();
            assert_eq!(drawn, "a \u{1b}[31mréé\u{fffd}\n\u{fffd}");
            assert!(text.starts_with("{\"version\":2,\"width\":80,\"height\":24,"), "{text}");
            assert!(text.contains(",\"r\",\"100x30\"]\n"), "{text}");
            let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap();
            let bytes = fs::read(file.path()).unwrap();
            assert_eq!(bytes.windows(7).any(|part| part == b"version"), key.is_none());
            // Nobody makes a second one in its place.
            assert!(recordings.begin(ids(), SIZE, "xterm").await.is_err());
            recordings.forget_once(SystemTime::now());
            assert!(file.path().exists());
            recordings.forget_once(SystemTime::now() + Duration::from_secs(31 * DAY));
            assert!(!file.path().exists());
        }
    }

    #[tokio::test]
    async fn a_recording_has_an_end_and_says_so() {
        let place = tempfile::tempdir().unwrap();
        let recordings = Recordings::open(node(), place.path().to_owned(), None, rules(60)).unwrap();
        let mut recording = recordings.begin(ids(), SIZE, "xterm").await.unwrap().unwrap();
        recording.drawing().drawn(&[b'x'; 60]).await;
        assert_eq!(recording.breaks().await, "60 bytes are the most that the policy allows");
        let off = Recordings { rules: Rules { terminal: false, ..rules(1) }, ..recordings };
        assert!(off.begin((SessionId::from_bytes([8; 16]), LineId(1)), SIZE, "").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_was_changed_or_cut_is_not_played_as_if_it_were_whole() {
        let place = tempfile::tempdir().unwrap();
        let key = Key::from_text(&"0f".repeat(32)).unwrap();
        let recordings = Recordings::open(node(), place.path().to_owned(), Some(key), rules(1 << 20)).unwrap();
        recorded(&recordings).await;
        let ((session, line), path) = (ids(), recordings.path(ids().0, ids().1, SEALED_NAME));
        let bytes = fs::read(&path).unwrap();
        for at in [0, 20, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(recordings.read(&session.to_string(), line.0).await.is_err(), "byte {at}");
        }
        // Behind a whole piece: what is there can be read, and is not all.
        let first =
            MAGIC_AND_RANDOM + 4 + u32::from_be_bytes(bytes[MAGIC_AND_RANDOM..][..4].try_into().unwrap()) as usize + 16;
        fs::write(&path, &bytes[..first]).unwrap();
        let (text, is_cut) = recordings.read(&session.to_string(), line.0).await.unwrap().unwrap();
        assert!(is_cut && text.starts_with("{\"version\":2"), "{text}");
        // Another line's, or another node's, is none.
        fs::write(recordings.path(session, LineId(4), SEALED_NAME), &bytes).unwrap();
        assert!(recordings.read(&session.to_string(), 4).await.is_err());
        let elsewhere = Recordings { node: "node043".parse().unwrap(), ..recordings.clone() };
        fs::write(&path, &bytes).unwrap();
        assert!(elsewhere.read(&session.to_string(), line.0).await.is_err());
        let other = Recordings { key: Some(Key::from_text(&"1f".repeat(32)).unwrap()), ..recordings.clone() };
        fs::write(&path, &bytes).unwrap();
        assert!(other.read(&session.to_string(), line.0).await.is_err());
        let keyless = Recordings { key: None, ..recordings };
        let why = keyless.read(&session.to_string(), line.0).await.unwrap_err().to_string();
        assert!(why.ends_with("it is sealed, and this node has no key for it"), "{why}");
    }
}
