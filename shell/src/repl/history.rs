//! The lines of a person's prompts: in memory, and in `~/.local/state/pact/history`.
//!
//! **Invariant:** an entry holds nothing but plain characters, whoever wrote the file: what is recalled is shown raw.
//! It is re-read by the grammar like anything that is typed.
//! What looks like a secret, or begins with a blank, is in none.
//! **Invariant:** the file is opened once, before the confinement: a regular file of the caller's, 0600, never through
//! a link, and cut to its newest lines when it has grown.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use pact_proto::grammar::MAX_LINE;
use pact_proto::view::is_plain;
use reedline::{FileBackedHistory, HistoryItem, HistoryItemId, HistorySessionId, SearchDirection, SearchQuery};

/// Entries that are kept.
const MOST_ENTRIES: usize = 2000;
/// A file that is larger is cut to half of this.
const MOST_BYTES: u64 = 512 * 1024;

/// Why lines are kept in memory only.
#[derive(Debug, thiserror::Error)]
#[error("history: {} cannot be used, so lines are kept for this session only", path.display())]
pub(crate) struct HistoryError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Where it is in a home directory.
pub(crate) fn path_in(home: &Path) -> PathBuf {
    home.join(".local/state/pact/history")
}

/// The history's file, open before the confinement; reading it can wait.
pub(crate) struct HistoryFile(File);

impl HistoryFile {
    pub(crate) fn open(path: &Path) -> Result<Self, HistoryError> {
        open(path).map(Self).map_err(|source| HistoryError { path: path.to_owned(), source })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let options = || {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        // O_NONBLOCK, so that a fifo in its place stops nobody.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
        options
    };
    let file = match options().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(directory) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            }
            options().open(path)?
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() || metadata.nlink() != 1 {
        return Err(io::Error::other("it is not a regular file of yours"));
    }
    if metadata.mode() & 0o777 != 0o600 {
        file.set_permissions(PermissionsExt::from_mode(0o600))?;
    }
    Ok(file)
}

/// The entries, for reedline and for `history`.
pub(super) struct History {
    entries: FileBackedHistory,
    file: Option<File>,
    /// How much of the file was read.
    read: u64,
    /// Lines of this session's own that stand behind that.
    own: Vec<String>,
}

impl History {
    /// Reads what was kept. What cannot be read any more was not there.
    pub(super) fn load(file: Option<HistoryFile>) -> reedline::Result<Self> {
        let entries = FileBackedHistory::new(MOST_ENTRIES)?;
        let mut history = Self { entries, file: None, read: 0, own: Vec::new() };
        if let Some(HistoryFile(mut file)) = file {
            let (text, was_cut) = newest(&mut file).unwrap_or_default();
            for line in text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
                history.remember(line)?;
            }
            if was_cut {
                history.rewrite(&mut file);
            }
            history.read = file.seek(SeekFrom::End(0)).unwrap_or(0);
            history.file = Some(file);
        }
        Ok(history)
    }

    fn remember(&mut self, line: &str) -> reedline::Result<HistoryItem> {
        let item = HistoryItem::from_command_line(line);
        if is_kept(line) { reedline::History::save(&mut self.entries, item) } else { Ok(item) }
    }

    /// What other sessions of this person have added.
    fn catch_up(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let length = file.seek(SeekFrom::End(0))?;
        // A file that has become shorter was cut by another session, which has all that counts.
        let mut text = Vec::new();
        if length > self.read {
            file.seek(SeekFrom::Start(self.read.max(length.saturating_sub(MOST_BYTES))))?;
            file.take(MOST_BYTES).read_to_end(&mut text)?;
        }
        self.read = length;
        let mut own = std::mem::take(&mut self.own);
        for line in text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
            match own.iter().position(|mine| mine == line) {
                Some(at) => drop(own.remove(at)),
                None => drop(self.remember(line)),
            }
        }
        Ok(())
    }

    fn rewrite(&self, file: &mut File) {
        let text: String = self.lines().into_iter().map(|line| line + "\n").collect();
        // It is the person's convenience; the record of what was done is the agent's.
        let _lost = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
    }

    /// All of them, oldest first.
    pub(super) fn lines(&self) -> Vec<String> {
        let every = SearchQuery::everything(SearchDirection::Forward, None);
        let found = reedline::History::search(&self.entries, every).unwrap_or_default();
        found.into_iter().map(|item| item.command_line).collect()
    }
}

/// As `history` shows them.
pub(super) fn listing(lines: &[String]) -> String {
    lines.iter().enumerate().map(|(at, line)| format!("{:>5}  {line}\n", at + 1)).collect()
}

/// Not what begins with a blank, as in other shells, and not what looks like a secret.
fn is_kept(line: &str) -> bool {
    let is_line = !line.trim().is_empty() && line.len() <= MAX_LINE && line.chars().all(is_plain);
    is_line && !line.starts_with(' ') && !line.split_ascii_whitespace().any(looks_secret)
}

/// `--password=x`, `token:x`, an option that takes one, a token as it stands. A file of that name is none.
fn looks_secret(word: &str) -> bool {
    const NAMES: [&str; 7] = ["password", "passwd", "passphrase", "secret", "token", "apikey", "credential"];
    let word = word.trim_matches(['\'', '"']).to_ascii_lowercase();
    let plain = word.replace(['-', '_'], "");
    let names_one = |text: &str| NAMES.iter().any(|name| text.ends_with(name));
    let is_said = plain.split_once(['=', ':']).is_some_and(|(name, value)| names_one(name) && !value.is_empty());
    let is_option = word.starts_with("--") && names_one(&plain);
    // What every JSON Web Token begins with.
    is_said || is_option || (word.starts_with("eyj") && word.len() >= 20)
}

