//! Tokens of an identity provider: what a journal accepts as proof of who somebody is.
//!
//! **Invariant:** the algorithm is the issuer's, whatever the token says; a token without an end, without one of our
//! audience, or signed by a key that the issuer does not show is refused. What is refused reads the same to whoever
//! brought it; the reason is for the record.
//! **Not here:** where keys come from (`journal::config`), revocation (`journal::revoked`), nodes: no token reaches one.

mod issuer;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, dangerous, decode, decode_header};
use pact_proto::model::{Principal, Role};
use serde_json::{Map, Value};

pub use issuer::{BadIssuer, Development, Issuer, SigningAlgorithm};

/// A JWT of an identity provider has one or two thousand bytes.
pub const LONGEST: usize = 16 * 1024;
/// How far the clocks of issuer and journal may be apart.
const LEEWAY: i64 = 60;
/// What a principal must not look like: machines of the site, and accounts of a node.
const RESERVED: [&str; 2] = ["pact:", "unix:"];

/// Somebody, for as long as the token is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// As the issuer names them.
    pub principal: Principal,
    /// Those of pact's roles that the token names; others are none of ours.
    pub roles: BTreeSet<Role>,
    /// When the token was made; one that does not say is as old as can be.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// There is none.
    #[error("there is no token")]
    Missing,
    /// No issuer makes such.
    #[error("it has {0} bytes, {LONGEST} are the most")]
    TooLong(usize),
    /// It is no JWT, or one whose algorithm nobody knows.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Nobody that is configured.
    #[error("its issuer is {0:?}, which is not configured")]
    UnknownIssuer(String),
    /// Another algorithm than the issuer's.
    #[error("it says {said}, and {issuer} signs with {pinned}")]
    WrongAlgorithm {
        /// In its header.
        said: String,
        /// Of the configuration.
        pinned: &'static str,
        /// Whose.
        issuer: String,
    },
    /// No key of this name.
    #[error("{issuer} shows no key {kid:?}")]
    UnknownKey {
        /// In its header.
        kid: String,
        /// Whose.
        issuer: String,
    },
    /// It names no key, and there are several.
    #[error("it names no key, and {0} shows several")]
    WhichKey(String),
    /// Nobody with that key signed this.
    #[error("its signature is not good")]
    Signature,
    /// It is for somebody else.
    #[error("it is not for this audience")]
    Audience,
    /// A claim is not there or not of its kind.
    #[error("its claim {0:?} is missing or not what it must be")]
    Claim(String),
    /// It has ended.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// It has not begun.
    #[error("it is not valid before {0}")]
    NotYet(Timestamp),
    /// It was issued before everything of this principal was revoked.
    #[error("what was issued to {principal} before {before} is revoked")]
    Revoked {
        /// Who.
        principal: Principal,
        /// When.
        before: Timestamp,
    },
}

/// Everybody whose tokens are accepted.
#[derive(Default)]
pub struct Issuers(Vec<Issuer>);

impl Issuers {
    /// Accepts the tokens of one more; a second one of the same name is refused.
    pub fn add(&mut self, issuer: Issuer) -> Result<(), BadIssuer> {
        if self.0.iter().any(|known| known.name() == issuer.name()) {
            return Err(BadIssuer::Twice(issuer.name().to_owned()));
        }
        self.0.push(issuer);
        Ok(())
    }

