//! TLS with machines of the site, under a key that this process made for itself.
//!
//! **Invariant:** TLS 1.3; the other end has a certificate of the site's authority for the name that was asked for; the
//! key is never written down and goes with the process.
//! **Why:** what a person shows is a ticket, and a ticket names this key: whoever copies it has nothing.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pact_proto::resume;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who this process is to machines of the site, and which site.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    /// How many streams were begun under its key.
    streams: Arc<AtomicU64>,
}

/// Certificates or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority's file.
    #[error("ca: {}: {what}", path.display())]
    Authority {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The key of this process.
    #[error("tls: a key cannot be made: {0}")]
    Key(#[from] rcgen::Error),
    /// The two together.
    #[error("tls: {0}")]
    Rustls(#[from] rustls::Error),
}

impl Tls {
    /// With a new key, for the site whose authority is in this file.
    pub fn new(ca: &Path) -> Result<Self, TlsError> {
        let roots = roots(ca)?;
        let key = KeyPair::generate()?;
        // Nobody looks at what it says: it is a place for the key.
        let certificate = CertificateParams::new(Vec::<String>::new())?.self_signed(&key)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![resume::ALPN.to_vec()];
        Ok(Self { config: Arc::new(config), streams: Arc::default() })
    }

    /// A number that no stream under this key had before.
    pub(crate) fn number(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection to whoever is `name` at one of the addresses, tried one after the other.
    pub(crate) async fn connect(
        &self,
        addresses: &[SocketAddr],
        name: ServerName<'static>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(addresses).await?;
        // Without it, a short line waits for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let wrong = |what: String| TlsError::Authority { path: path.to_owned(), what };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("it has no certificate in PEM".to_owned())) } else { Ok(roots) }
}
