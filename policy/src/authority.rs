//! The site's authority: which certificates are machines of the site, and who may knock at a door.
//!
//! **Invariant:** a certificate that names a machine chains to the authority, or does not get through the handshake; one
//! that names none is a person, of whom nothing is known but the key that they have.
//! **Why:** one door takes machines and persons. A person's certificate is made by the person: what makes it theirs is
//! the ticket, which names the key.
//! **Not here:** what either may do.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, InvalidMessage, OtherError, RootCertStore,
    SignatureScheme,
};

use crate::certificate::{BadCertificate, Machine, machine};

/// What a signature of a member can be: those of TLS 1.3 (RFC 8446, 4.2.3).
pub const SCHEMES: [SignatureScheme; 6] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

/// Certificates that no authority can be made of.
#[derive(Debug, thiserror::Error)]
pub enum BadAuthority {
    /// One of them cannot be read.
    #[error("{0}")]
    Certificate(#[from] Error),
    /// There is none, or none that is one.
    #[error("{0}")]
    Roots(#[from] rustls::server::VerifierBuilderError),
}

/// A certificate, or a signature by it, that is not the site's.
#[derive(Debug, thiserror::Error)]
pub enum NotOfTheSite {
    /// It does not chain to the authority, or not at that time.
    #[error("{0}")]
    Chain(#[from] Error),
    /// It is no machine's.
    #[error("{0}")]
    Name(#[from] BadCertificate),
    /// The signature is not by its key.
    #[error("its signature is not good")]
    Signature,
}

/// Certificates above all others of the site.
#[derive(Clone, Debug)]
pub struct Authority {
    chain: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
}

/// Something signed, and by whom it says it is.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The signer's certificate, then those between it and the authority.
    pub certificates: &'a [Vec<u8>],
    /// How, as TLS numbers it.
    pub scheme: u16,
    /// What was signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl Authority {
    /// From the certificates that the site trusts.
    pub fn new(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self, BadAuthority> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate)?;
        }
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
        Ok(Self { chain, provider })
    }

    /// Which machine signed it, with a certificate that was good at that time.
    pub fn signer(&self, signed: Signed<'_>, at: Timestamp) -> Result<Machine, NotOfTheSite> {
        let (leaf, between) = signed.certificates.split_first().ok_or(BadCertificate::Unreadable)?;
        let leaf = CertificateDer::from(leaf.as_slice());
        let between: Vec<_> = between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        self.chain.verify_client_cert(&leaf, &between, unix(at))?;
        self.is_signed(&leaf, signed)?;
        Ok(machine(&leaf)?)
    }

    fn is_signed(&self, leaf: &CertificateDer<'_>, signed: Signed<'_>) -> Result<(), NotOfTheSite> {
        let scheme = SCHEMES.into_iter().find(|scheme| u16::from(*scheme) == signed.scheme);
        let algorithms = self.provider.signature_verification_algorithms.mapping;
        // The first one of a scheme is what TLS 1.3 means by it.
        let algorithm = algorithms.iter().find(|(known, _)| scheme == Some(*known)).and_then(|(_, all)| all.first());
        let algorithm = algorithm.ok_or(NotOfTheSite::Signature)?;
        let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|_| BadCertificate::Unreadable)?;
        let verified = leaf.verify_signature(*algorithm, signed.message, signed.signature);
        verified.map_err(|_| NotOfTheSite::Signature)
    }
}

/// rustls counts seconds since 1970; before that nothing was signed.
fn unix(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0)))
}

/// Who may connect.
impl ClientCertVerifier for Authority {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A person's certificate is under nobody's name: with a hint, its client would not show it.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match machine(leaf) {
            Err(BadCertificate::NoName) if between.is_empty() => Ok(ClientCertVerified::assertion()),
            Ok(_) | Err(BadCertificate::NoName) => self.chain.verify_client_cert(leaf, between, now),
            Err(
                bad @ (BadCertificate::Unreadable | BadCertificate::SeveralNames(_) | BadCertificate::NoMachine(_)),
            ) => Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(bad))))),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // No door of the site speaks it.
        Err(Error::InvalidMessage(InvalidMessage::UnexpectedMessage("TLS 1.2")))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