    /// Whether nobody can get in by a token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who this is, at this time.
    pub fn accept(&self, token: &str, now: Timestamp) -> Result<Bearer, TokenFault> {
        match token.len() {
            0 => return Err(TokenFault::Missing),
            1..=LONGEST => {}
            bytes => return Err(TokenFault::TooLong(bytes)),
        }
        let unreadable = |error: jsonwebtoken::errors::Error| TokenFault::Unreadable(error.to_string());
        let header = decode_header(token).map_err(unreadable)?;
        // Not believed yet: it says whose keys to look at, and the signature is checked with those.
        let claimed: Map<String, Value> = dangerous::insecure_decode_claims(token).map_err(unreadable)?;
        let name = claimed.get("iss").and_then(Value::as_str).ok_or_else(|| TokenFault::Claim("iss".to_owned()))?;
        let issuer = self.0.iter().find(|issuer| issuer.name() == name);
        let issuer = issuer.ok_or_else(|| TokenFault::UnknownIssuer(name.to_owned()))?;
        let key = issuer.key(&header)?;
        let claims = decode::<Map<String, Value>>(token, key, &validation(issuer)).map_err(|e| fault(&e))?.claims;
        bearer(issuer, &claims, now)
    }
}

/// What the library looks at. Times are looked at here, by the caller's clock.
fn validation(issuer: &Issuer) -> Validation {
    let mut validation = Validation::new(issuer.algorithm());
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.set_issuer(&[issuer.name()]);
    validation.set_audience(&[issuer.audience()]);
    (validation.validate_exp, validation.validate_nbf) = (false, false);
    validation
}

fn fault(error: &jsonwebtoken::errors::Error) -> TokenFault {
    let kind = error.kind();
    if *kind == ErrorKind::InvalidSignature {
        return TokenFault::Signature;
    }
    if *kind == ErrorKind::InvalidAudience {
        return TokenFault::Audience;
    }
    if let ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) = kind {
        return if claim == "aud" { TokenFault::Audience } else { TokenFault::Claim(claim.clone()) };
    }
    // The library's enumeration may grow; whatever it says more is a refusal too.
    TokenFault::Unreadable(error.to_string())
}

fn bearer(issuer: &Issuer, claims: &Map<String, Value>, now: Timestamp) -> Result<Bearer, TokenFault> {
    let leeway = |seconds: i64| jiff::SignedDuration::from_secs(seconds);
    let expires = time(claims, "exp")?.ok_or_else(|| TokenFault::Claim("exp".to_owned()))?;
    if now.saturating_sub(leeway(LEEWAY)).is_ok_and(|earlier| earlier >= expires) {
        return Err(TokenFault::Expired(expires));
    }
    if let Some(begins) = time(claims, "nbf")?
        && now.saturating_add(leeway(LEEWAY)).is_ok_and(|later| later < begins)
    {
        return Err(TokenFault::NotYet(begins));
    }
    let made = time(claims, "iat")?.unwrap_or(Timestamp::MIN);
    // What was made tomorrow would outlive a revocation of today.
    if now.saturating_add(leeway(LEEWAY)).is_ok_and(|later| later < made) {
        return Err(TokenFault::NotYet(made));
    }
    let claim = issuer.principal_claim();
    let principal = claims.get(claim).and_then(Value::as_str).and_then(|name| name.parse::<Principal>().ok());
    let principal = principal.filter(|name| !RESERVED.iter().any(|reserved| starts_with(name.as_str(), reserved)));
    let principal = principal.ok_or_else(|| TokenFault::Claim(claim.to_owned()))?;
    Ok(Bearer { principal, roles: roles(claims.get(issuer.roles_claim())), issued: made, expires })
}

fn starts_with(name: &str, reserved: &str) -> bool {
    name.get(..reserved.len()).is_some_and(|start| start.eq_ignore_ascii_case(reserved))
}

/// A time of the token, in seconds since 1970; a fraction is cut off.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, TokenFault> {
    let wrong = || TokenFault::Claim(name.to_owned());
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    };
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).map(Some).ok_or_else(wrong)
}

fn whole(seconds: f64) -> Option<i64> {
    // Beyond 2^53 a double has no seconds any more.
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second is cut off, and the range is checked")]
    (0.0..9.0e15).contains(&seconds).then_some(seconds as i64)
}

/// Pact's roles among what the claim names: a list, or names with spaces between.
fn roles(claim: Option<&Value>) -> BTreeSet<Role> {
    let names: Vec<&str> = match claim {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(names)) => names.split_ascii_whitespace().collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
    };
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
