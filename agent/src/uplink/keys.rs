//! Who this node is to the journal, and whom it believes: certificates and key, read once, at the start.
//!
//! **Invariant:** they are read after the launcher was forked and this process was locked; the key is in no error, no
//! log and no `Debug`. Files that are missing, unreadable or do not belong together stop the agent by name.
//! **Why:** a certificate that is good and of another node does not: then nobody could log in to put it right.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pact_policy::certificate::{self, BadCertificate, Machine};
use pact_proto::model::NodeName;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};

use crate::config::{ConfigError, Journal, read_roots, read_secret};

/// What a connection needs.
pub(crate) struct Keys {
    tls: Arc<ClientConfig>,
    certificate: PathBuf,
    machine: Result<Machine, BadCertificate>,
}

impl Keys {
    /// Reads the three files.
    pub(crate) fn load(journal: &Journal) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&journal.ca)? {
            roots.add(authority).map_err(|e| ConfigError::wrong(&journal.ca, e.to_string()))?;
        }
        let chain = certificates(&journal.certificate)?;
        let machine = chain.first().map_or(Err(BadCertificate::Unreadable), |leaf| certificate::machine(leaf));
        let key = PrivateKeyDer::from_pem_slice(read_secret(&journal.key)?.as_bytes());
        let key = key.map_err(|e| ConfigError::wrong(&journal.key, format!("no private key in PEM: {e}")))?;
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .and_then(|tls| tls.with_root_certificates(roots).with_client_auth_cert(chain, key));
        let mut tls =
            tls.map_err(|e| ConfigError::wrong(&journal.key, format!("with {}: {e}", journal.certificate.display())))?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { tls: Arc::new(tls), certificate: journal.certificate.clone(), machine })
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
