//! The node's configuration: one file that root owns.
//!
//! **Invariant:** an unknown key, a wrong value or a file that others can write is an error with the file's name,
//! the key and the position; there is no default for anything that decides who may do what.
//! **Not here:** the policy and the programs; only where they are.

mod journal;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use pact_files::trusted::{self, Secrecy, Untrusted};
use pact_proto::model::{NodeName, VCluster};
use serde::Deserialize;
use serde::de::Error as _;

pub use journal::{Endpoint, InvalidEndpoint, Journal};

/// Where the configuration is unless a flag says otherwise.
pub const DEFAULT_PATH: &str = "/etc/pact/agent.toml";

/// The uids of sessions must lie above those of people and services.
const LOWEST_UID: u32 = 65_536;
/// 2^32-1 is "no uid"; the half above 2^31 is signed in places.
const HIGHEST_UID: u32 = i32::MAX as u32;
/// One uid a session, and an old one is not used again soon.
const FEWEST_UIDS: u32 = 256;

/// What an agent must know about its node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This node.
    #[serde(deserialize_with = "parsed")]
    pub node: NodeName,
    /// The vCluster that it belongs to.
    #[serde(deserialize_with = "parsed")]
    pub vcluster: VCluster,
    /// Where `pact` connects; its directory is made root:`socket_group` 0750.
    #[serde(default = "default_socket")]
    pub socket: PathBuf,
    /// The group of the accounts that may connect at all.
    #[serde(default = "default_group")]
    pub socket_group: String,
    /// Where `pact` is installed: the login shell of administrators. `doctor` looks at the accounts that have it.
    #[serde(default = "default_shell")]
    pub shell: PathBuf,
    /// The account that the agent is, once it has what only root can give it.
    #[serde(default = "default_user")]
    pub user: String,
    /// Where records are kept.
    #[serde(default = "default_spool")]
    pub spool: PathBuf,
    /// Below so many free bytes there, nothing is started.
    #[serde(default = "default_reserve")]
    pub spool_reserve_bytes: u64,
    /// Where recordings of terminals are kept.
    #[serde(default = "default_recordings")]
    pub recordings: PathBuf,
    /// With which key they are sealed: 64 hexadecimal digits that only root may read. Without it they are not.
    #[serde(default)]
    pub recordings_key: Option<PathBuf>,
    /// Who may do what.
    #[serde(default = "default_policy")]
    pub policy: PathBuf,
    /// The whitelist: a directory of `<name>.toml`.
    #[serde(default = "default_programs")]
    pub programs: PathBuf,
    /// What sessions get.
    #[serde(default)]
    pub sessions: Sessions,
    /// Where the records go on to; without it they stay on this node.
    #[serde(default)]
    pub journal: Option<Journal>,
}

/// What sessions get.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Uids that no account has and nothing else uses, `first-last`; every session has one of its own.
    #[serde(deserialize_with = "uids")]
    pub uids: RangeInclusive<u32>,
    /// Directories that no session sees, beside the configuration and the spool.
    pub hidden: Vec<PathBuf>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { uids: 2_000_000_000..=2_000_065_535, hidden: Vec::new() }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others could have written it, or can read what is secret; or it cannot be read.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// It does not say what it should.
    #[error("{}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Key and position.
        what: String,
    },
}

impl ConfigError {
    pub(crate) fn wrong(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Wrong { path: path.into(), what: what.into() }
    }
}

impl Config {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_roots(path)?;
        let config: Self = toml_edit::de::from_str(&text).map_err(|error| {
            let (line, what) = pact_proto::toml::wrong(&text, &error);
            ConfigError::wrong(path, format!("line {line}: {what}"))
        })?;
        let paths =
            [&config.socket, &config.shell, &config.spool, &config.recordings, &config.policy, &config.programs];
        for named in paths.into_iter().chain(&config.recordings_key) {
            if !named.is_absolute() {
                return Err(ConfigError::wrong(path, format!("{} is not an absolute path", named.display())));
            }
        }
        for (key, named) in config.journal.iter().flat_map(Journal::files) {
            if !named.is_absolute() {
                let what = format!("journal.{key}: {} is not an absolute path", named.display());
                return Err(ConfigError::wrong(path, what));
            }
        }
        // Root makes both, and in the one that is the account's already anybody who is the account makes what they like.
        if config.spool.starts_with(&config.recordings) || config.recordings.starts_with(&config.spool) {
            return Err(ConfigError::wrong(path, "recordings and spool: neither may lie in the other"));
        }
        for owner in ["/etc/subuid", "/etc/subgid"] {
            // A node without such a file has lent nothing.
            let lent = std::fs::read_to_string(owner).unwrap_or_default();
            if let Some(account) = lent_to(&lent, &config.sessions.uids) {
                let what = format!("sessions.uids: {owner} lends some of them to {account}");
                return Err(ConfigError::wrong(path, what));
            }
        }
        Ok(config)
    }
}

/// Whose user namespaces could own some of these ids: `name:first:count`, see subuid(5).
fn lent_to<'a>(lent: &'a str, uids: &RangeInclusive<u32>) -> Option<&'a str> {
    lent.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (account, first, count) = (fields.next()?, fields.next()?.parse::<u64>().ok()?, fields.next()?);
        let end = first.saturating_add(count.trim().parse::<u64>().ok()?);
        (first <= u64::from(*uids.end()) && end > u64::from(*uids.start())).then_some(account)
    })
}

