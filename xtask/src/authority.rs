//! A certificate authority of its own, as a site has one: it makes certificates for nodes and members, and such as no
//! site should make.
//!
//! **Not here:** where the files go and who may read them in a real installation.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SigningKey,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, Result};

/// Long enough for any test and any demo.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whoever has its key makes certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate should say.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Names of hosts, or addresses.
    pub hosts: &'a [&'a str],
    /// `pact://…`, or whatever a test needs.
    pub uris: &'a [&'a str],
    /// From when.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
}

/// A certificate and its key, both as PEM.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl<'a> Asked<'a> {
    /// For a day from yesterday to tomorrow.
    pub fn new(hosts: &'a [&'a str], uris: &'a [&'a str]) -> Self {
        let now = SystemTime::now();
        Self { hosts, uris, not_before: now - DAY, not_after: now + DAY }
    }
}

impl Authority {
    /// One that nobody knows yet.
    pub fn new(name: &str) -> Result<Self> {
        let mut asked = CertificateParams::default();
        asked.distinguished_name.push(DnType::CommonName, name);
        asked.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        asked.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        Ok(Self { issuer: CertifiedIssuer::self_signed(asked, key)? })
    }

    /// Its own certificate, as PEM: what others must know to believe it.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Of a node.
    pub fn node(&self, name: &str) -> Result<Leaf> {
        self.leaf(&Asked::new(&[name], &[&format!("pact://node/{name}")]))
    }

    /// Of a member of the journal, which others reach under these names or addresses.
    pub fn member(&self, number: u64, hosts: &[&str]) -> Result<Leaf> {
        self.leaf(&Asked::new(hosts, &[&format!("pact://member/{number}")]))
    }

    /// Whatever is asked for.
    pub fn leaf(&self, asked: &Asked<'_>) -> Result<Leaf> {
        let hosts: Vec<_> = asked.hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut made = CertificateParams::new(hosts)?;
        for uri in asked.uris {
            made.subject_alt_names.push(SanType::URI((*uri).try_into()?));
        }
        made.distinguished_name.push(DnType::CommonName, asked.hosts.first().copied().unwrap_or("nobody"));
        made.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Every machine is a client of some and a server of others.
        made.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        (made.not_before, made.not_after) = (asked.not_before.into(), asked.not_after.into());
        let key = KeyPair::generate()?;
        let certificate = made.signed_by(&key, &self.issuer)?;
        Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl Leaf {
    /// The certificate, as DER.
    pub fn der(&self) -> Result<Vec<u8>> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        Ok(certificate.map_err(|error| Error::failed(format!("a certificate cannot be read: {error}")))?.to_vec())
    }

    /// A signature by its key: how, as TLS numbers it (ecdsa_secp256r1_sha256), and the signature.
    pub fn sign(&self, message: &[u8]) -> Result<(u16, Vec<u8>)> {
        Ok((0x0403, KeyPair::from_pem(&self.key)?.sign(message)?))
    }

    /// Writes `<name>.pem` and `<name>.key`, the key with mode 0600; where they are.
    pub fn write(&self, directory: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate)?;
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&key)?;
        file.write_all(self.key.as_bytes())?;
        Ok((certificate, key))
    }
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::failed(format!("a certificate cannot be made: {error}"))
    }
}
