//! Who this node is to the journal, and whom it believes: certificates and key, read once, at the start.
//!
//! **Invariant:** they are read after the launcher was forked, by root, before this process is the agent's account; the key
//! is in no error, no log and no `Debug`. Files that are missing, unreadable or do not belong together stop the agent by name.
//! **Why:** a certificate that is good and of another node does not: then nobody could log in to put it right.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pact_policy::authority::Authority;
use pact_policy::certificate::{self, BadCertificate, Machine};
use pact_proto::model::NodeName;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use tokio_rustls::TlsAcceptor;

use crate::config::{ConfigError, Journal, read_roots, read_secret};

/// What a connection needs.
pub(crate) struct Keys {
    tls: Arc<ClientConfig>,
    door: TlsAcceptor,
    authority: Authority,
    certificate: PathBuf,
    machine: Result<Machine, BadCertificate>,
}

impl Keys {
    /// Reads the three files.
    pub(crate) fn load(journal: &Journal) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        let of_site = certificates(&journal.ca)?;
        for authority in of_site.iter().cloned() {
            roots.add(authority).map_err(|e| ConfigError::wrong(&journal.ca, e.to_string()))?;
        }
        let authority = Authority::new(of_site).map_err(|e| ConfigError::wrong(&journal.ca, e.to_string()))?;
        let chain = certificates(&journal.certificate)?;
        let machine = chain.first().map_or(Err(BadCertificate::Unreadable), |leaf| certificate::machine(leaf));
        let key = PrivateKeyDer::from_pem_slice(read_secret(&journal.key)?.as_bytes());
        let key = key.map_err(|e| ConfigError::wrong(&journal.key, format!("no private key in PEM: {e}")))?;
        let wrong =
            |e: rustls::Error| ConfigError::wrong(&journal.key, format!("with {}: {e}", journal.certificate.display()));
        let door = door(&authority, chain.clone(), key.clone_key()).map_err(wrong)?;
        let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .and_then(|tls| tls.with_root_certificates(roots).with_client_auth_cert(chain, key))
            .map_err(wrong)?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let certificate = journal.certificate.clone();
        Ok(Self { tls: Arc::new(tls), door, authority, certificate, machine })
    }

    /// Takes connections as this node.
    pub(crate) fn door(&self) -> TlsAcceptor {
        self.door.clone()
    }

    /// Who is of the site.
    pub(crate) fn authority(&self) -> Authority {
        self.authority.clone()
    }

    /// For the connection.
    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// What is wrong where the certificate is not this node's.
    pub(super) fn are_not_of(&self, node: &NodeName) -> Option<String> {
        let what = match &self.machine {
            Ok(Machine::Node(name)) if name == node => return None,
            Ok(Machine::Node(name)) => format!("it is the certificate of node {name}, and this is {node}"),
            Ok(Machine::Member(number)) => format!("it is the certificate of the journal's member {number}"),
            Err(error) => error.to_string(),
        };
        Some(format!("{}: {what}", self.certificate.display()))
    }
}

/// Whoever comes in shows a certificate; nothing resumes an earlier connection.
fn door(
    authority: &Authority,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, rustls::Error> {
    let mut door = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(Arc::new(authority.clone()))
        .with_single_cert(chain, key)?;
    door.alpn_protocols = vec![pact_proto::resume::ALPN.to_vec(), b"h2".to_vec()];
    door.session_storage = Arc::new(NoServerSessionStorage {});
    door.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(door)))
}

/// All certificates of a file, and at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let text = read_roots(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err(ConfigError::wrong(path, "no certificate in PEM")),
        Ok(found) => Ok(found),
        Err(error) => Err(ConfigError::wrong(path, format!("no certificate in PEM: {error}"))),
    }
}