/// Reads a text that only root may have written.
pub fn read_roots(path: &Path) -> Result<String, ConfigError> {
    text(path, Secrecy::Public)
}

/// The same for a text that others may not even read.
pub(crate) fn read_secret(path: &Path) -> Result<String, ConfigError> {
    text(path, Secrecy::Roots)
}

fn text(path: &Path, secrecy: Secrecy) -> Result<String, ConfigError> {
    String::from_utf8(trusted::read(path, secrecy)?).map_err(|_| ConfigError::wrong(path, "it is not UTF-8"))
}

fn default_socket() -> PathBuf {
    "/run/pact/agent.sock".into()
}

fn default_group() -> String {
    "pact".to_owned()
}

fn default_shell() -> PathBuf {
    "/usr/bin/pact".into()
}

fn default_user() -> String {
    "pact-agent".to_owned()
}

fn default_recordings() -> PathBuf {
    "/var/lib/pact/recordings".into()
}

fn default_spool() -> PathBuf {
    "/var/lib/pact/spool".into()
}

fn default_reserve() -> u64 {
    64 << 20
}

fn default_policy() -> PathBuf {
    "/etc/pact/policy.toml".into()
}

fn default_programs() -> PathBuf {
    "/etc/pact/programs".into()
}

fn parsed<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

fn uids<'de, D: serde::Deserializer<'de>>(from: D) -> Result<RangeInclusive<u32>, D::Error> {
    let text = String::deserialize(from)?;
    let range = text.split_once('-').and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    let range: RangeInclusive<u32> = range.ok_or_else(|| D::Error::custom("uids must read `first-last`"))?;
    if *range.start() < LOWEST_UID || *range.end() > HIGHEST_UID || range.end() - FEWEST_UIDS < *range.start() {
        let bounds = format!("uids must lie in {LOWEST_UID}-{HIGHEST_UID} and be more than {FEWEST_UIDS}");
        return Err(D::Error::custom(bounds));
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn the_least_that_must_be_said() {
        let config = load("node = \"node042\"\nvcluster = \"ml-training\"\n").unwrap();
        assert_eq!(config.socket, Path::new("/run/pact/agent.sock"));
        assert_eq!(config.sessions.uids, 2_000_000_000..=2_000_065_535);
    }

    #[test]
    fn the_example_says_the_defaults() {
        let example = load(include_str!("../../examples/agent.toml")).unwrap();
        let least = load("node = \"node042\"\nvcluster = \"ml-training\"\n").unwrap();
        assert_eq!(format!("{example:?}"), format!("{least:?}"));
    }

    /// What is commented out with `#` and no space is what one takes the `#` away from.
    #[test]
    fn the_example_says_how_the_journal_is_named() {
        let uncommented = |line: &str| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => format!("{key}\n"),
            Some(_) | None => format!("{line}\n"),
        };
        let example: String = include_str!("../../examples/agent.toml").lines().map(uncommented).collect();
        let journal = load(&example).unwrap().journal.unwrap();
        assert_eq!(journal.endpoint.to_string(), "journal01:9443");
        assert_eq!(journal.key, Path::new("/etc/pact/node.key"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("vcluster = \"a\"", "missing field `node`"),
            ("node = \"Node\"\nvcluster = \"a\"", "is not a node name"),
            ("node = \"n\"\nvcluster = \"a\"\nnoed = 1", "unknown field `noed`"),
            ("node = \"n\"\nvcluster = \"a\"\nspool = \"spool\"", "is not an absolute path"),
            ("node = \"n\"\nvcluster = \"a\"\nspool = \"/x/y\"\nrecordings = \"/x\"", "neither may lie in the other"),
            ("node = \"n\"\nvcluster = \"a\"\n[sessions]\nuids = \"0-70000\"", "uids must lie in"),
            ("node = \"n\"\nvcluster = \"a\"\n[journal]\nendpoint = \"j\"", "\"j\" is not `host:port`"),
            ("node = \"n\"\nvcluster = \"a\"\n[journal]\nendpoint = \"j:1\"", "missing field `ca`"),
            (
                "node = \"n\"\nvcluster = \"a\"\n[journal]\nendpoint = \"j:1\"\nca = \"/c\"\ncertificate = \"c\"\nkey = \"/k\"",
                "journal.certificate: c is not an absolute path",
            ),
            ("node = \"n\"\nvcluster = \"a\"\n[sessions]\nuids = \"100000-100010\"", "uids must lie in"),
            ("node = \"n\"\nvcluster = \"a\"\n[sessions]\nuids = \"5-1\"", "uids must lie in"),
            ("node = \"n\"\nvcluster = \"a\"\n[sessions]\nuids = \"many\"", "must read `first-last`"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn ids_that_are_lent_to_somebody_are_no_sessions() {
        let lent = "alice:100000:65536\nbob:165536:65536\n";
        for (uids, to) in [(70_000..=99_999, None), (70_000..=100_000, Some("alice")), (231_071..=300_000, Some("bob"))]
        {
            assert_eq!(lent_to(lent, &uids), to, "{uids:?}");
        }
        assert_eq!(lent_to(lent, &(231_072..=300_000)), None);
    }

    #[test]
    fn a_file_that_others_can_write_is_not_read() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.toml");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(Config::load(&path), Err(ConfigError::Untrusted(_))));
    }
}
