//! Where the journal is, whom to believe and who one is: flags over environment over the user's file over the system's.
//!
//! **Invariant:** an unknown key is an error with its file and line; a token that others can read is not used.
//! **Not here:** login shells: for them none of this exists.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pact_proto::model::VCluster;
use serde::Deserialize;

/// Of a connection and of an answer, unless said otherwise.
const USUAL_TIMEOUT: Duration = Duration::from_secs(30);
const USUAL_CA: &str = "/etc/pact/ca.pem";
/// The system's file.
pub const SYSTEM_FILE: &str = "/etc/pact/cli.toml";
/// The user's file, below their home.
pub const USER_FILE: &str = ".config/pact/cli.toml";

/// What is written in a file, or said by flags or environment: each over what stands below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// `host:port` of the journal.
    pub endpoint: Option<String>,
    /// The file with the site's authority.
    pub ca: Option<PathBuf>,
    /// The file that holds the token.
    pub token_file: Option<PathBuf>,
    /// Which nodes are meant where none are named.
    pub vcluster: Option<String>,
    /// The token itself; never in a file of settings.
    #[serde(skip)]
    pub token: Option<String>,
    /// `text`, `json` or `yaml`.
    pub output: Option<Output>,
    /// Seconds that a connection or an answer may take.
    pub timeout: Option<u64>,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One object, or one a line for streams.
    Json,
    /// The same, for people.
    Yaml,
}

/// What holds in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `host:port` of the journal.
    pub endpoint: String,
    /// The file with the site's authority.
    pub ca: PathBuf,
    /// Who one is.
    pub token: String,
    /// Which nodes are meant where none are named.
    pub vcluster: Option<VCluster>,
    /// How results are shown.
    pub output: Output,
    /// What a connection or an answer may take.
    pub timeout: Duration,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("settings: {}: it cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not say what it should.
    #[error("settings: {}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Line and key.
        what: String,
    },
    /// A value that is none.
    #[error("{name}: {value:?} is {what}")]
    Value {
        /// The flag or variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Nobody said where the journal is.
    #[error("endpoint: nobody says where the journal is")]
    NoEndpoint,
    /// Nobody said who one is.
    #[error("token: there is none")]
    NoToken,
}

impl Said {
    /// What the environment says.
    pub fn by_environment(look: impl Fn(&'static str) -> Option<String>) -> Result<Self, SettingsError> {
        let look = |name| look(name).filter(|value| !value.is_empty());
        Ok(Self {
            endpoint: look("PACT_ENDPOINT"),
            ca: look("PACT_CA").map(PathBuf::from),
            token_file: look("PACT_TOKEN_FILE").map(PathBuf::from),
            vcluster: look("PACT_VCLUSTER"),
            token: look("PACT_TOKEN"),
            output: look("PACT_OUTPUT").map(|value| Output::read("PACT_OUTPUT", value)).transpose()?,
            timeout: None,
        })
    }

    /// What a file says; nothing where there is none.
    pub fn by_file(path: &Path) -> Result<Self, SettingsError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(SettingsError::Unreadable { path: path.to_owned(), source }),
        };
        toml_edit::de::from_str(&text).map_err(|error| {
            let (line, what) = pact_proto::toml::wrong(&text, &error);
            SettingsError::Wrong { path: path.to_owned(), what: format!("line {line}: {what}") }
        })
    }

    /// This one, and what it does not say from the one below. Who says a token says nothing of a file, and the other
    /// way round.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let (token, token_file) = match (self.token, self.token_file) {
            (None, None) => (below.token, below.token_file),
            said => said,
        };
        Self {
            endpoint: self.endpoint.or(below.endpoint),
            ca: self.ca.or(below.ca),
            vcluster: self.vcluster.or(below.vcluster),
            token_file,
            token,
            output: self.output.or(below.output),
            timeout: self.timeout.or(below.timeout),
        }
    }

    /// What holds, with the token read.
    pub fn settle(self) -> Result<Settings, SettingsError> {
        let endpoint = self.endpoint.ok_or(SettingsError::NoEndpoint)?;
        let endpoint = endpoint.strip_prefix("https://").unwrap_or(&endpoint).trim_end_matches('/').to_owned();
        let token = match (self.token, self.token_file) {
            (Some(token), _) => token,
            (None, Some(path)) => read_token(&path)?,
            (None, None) => return Err(SettingsError::NoToken),
        };
        Ok(Settings {
            endpoint,
            ca: self.ca.unwrap_or_else(|| USUAL_CA.into()),
            vcluster: self.vcluster.map(vcluster).transpose()?,
            token: token.trim().to_owned(),
            output: self.output.unwrap_or_default(),
            timeout: self.timeout.map_or(USUAL_TIMEOUT, Duration::from_secs),
        })
    }
}

