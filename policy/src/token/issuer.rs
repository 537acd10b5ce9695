//! One issuer: its name, its audience, its one algorithm and its keys.
//!
//! **Invariant:** a key is of the issuer's algorithm, or it is not here; HS256 exists for a development key alone.

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;

use super::TokenFault;

/// A shared key that is shorter can be guessed.
const SHORTEST_SECRET: usize = 32;

/// How an issuer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SigningAlgorithm {
    /// RSA with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// An issuer that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIssuer {
    /// Two of the same name.
    #[error("issuer {0:?} is there twice")]
    Twice(String),
    /// Name or audience is empty.
    #[error("issuer and audience must not be empty")]
    Empty,
    /// The key set is no JWKS.
    #[error("its keys cannot be read: {0}")]
    Keys(String),
    /// No key of it can be used.
    #[error("it has no key for {0}")]
    NoKey(&'static str),
    /// The development key is too short.
    #[error("the development key has {0} bytes, {SHORTEST_SECRET} are the fewest")]
    Short(usize),
}

/// Whose tokens are accepted, and how they are checked.
pub struct Issuer {
    name: String,
    audience: String,
    algorithm: Algorithm,
    keys: Vec<(Option<String>, DecodingKey)>,
    principal_claim: String,
    roles_claim: String,
}

/// A key that two sides share, for a site that is being built and has no identity provider yet.
pub struct Development<'a> {
    /// The claim `iss`.
    pub issuer: &'a str,
    /// The claim `aud`.
    pub audience: &'a str,
    /// The key.
    pub secret: &'a [u8],
}

impl SigningAlgorithm {
    /// As JOSE names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    const fn of_library(self) -> (Algorithm, KeyAlgorithm) {
        match self {
            Self::Rs256 => (Algorithm::RS256, KeyAlgorithm::RS256),
            Self::Es256 => (Algorithm::ES256, KeyAlgorithm::ES256),
            Self::EdDsa => (Algorithm::EdDSA, KeyAlgorithm::EdDSA),
        }
    }
}

impl Issuer {
    /// An identity provider with a key set (RFC 7517). Principal and roles are in `sub` and `roles` until it is told.
    pub fn new(name: &str, audience: &str, algorithm: SigningAlgorithm, jwks: &[u8]) -> Result<Self, BadIssuer> {
        let set: JwkSet = serde_json::from_slice(jwks).map_err(|error| BadIssuer::Keys(error.to_string()))?;
        let (signs, named) = algorithm.of_library();
        let keys: Vec<_> = set.keys.iter().filter_map(|key| usable(key, signs, named)).collect();
        if keys.is_empty() {
            return Err(BadIssuer::NoKey(algorithm.name()));
        }
        Self::with(name, audience, signs, keys)
    }

    /// The development key.
    pub fn development(key: &Development<'_>) -> Result<Self, BadIssuer> {
        if key.secret.len() < SHORTEST_SECRET {
            return Err(BadIssuer::Short(key.secret.len()));
        }
        let secret = DecodingKey::from_secret(key.secret);
        Self::with(key.issuer, key.audience, Algorithm::HS256, vec![(None, secret)])
    }

    fn with(
        name: &str,
        audience: &str,
        algorithm: Algorithm,
        keys: Vec<(Option<String>, DecodingKey)>,
    ) -> Result<Self, BadIssuer> {
        if name.is_empty() || audience.is_empty() {
            return Err(BadIssuer::Empty);
        }
        let (name, audience) = (name.to_owned(), audience.to_owned());
        Ok(Self { name, audience, algorithm, keys, principal_claim: "sub".into(), roles_claim: "roles".into() })
    }

    /// Which claims say who it is and with which roles.
    #[must_use]
    pub fn claims(mut self, principal: &str, roles: &str) -> Self {
        (self.principal_claim, self.roles_claim) = (principal.to_owned(), roles.to_owned());
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn principal_claim(&self) -> &str {
        &self.principal_claim
    }

    pub(super) fn roles_claim(&self) -> &str {
        &self.roles_claim
    }

    /// The key that a token with this header must be signed with.
    pub(super) fn key(&self, header: &Header) -> Result<&DecodingKey, TokenFault> {
        if header.alg != self.algorithm {
            let (said, issuer) = (format!("{:?}", header.alg), self.name.clone());
            return Err(TokenFault::WrongAlgorithm { said, pinned: self.pinned(), issuer });
        }
        match (&header.kid, self.keys.as_slice()) {
            // A development key has no name, and whoever makes tokens by hand gives none or any.
            (_, [(None, only)]) | (None, [(Some(_), only)]) => Ok(only),
            (None, _) => Err(TokenFault::WhichKey(self.name.clone())),
            (Some(kid), keys) => {
                let found = keys.iter().find(|(name, _)| name.as_ref() == Some(kid));
                let unknown = || TokenFault::UnknownKey { kid: kid.clone(), issuer: self.name.clone() };
                found.map(|(_, key)| key).ok_or_else(unknown)
            }
        }
    }

    fn pinned(&self) -> &'static str {
        [SigningAlgorithm::Rs256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa]
            .into_iter()
            .find(|known| known.of_library().0 == self.algorithm)
            .map_or("HS256", SigningAlgorithm::name)
    }
}

/// A key of the set that signs with this algorithm; others are the provider's own business.
fn usable(key: &Jwk, signs: Algorithm, named: KeyAlgorithm) -> Option<(Option<String>, DecodingKey)> {
    let common = &key.common;
    let is_for_signing = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let is_of_algorithm = common.key_algorithm.is_none_or(|algorithm| algorithm == named);
    let decoding = DecodingKey::from_jwk(key).ok()?;
    (is_for_signing && is_of_algorithm && decoding.family() == signs.family())
        .then(|| (common.key_id.clone(), decoding))
}
