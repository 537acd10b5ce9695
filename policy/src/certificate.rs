//! Which machine a certificate speaks for: `pact://node/<name>` or `pact://member/<number>`.
//!
//! **Invariant:** exactly one name of that kind, spelled in exactly one way; a certificate with none, with two, or with
//! one that cannot be read is nobody's.
//! **Not here:** whether the certificate is to be believed. That is for whoever verified its chain, before this is asked.

use pact_proto::model::NodeName;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const SCHEME: &str = "pact:";
const NODE: &str = "pact://node/";
const MEMBER: &str = "pact://member/";

/// A machine of the site.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// A node, which has an agent.
    Node(NodeName),
    /// A member of the journal, by its number.
    Member(u64),
}

/// A certificate that is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// It is no X.509, or has a part twice that must be there once.
    #[error("it cannot be read")]
    Unreadable,
    /// It names no machine.
    #[error("it has no name of the form pact://node/<name> or pact://member/<number>")]
    NoName,
    /// It names several.
    #[error("it has {0} names that begin with pact:, and one is the most")]
    SeveralNames(usize),
    /// It names something else.
    #[error("{0:?} is neither pact://node/<name> nor pact://member/<number>")]
    NoMachine(String),
}

/// SHA-256 of a public key, as certificates have it (SubjectPublicKeyInfo, DER).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyThumbprint([u8; 32]);

/// Who is at the other end of a connection whose handshake an `Authority` has let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// A machine of the site.
    Machine(Machine),
    /// Somebody who has this key.
    Person(KeyThumbprint),
}

impl KeyThumbprint {
    /// Of the key in a certificate.
    pub fn of(der: &[u8]) -> Result<Self, BadCertificate> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| BadCertificate::Unreadable)?;
        Ok(Self(Sha256::digest(certificate.public_key().raw).into()))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From as many bytes as it has.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Who shows this certificate.
pub fn visitor(der: &[u8]) -> Result<Visitor, BadCertificate> {
    match machine(der) {
        Ok(machine) => Ok(Visitor::Machine(machine)),
        Err(BadCertificate::NoName) => KeyThumbprint::of(der).map(Visitor::Person),
        Err(bad @ (BadCertificate::Unreadable | BadCertificate::SeveralNames(_) | BadCertificate::NoMachine(_))) => {
            Err(bad)
        }
    }
}

/// Whose certificate this is.
pub fn machine(der: &[u8]) -> Result<Machine, BadCertificate> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| BadCertificate::Unreadable)?;
    let names = certificate.subject_alternative_name().map_err(|_| BadCertificate::Unreadable)?;
    if !rest.is_empty() {
        return Err(BadCertificate::Unreadable);
    }
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let ours: Vec<_> = names.iter().filter_map(uri).filter(|uri| is_ours(uri)).collect();
    match ours.as_slice() {
        [] => Err(BadCertificate::NoName),
        [uri] => parse(uri).ok_or_else(|| BadCertificate::NoMachine((*uri).to_owned())),
        several => Err(BadCertificate::SeveralNames(several.len())),
    }
}

fn uri<'a>(name: &'a GeneralName<'_>) -> Option<&'a str> {
    if let GeneralName::URI(uri) = name { Some(uri) } else { None }
}

/// In whatever spelling, so that a second name cannot hide behind one.
fn is_ours(uri: &str) -> bool {
    uri.trim_start().get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

fn parse(uri: &str) -> Option<Machine> {
    if let Some(name) = uri.strip_prefix(NODE) {
        return name.parse().ok().map(Machine::Node);
    }
    let digits = uri.strip_prefix(MEMBER)?;
    let number: u64 = digits.parse().ok()?;
    (number > 0 && number.to_string() == digits).then_some(Machine::Member(number))
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(name) => write!(f, "{NODE}{name}"),
            Self::Member(number) => write!(f, "{MEMBER}{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn of(uris: &[&str]) -> Vec<u8> {
        let mut asked = CertificateParams::new(["node042".to_owned()]).unwrap();
        let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
        asked.subject_alt_names.extend(uris.iter().map(uri));
        asked.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn one_name_is_one_machine() {
        let node = |name: &str| Ok(Machine::Node(name.parse().unwrap()));
        let no_machine = |uri: &str| Err(BadCertificate::NoMachine(uri.to_owned()));
        for (uris, expected) in [
            (vec!["pact://node/node042"], node("node042")),
            (vec!["https://example.org/", "pact://node/n1.cluster.example"], node("n1.cluster.example")),
            (vec!["pact://member/3"], Ok(Machine::Member(3))),
            (vec![], Err(BadCertificate::NoName)),
            (vec!["https://node/node042"], Err(BadCertificate::NoName)),
            (vec!["pact://node/a", "pact://node/b"], Err(BadCertificate::SeveralNames(2))),
            (vec!["pact://node/a", "pact://node/a"], Err(BadCertificate::SeveralNames(2))),
            (vec!["pact://node/a", "PACT://member/1"], Err(BadCertificate::SeveralNames(2))),
            (vec!["pact://node/a", " pact:x"], Err(BadCertificate::SeveralNames(2))),
            (vec!["PACT://node/a"], no_machine("PACT://node/a")),
            (vec!["pact://node/"], no_machine("pact://node/")),
            (vec!["pact://node/A"], no_machine("pact://node/A")),
            (vec!["pact://node/a/"], no_machine("pact://node/a/")),
            (vec!["pact://member/0"], no_machine("pact://member/0")),
            (vec!["pact://member/01"], no_machine("pact://member/01")),
            (vec!["pact://member/+1"], no_machine("pact://member/+1")),
            (vec!["pact://member/18446744073709551616"], no_machine("pact://member/18446744073709551616")),
            (vec!["pact:node/a"], no_machine("pact:node/a")),
        ] {
            assert_eq!(machine(&of(&uris)), expected, "{uris:?}");
        }
    }

    #[test]
    fn a_machine_is_written_as_its_certificate_has_it() {
        for name in ["pact://node/node042", "pact://member/2"] {
            assert_eq!(machine(&of(&[name])).map(|machine| machine.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn no_bytes_are_somebody_by_accident() {
        let good = of(&["pact://node/node042"]);
        for cut in 0..good.len() {
            assert_eq!(machine(&good[..cut]), Err(BadCertificate::Unreadable), "{cut}");
        }
        assert_eq!(machine(&[good.as_slice(), &[0]].concat()), Err(BadCertificate::Unreadable));
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 0x20;
            // Whatever comes of it, it is an answer.
            let _answer = machine(&changed);
        }
    }
}