/// The newest part of the file, from the start of a line, and whether that is not all.
fn newest(file: &mut File) -> io::Result<(Vec<u8>, bool)> {
    // Asking for the metadata would be a system call that the confinement refuses.
    let length = file.seek(SeekFrom::End(0))?;
    let skipped = if length > MOST_BYTES { length - MOST_BYTES / 2 } else { 0 };
    file.seek(SeekFrom::Start(skipped))?;
    let mut text = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut text)?;
    if skipped > 0 {
        let first = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
        text.drain(..first);
    }
    Ok((text, skipped > 0))
}

impl reedline::History for History {
    fn save(&mut self, item: HistoryItem) -> reedline::Result<HistoryItem> {
        let saved = self.remember(&item.command_line)?;
        if let (Some(file), Some(_)) = (&mut self.file, saved.id) {
            // One write, so that two sessions do not mix their lines.
            let _lost = file.write_all(format!("{}\n", saved.command_line).as_bytes());
            self.own.push(saved.command_line.clone());
        }
        Ok(saved)
    }

    fn load(&self, id: HistoryItemId) -> reedline::Result<HistoryItem> {
        reedline::History::load(&self.entries, id)
    }

    fn count(&self, query: SearchQuery) -> reedline::Result<i64> {
        self.entries.count(query)
    }

    fn search(&self, query: SearchQuery) -> reedline::Result<Vec<HistoryItem>> {
        self.entries.search(query)
    }

    fn update(&mut self, id: HistoryItemId, change: &dyn Fn(HistoryItem) -> HistoryItem) -> reedline::Result<()> {
        self.entries.update(id, change)
    }

    fn clear(&mut self) -> reedline::Result<()> {
        self.entries.clear()
    }

    fn delete(&mut self, id: HistoryItemId) -> reedline::Result<()> {
        self.entries.delete(id)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.catch_up()
    }

    fn session(&self) -> Option<HistorySessionId> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(path: &Path) -> History {
        History::load(Some(HistoryFile::open(path).unwrap())).unwrap()
    }

    fn save(history: &mut History, line: &str) {
        reedline::History::save(history, HistoryItem::from_command_line(line)).unwrap();
    }

    #[test]
    fn lines_outlive_the_session_and_only_their_owner_reads_them() {
        let home = tempfile::tempdir().unwrap();
        let path = path_in(home.path());
        save(&mut history(&path), "uname -r");
        save(&mut history(&path), "dmesg | tail");
        assert_eq!(history(&path).lines(), ["uname -r", "dmesg | tail"]);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(listing(&history(&path).lines()), "    1  uname -r\n    2  dmesg | tail\n");
    }

    #[test]
    fn sessions_of_one_person_see_each_others_lines() {
        let home = tempfile::tempdir().unwrap();
        let path = path_in(home.path());
        let (mut one, mut other) = (history(&path), history(&path));
        save(&mut one, "uname -r");
        save(&mut other, "df");
        save(&mut one, "dmesg");
        for history in [&mut one, &mut other] {
            reedline::History::sync(history).unwrap();
        }
        assert_eq!(one.lines(), ["uname -r", "dmesg", "df"]);
        assert_eq!(other.lines(), ["df", "uname -r", "dmesg"]);
        save(&mut other, "free");
        reedline::History::sync(&mut one).unwrap();
        reedline::History::sync(&mut one).unwrap();
        assert_eq!(one.lines().last().map(String::as_str), Some("free"));
        assert_eq!(one.lines().len(), 4);
    }

    #[test]
    fn what_looks_like_a_secret_is_kept_nowhere() {
        for line in [
            "grep --password=hunter2 /etc/x",
            "ls --api-token abc",
            "cat 'PASSWORD=hunter2'",
            "grep my_secret:x /var/log/syslog",
            "grep eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x /var/log/syslog",
            " uname",
        ] {
            assert!(!is_kept(line), "{line}");
        }
        for line in
            ["cat /etc/passwd", "grep token /var/log/syslog", "ls /run/secrets", "log --author a@b", "grep a=b x"]
        {
            assert!(is_kept(line), "{line}");
        }
    }

    #[test]
    fn a_forged_file_shows_nothing_to_a_terminal_but_text() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history");
        let forged = b"uname\n\x1b]52;c;aGk=\x07\nls \xe2\x80\xae/\n\xff\xfe\n\n  \ncat \r/etc/passwd\ndf\n";
        std::fs::write(&path, forged).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let mut history = history(&path);
        assert_eq!(history.lines(), ["uname", "df"]);
        save(&mut history, "dmesg\nreboot");
        save(&mut history, &"a".repeat(MAX_LINE + 1));
        assert_eq!(history.lines(), ["uname", "df"]);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_of_ones_own_is_not_opened() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::write(at("other"), "secret\n").unwrap();
        std::os::unix::fs::symlink(at("other"), at("link")).unwrap();
        std::fs::hard_link(at("other"), at("second-name")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        for name in ["link", "second-name", "fifo", "directory"] {
            assert!(HistoryFile::open(&at(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_file_that_has_grown_is_cut_to_its_newest_lines() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history");
        let text: String = (0..100_000).map(|n| format!("uname {n}\n")).collect();
        std::fs::write(&path, text).unwrap();
        let lines = history(&path).lines();
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (MOST_ENTRIES, Some("uname 99999")));
        assert!(std::fs::metadata(&path).unwrap().len() < MOST_BYTES / 2);
        assert_eq!(history(&path).lines(), lines);
    }
}
