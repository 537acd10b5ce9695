//! The member's own key, as what signs tickets.

use std::sync::Arc;

use pact_policy::authority::SCHEMES;
use pact_policy::ticket::Grant;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;

/// Signs as this member.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    key: Arc<dyn SigningKey>,
    chain: Vec<Vec<u8>>,
}

impl Signer {
    /// The key and the certificates that go with it, the member's own first.
    pub(crate) fn new(key: &PrivateKeyDer<'_>, chain: &[CertificateDer<'_>]) -> Result<Self, rustls::Error> {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key)?;
        Ok(Self { key, chain: chain.iter().map(|der| der.to_vec()).collect() })
    }

    /// A ticket.
    pub(crate) fn sign(&self, grant: &Grant) -> Result<Vec<u8>, rustls::Error> {
        grant.sign(self.chain.clone(), |message| {
            let signer = self.key.choose_scheme(&SCHEMES);
            let signer = signer.ok_or_else(|| rustls::Error::General("its key signs nothing of TLS 1.3".to_owned()))?;
            Ok((u16::from(signer.scheme()), signer.sign(message)?))
        })
    }
}
