//! Who may connect: machines that the site's authority has given a certificate, and persons with a key of their own.
//!
//! **Invariant:** TLS 1.3 only; a caller without a certificate, or with a machine's that does not chain to the
//! authority, is out of date or not for clients, does not get through the handshake. Every connection is verified anew:
//! nothing resumes one.
//! **Not here:** who it is (`pact_policy::certificate`), and what that may do.

use std::path::Path;
use std::sync::Arc;

use pact_files::trusted::{self, Secrecy};
use pact_policy::authority::Authority;
use pact_policy::certificate::{BadCertificate, Machine, machine};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, ConfigError};
use crate::signer::Signer;

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The certificate is not this member's.
    #[error("{}: {why}", path.display())]
    NotOurs {
        /// The file.
        path: std::path::PathBuf,
        /// What it says instead.
        why: String,
    },
    /// They do not go together.
    #[error("certificate and key: {0}")]
    Rustls(#[from] rustls::Error),
}

/// What a member is to others.
pub(crate) struct Member {
    /// Takes connections.
    pub(crate) acceptor: TlsAcceptor,
    /// Signs tickets.
    pub(crate) signer: Signer,
    /// Knows who is of the site.
    pub(crate) authority: Authority,
}

/// As the configuration says.
pub(crate) fn member(config: &Config) -> Result<Member, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates(&config.certificate)?;
    is_ours(config, &chain)?;
    let key = trusted::read(&config.key, Secrecy::Shared).map_err(ConfigError::from)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| ConfigError::wrong(&config.key, "it has no private key in PEM"))?;
    let signer = Signer::new(&key, &chain)?;
    let authority = Authority::new(certificates(&config.ca)?);
    let authority = authority.map_err(|error| ConfigError::wrong(&config.ca, error.to_string()))?;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(authority.clone()))
        .with_single_cert(chain, key)?;
    server.alpn_protocols = vec![pact_proto::resume::ALPN.to_vec(), b"h2".to_vec()];
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok(Member { acceptor: TlsAcceptor::from(Arc::new(server)), signer, authority })
}

/// The certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let text = trusted::read(path, Secrecy::Public)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|_| ConfigError::wrong(path, "its PEM cannot be read"))?;
    if found.is_empty() { Err(ConfigError::wrong(path, "it has no certificate in PEM")) } else { Ok(found) }
}

/// A member that shows another's certificate would be taken for it.
fn is_ours(config: &Config, chain: &[CertificateDer<'static>]) -> Result<(), TlsError> {
    let own = Machine::Member(config.member.get());
    let not_ours = |why| Err(TlsError::NotOurs { path: config.certificate.clone(), why });
    match chain.first().map_or(Err(BadCertificate::NoName), |leaf| machine(leaf)) {
        Ok(found) if found == own => Ok(()),
        Ok(other) => not_ours(format!("it is the certificate of {other}, and this is {own}")),
        Err(error) => not_ours(error.to_string()),
    }
}
