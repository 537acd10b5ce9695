//! A member's configuration: one file that root owns, and the files that it names.
//!
//! **Invariant:** an unknown key, a wrong value or a file that others can write is an error with the file's name,
//! the key and the position. The private key is root's or the member's own, and others cannot read it.
//! **Why:** the member runs as a user of its own: what it could write itself would be no ground to stand on.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use pact_files::trusted::{self, Secrecy, Untrusted};
use pact_policy::token::{Development, Issuer, Issuers, SigningAlgorithm};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::consensus::MemberId;
use crate::storage::Settings;

/// Where the configuration is unless a flag says otherwise.
pub const DEFAULT_PATH: &str = "/etc/pact/journal.toml";

/// What a member must know.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its number, for ever.
    pub member: NonZeroU64,
    /// The name of the journal; files of another one are not opened.
    #[serde(default = "default_cluster")]
    pub cluster: String,
    /// Where nodes connect.
    pub listen: SocketAddr,
    /// Where the journal is kept.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// Certificates of the site's authority: whoever has one of these above its own is a machine of the site.
    #[serde(default = "default_ca")]
    pub ca: PathBuf,
    /// The member's own certificate, and those between it and the authority.
    #[serde(default = "default_certificate")]
    pub certificate: PathBuf,
    /// Its private key.
    #[serde(default = "default_key")]
    pub key: PathBuf,
    /// Identity providers whose tokens are accepted.
    #[serde(default, rename = "issuer")]
    pub issuers: Vec<Provider>,
    /// A key that stands for an identity provider while there is none.
    pub development: Option<DevelopmentKey>,
    /// Which text this is: the beginning of its SHA-256. What a person may do at the journal follows from it.
    #[serde(skip)]
    pub version: String,
}

/// An identity provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// The claim `aud` of those that are for pact.
    pub audience: String,
    /// How it signs, whatever a token says.
    pub algorithm: SigningAlgorithm,
    /// A file with its keys: a JWKS (RFC 7517).
    pub jwks: PathBuf,
    /// Which claim is the principal.
    #[serde(default = "default_principal_claim")]
    pub principal_claim: String,
    /// Which claim names roles.
    #[serde(default = "default_roles_claim")]
    pub roles_claim: String,
}

/// A shared key, for HS256.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevelopmentKey {
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// The claim `aud` of those that are for pact.
    pub audience: String,
    /// The file that is the key, byte for byte.
    pub key_file: PathBuf,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
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
    pub(crate) fn wrong(path: &Path, what: impl Into<String>) -> Self {
        Self::Wrong { path: path.to_owned(), what: what.into() }
    }
}

impl Config {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let bytes = trusted::read(path, Secrecy::Public)?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::wrong(path, "it is not UTF-8"))?;
        let mut config: Self = toml_edit::de::from_str(&text).map_err(|e| wrong_toml(path, &text, &e))?;
        let named = [&config.data, &config.ca, &config.certificate, &config.key].into_iter();
        let named = named.chain(config.issuers.iter().map(|provider| &provider.jwks));
        for named in named.chain(config.development.iter().map(|key| &key.key_file)) {
            if !named.is_absolute() {
                return Err(ConfigError::wrong(path, format!("{} is not an absolute path", named.display())));
            }
        }
        if config.cluster.is_empty() {
            return Err(ConfigError::wrong(path, "cluster is empty"));
        }
        config.version = Sha256::digest(&text).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Ok(config)
    }

    /// Whose tokens are accepted.
    pub(crate) fn issuers(&self, path: &Path) -> Result<Issuers, ConfigError> {
        let mut issuers = Issuers::default();
        for Provider { issuer, audience, algorithm, jwks, principal_claim, roles_claim } in &self.issuers {
            let made = Issuer::new(issuer, audience, *algorithm, &trusted::read(jwks, Secrecy::Public)?);
            let made = made.map_err(|bad| ConfigError::wrong(jwks, bad.to_string()))?;
            let added = issuers.add(made.claims(principal_claim, roles_claim));
            added.map_err(|bad| ConfigError::wrong(path, bad.to_string()))?;
        }
        if let Some(DevelopmentKey { issuer, audience, key_file }) = &self.development {
            let secret = trusted::read(key_file, Secrecy::Shared)?;
            let made = Issuer::development(&Development { issuer, audience, secret: &secret });
            let made = made.and_then(|made| issuers.add(made));
            made.map_err(|bad| ConfigError::wrong(key_file, bad.to_string()))?;
        }
        Ok(issuers)
    }

    /// Whose journal it is, and where.
    pub(crate) fn settings(&self) -> Settings {
        let member = MemberId(self.member.get());
        let (directory, cluster) = (self.data.clone(), self.cluster.clone());
        Settings { directory, cluster, member, members: [member].into() }
    }
}

fn wrong_toml(path: &Path, text: &str, error: &toml_edit::de::Error) -> ConfigError {
    let (line, what) = pact_proto::toml::wrong(text, error);
    ConfigError::wrong(path, format!("line {line}: {what}"))
}

fn default_cluster() -> String {
    "pact".to_owned()
}

fn default_data() -> PathBuf {
    "/var/lib/pact/journal".into()
}

fn default_ca() -> PathBuf {
    "/etc/pact/ca.pem".into()
}

fn default_certificate() -> PathBuf {
    "/etc/pact/journal.pem".into()
}

fn default_key() -> PathBuf {
    "/etc/pact/journal.key".into()
}

fn default_principal_claim() -> String {
    "sub".to_owned()
}

fn default_roles_claim() -> String {
    "roles".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "member = 1\nlisten = \"127.0.0.1:9443\"\n";

    fn load(text: &str) -> Result<Config, String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("journal.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn the_example_says_the_defaults() {
        let values = |text| Config { version: String::new(), ..load(text).unwrap() };
        let (example, least) = (values(include_str!("../../examples/journal.toml")), values(LEAST));
        assert_eq!(format!("{example:?}"), format!("{least:?}"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("member = 1", "missing field `listen`"),
            ("member = 0\nlisten = \"127.0.0.1:9443\"", "nonzero"),
            ("member = 1\nlisten = \"somewhere\"", "socket address"),
            (&format!("{LEAST}membre = 1"), "unknown field `membre`"),
            (&format!("{LEAST}data = \"journal\""), "is not an absolute path"),
            (&format!("{LEAST}cluster = \"\""), "cluster is empty"),
            (&format!("{LEAST}[[issuer]]\nissuer = \"i\""), "missing field `audience`"),
            (
                &format!("{LEAST}[[issuer]]\nissuer = \"i\"\naudience = \"pact\"\nalgorithm = \"none\""),
                "unknown variant `none`",
            ),
            (
                &format!("{LEAST}[[issuer]]\nissuer = \"i\"\naudience = \"pact\"\nalgorithm = \"HS256\""),
                "unknown variant `HS256`",
            ),
            (
                &format!(
                    "{LEAST}[[issuer]]\nissuer = \"i\"\naudience = \"pact\"\nalgorithm = \"ES256\"\njwks = \"keys\""
                ),
                "keys is not an absolute path",
            ),
            (&format!("{LEAST}[development]\nissuer = \"i\"\naudience = \"pact\""), "missing field `key_file`"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
