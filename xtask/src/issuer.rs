//! An identity provider for tests and demos: keys, a key set, and tokens, such as a real one makes and such as none
//! should.
//!
//! **Not here:** the flows by which a person gets a token.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// The audience of every token that is not asked to be another's.
pub const AUDIENCE: &str = "pact";

/// How a provider signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// RSA.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// Whoever has its keys makes tokens.
pub struct Provider {
    /// The claim `iss`.
    pub name: String,
    /// How it signs.
    pub algorithm: Algorithm,
    key: EncodingKey,
    kid: String,
}

impl Provider {
    /// One that nobody knows yet.
    pub fn new(name: &str, signs: Signs) -> Result<Self> {
        let (algorithm, key) = match signs {
            Signs::Rs256 => {
                let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
                (Algorithm::RS256, EncodingKey::from_rsa_der(pkcs1(&pair.serialize_der())?))
            }
            Signs::Es256 => {
                let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                (Algorithm::ES256, EncodingKey::from_ec_der(&pair.serialize_der()))
            }
            Signs::EdDsa => {
                let pair = KeyPair::generate_for(&PKCS_ED25519)?;
                (Algorithm::EdDSA, EncodingKey::from_ed_der(&without_public_key(&pair.serialize_der())?))
            }
        };
        Ok(Self { name: name.to_owned(), algorithm, key, kid: format!("{name}-1") })
    }

    /// One whose key two sides share.
    pub fn shared(name: &str, secret: &[u8]) -> Self {
        let key = EncodingKey::from_secret(secret);
        Self { name: name.to_owned(), algorithm: Algorithm::HS256, key, kid: format!("{name}-1") }
    }

    /// What it shows to the world, as JSON.
    pub fn jwks(&self) -> Result<String> {
        let set = JwkSet { keys: vec![self.public()?] };
        serde_json::to_string_pretty(&set).map_err(|error| Error::failed(error.to_string()))
    }

    /// Its public key.
    pub fn public(&self) -> Result<Jwk> {
        let mut key = Jwk::from_encoding_key(&self.key, self.algorithm)?;
        key.common.key_id = Some(self.kid.clone());
        Ok(key)
    }

    /// What a good token of somebody says, from a minute ago for an hour.
    pub fn claims(&self, principal: &str, roles: &[&str]) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({
            "iss": self.name, "aud": AUDIENCE, "sub": principal, "roles": roles,
            "iat": now - 60, "nbf": now - 60, "exp": now + 3600,
        })
    }

    /// A good token of somebody.
    pub fn token(&self, principal: &str, roles: &[&str]) -> Result<String> {
        self.sign(&self.claims(principal, roles))
    }

    /// A token that says this, with the header that it should have.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.sign_as(&self.header(), claims)
    }

    /// The header of its tokens.
    pub fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        header
    }

    /// A token that says this.
    pub fn sign_as(&self, header: &Header, claims: &Value) -> Result<String> {
        Ok(encode(header, claims, &self.key)?)
    }
}

/// The key itself, out of what tells which kind it is (RFC 5208); of 2048 bits, where all lengths are known.
fn pkcs1(pkcs8: &[u8]) -> Result<&[u8]> {
    const OCTETS: usize = 22;
    let is_there = pkcs8.get(OCTETS) == Some(&0x04);
    pkcs8.get(OCTETS + 4..).filter(|_| is_there).ok_or_else(|| Error::failed("an RSA key is not where it should be"))
}

/// An Ed25519 key as RFC 5208 has it, out of what RFC 5958 adds the public key to: the library takes no other.
fn without_public_key(pkcs8: &[u8]) -> Result<Vec<u8>> {
    const HEADER: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let seed = pkcs8.get(HEADER.len()..HEADER.len() + 32).filter(|_| pkcs8.get(5..16) == Some(&HEADER[5..]));
    let seed = seed.ok_or_else(|| Error::failed("an Ed25519 key is not where it should be"))?;
    Ok([&HEADER[..], seed].concat())
}

impl From<jsonwebtoken::errors::Error> for Error {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self::failed(format!("a token cannot be made: {error}"))
    }
}
