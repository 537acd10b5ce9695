//! The table `[journal]`: where the records go on to, and with which certificate.
//!
//! **Not here:** what is in the files; `uplink::keys` reads them, once the launcher has been forked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use rustls::pki_types::ServerName;
use serde::Deserialize;

use super::parsed;

/// The way to the journal. All of it, or the table is not there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Where it listens.
    #[serde(deserialize_with = "parsed")]
    pub endpoint: Endpoint,
    /// The certificates of the site's authority, PEM.
    pub ca: PathBuf,
    /// This node's certificate, PEM, with what leads to the authority behind it.
    pub certificate: PathBuf,
    /// Its key, PEM; root's alone to read.
    pub key: PathBuf,
    /// Where sessions from other machines come in; without it there are none.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// What others are told of that, where it is not the address that is listened on.
    #[serde(default, deserialize_with = "some")]
    pub advertise: Option<Endpoint>,
}

fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Endpoint>, D::Error> {
    parsed(from).map(Some)
}

impl Journal {
    /// Every file that it names, with its key.
    pub(super) fn files(&self) -> [(&'static str, &PathBuf); 3] {
        [("ca", &self.ca), ("certificate", &self.certificate), ("key", &self.key)]
    }
}

/// `host:port`. The journal's certificate must be for this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    name: ServerName<'static>,
}

/// Something that is not `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not `host:port`")]
pub struct InvalidEndpoint(String);

impl Endpoint {
    /// A name or an address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as certificates name it.
    pub fn name(&self) -> &ServerName<'static> {
        &self.name
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let read = || {
            let (host, port) = text.rsplit_once(':')?;
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            // Without brackets an address of IPv6 does not say where its port begins.
            let host = bare.or_else(|| (!host.contains(':')).then_some(host))?;
            let port = port.parse().ok().filter(|port| *port > 0)?;
            let name = ServerName::try_from(host.to_owned()).ok()?;
            Some(Self { host: host.to_owned(), port, name })
        };
        read().ok_or_else(|| InvalidEndpoint(text.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("journal01:9443", "journal01", 9443),
            ("journal01.example.org:1", "journal01.example.org", 1),
            ("192.0.2.7:9443", "192.0.2.7", 9443),
            ("[2001:db8::7]:9443", "2001:db8::7", 9443),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.host(), endpoint.port(), endpoint.to_string().as_str()), (host, port, text));
        }
        for bad in ["", "journal01", "journal01:", ":9443", "journal01:0", "journal01:65536", "2001:db8::7:9443"]
            .into_iter()
            .chain(["https://journal01:9443", "journal 01:9443", "[journal01]x:9443"])
        {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