fn vcluster(value: String) -> Result<VCluster, SettingsError> {
    value.parse().map_err(|_| SettingsError::Value { name: "vcluster", value, what: "not a name of a vCluster" })
}

impl Output {
    /// By its name; `name` is where it was said.
    pub fn read(name: &'static str, value: String) -> Result<Self, SettingsError> {
        match value.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            _ => Err(SettingsError::Value { name, value, what: "not text, json or yaml" }),
        }
    }
}

/// Whoever has it is its owner, as far as the site can tell.
fn read_token(path: &Path) -> Result<String, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let wrong = |what: &str| Err(SettingsError::Wrong { path: path.to_owned(), what: what.to_owned() });
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return wrong("the token in it is another account's");
    }
    if metadata.mode() & 0o077 != 0 {
        return wrong("others may read the token in it: chmod 600");
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn said(endpoint: &str, timeout: Option<u64>) -> Said {
        Said { endpoint: Some(endpoint.to_owned()), timeout, ..Said::default() }
    }

    #[test]
    fn what_is_nearer_holds() {
        let all = said("flag:1", None).over(said("file:1", Some(5))).over(said("system:1", Some(9)));
        assert_eq!((all.endpoint.as_deref(), all.timeout), (Some("flag:1"), Some(5)));
        let token = Said { token: Some("t".into()), ..Said::default() };
        let file = Said { token_file: Some("/f".into()), ..Said::default() };
        assert_eq!(token.clone().over(file.clone()).token_file, None, "who says a token means that one");
        assert_eq!(file.over(token).token, None, "and who says a file means that");
    }

    #[test]
    fn the_environment_says_what_it_names() {
        let look = |name| match name {
            "PACT_ENDPOINT" => Some("https://journal01:9443/".to_owned()),
            "PACT_TOKEN" => Some(" abc\n".to_owned()),
            "PACT_OUTPUT" => Some("json".to_owned()),
            "PACT_CA" => Some(String::new()),
            _ => None,
        };
        let settled = Said::by_environment(look).unwrap().settle().unwrap();
        assert_eq!((settled.endpoint.as_str(), settled.token.as_str()), ("journal01:9443", "abc"));
        assert_eq!((settled.output, settled.ca.as_path()), (Output::Json, Path::new(USUAL_CA)));
        assert!(
            Said::by_environment(|_| Some("xml".to_owned())).unwrap_err().to_string().contains("PACT_OUTPUT: \"xml\"")
        );
    }

    #[test]
    fn the_example_says_the_defaults() {
        let example: Said = toml_edit::de::from_str(include_str!("../../examples/cli.toml")).unwrap();
        let expected =
            Said { ca: Some(USUAL_CA.into()), output: Some(Output::Text), timeout: Some(30), ..Said::default() };
        assert_eq!(example, expected);
        assert_eq!(USUAL_TIMEOUT.as_secs(), 30);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("cli.toml");
        for (text, expected) in [
            ("endpiont = \"a:1\"", "line 1: unknown field `endpiont`"),
            ("output = \"xml\"", "unknown variant `xml`"),
            ("\ntoken = \"t\"", "line 2: unknown field `token`"),
            ("timeout = -1", "line 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Said::by_file(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("cli.toml"), "{text}: {error}");
        }
        assert_eq!(Said::by_file(&place.path().join("none")).unwrap(), Said::default());
    }

    #[test]
    fn a_token_that_others_can_read_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("token");
        std::fs::write(&path, "abc\n").unwrap();
        for (mode, is_fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let said = Said { token_file: Some(path.clone()), ..said("a:1", None) };
            assert_eq!(said.settle().is_ok(), is_fine, "{mode:o}");
        }
    }
}
