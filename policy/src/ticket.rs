//! Tickets: what the journal gives a person for one node, or for itself, and for one TLS key.
//!
//! **Invariant:** a `Ticket` was signed by a member of the journal whose certificate chained to the site's authority
//! when it was issued, and is for an hour at most. Whether it opens this door now, `opens` says.
//! **Why:** a ticket is no secret: without the client's key it opens nothing, and at another node neither. So a node
//! that somebody has taken over learns nothing that another one would accept.
//! **Not here:** revocation, and who gets one (`journal::access`).

mod held;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pact_proto::model::{NodeName, Principal, Role};
use pact_proto::wire::v1;
use prost::Message;

use crate::authority::{Authority, NotOfTheSite, Signed};
use crate::certificate::{KeyThumbprint, Machine};
pub use held::{Door, Held, NotRenewed, RevokedBefore};

/// The longest that one lasts.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// How far the clocks of journal and node may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);
/// Stands before what is signed: nothing else that the key signs begins so.
const CONTEXT: &[u8] = b"pact ticket v1\0";
/// More than any ticket has.
pub const MOST_BYTES: usize = 64 * 1024;

/// What a ticket opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Sessions with the agent of this node.
    Node(NodeName),
    /// Sessions with the journal.
    Journal,
}

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it opens.
    pub audience: Audience,
    /// For whom.
    pub principal: Principal,
    /// With which roles.
    pub roles: BTreeSet<Role>,
    /// With which key in TLS.
    pub key: KeyThumbprint,
    /// From when.
    pub issued: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// Drawn at random.
    pub id: [u8; 16],
}

/// A grant that a member of the journal has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket(Grant);

/// Why a ticket opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum TicketFault {
    /// It is no ticket.
    #[error("it cannot be read: {0}")]
    Unreadable(&'static str),
    /// Nobody of the site signed it.
    #[error("its signer: {0}")]
    Signer(#[from] NotOfTheSite),
    /// A node did.
    #[error("{0} signed it, and only a member of the journal may")]
    NotAMember(Machine),
    /// Longer than any that a member issues.
    #[error("it lasts from {0} to {1}, which is more than an hour or less than nothing")]
    Lifetime(Timestamp, Timestamp),
    /// It is for somewhere else.
    #[error("it is for {0}")]
    Elsewhere(Audience),
    /// Whoever shows it does not have the key.
    #[error("it is for another key than the connection's")]
    AnotherKey,
    /// It has ended.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// It has not begun: one of the clocks is wrong.
    #[error("it is not valid before {0}")]
    NotYet(Timestamp),
}

impl std::fmt::Display for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Journal => f.write_str("the journal"),
        }
    }
}

impl Grant {
    /// The ticket, as it goes over the wire. `sign` answers how it signs, as TLS numbers it, and the signature;
    /// `certificates` are the signer's own first.
    pub fn sign<E>(
        &self,
        certificates: Vec<Vec<u8>>,
        sign: impl FnOnce(&[u8]) -> Result<(u16, Vec<u8>), E>,
    ) -> Result<Vec<u8>, E> {
        let body = self.encode();
        let (scheme, signature) = sign(&message(&body))?;
        Ok(v1::SignedTicket { body, certificates, scheme: scheme.into(), signature }.encode_to_vec())
    }

    fn encode(&self) -> Vec<u8> {
        use v1::ticket_body::Audience as Wire;
        let audience = match &self.audience {
            Audience::Node(name) => Wire::Node(name.to_string()),
            Audience::Journal => Wire::Journal(true),
        };
        let body = v1::TicketBody {
            audience: Some(audience),
            principal: self.principal.to_string(),
            roles: self.roles.iter().map(ToString::to_string).collect(),
            key_sha256: self.key.as_bytes().to_vec(),
            issued: Some(self.issued.into()),
            expires: Some(self.expires.into()),
            id: self.id.to_vec(),
        };
        body.encode_to_vec()
    }

    fn decode(body: &[u8]) -> Result<Self, TicketFault> {
        use v1::ticket_body::Audience as Wire;
        let unreadable = TicketFault::Unreadable;
        let wire = v1::TicketBody::decode(body).map_err(|_| unreadable("its body"))?;
        let audience = match wire.audience {
            Some(Wire::Node(name)) => name.parse().map(Audience::Node).map_err(|_| unreadable("its node"))?,
            Some(Wire::Journal(true)) => Audience::Journal,
            Some(Wire::Journal(false)) | None => return Err(unreadable("what it is for")),
        };
        let roles: Result<_, _> = wire.roles.iter().map(|role| role.parse()).collect();
        let time = |time: Option<v1::Time>| time.and_then(|time| time.try_into().ok()).ok_or(unreadable("its times"));
        Ok(Self {
            audience,
            principal: wire.principal.parse().map_err(|_| unreadable("its principal"))?,
            roles: roles.map_err(|_| unreadable("its roles"))?,
            key: KeyThumbprint::from_slice(&wire.key_sha256).ok_or(unreadable("its key"))?,
            issued: time(wire.issued)?,
            expires: time(wire.expires)?,
            id: wire.id.try_into().map_err(|_| unreadable("its id"))?,
        })
    }
}

impl Ticket {
    /// What a member of the journal has signed.
    pub fn read(signed: &[u8], authority: &Authority) -> Result<Self, TicketFault> {
        if signed.len() > MOST_BYTES {
            return Err(TicketFault::Unreadable("it is too long"));
        }
        let wire = v1::SignedTicket::decode(signed).map_err(|_| TicketFault::Unreadable("its form"))?;
        let grant = Grant::decode(&wire.body)?;
        let (issued, expires) = (grant.issued, grant.expires);
        if expires <= issued || issued.duration_until(expires) > LONGEST {
            return Err(TicketFault::Lifetime(issued, expires));
        }
        let (message, scheme) = (message(&wire.body), u16::try_from(wire.scheme).unwrap_or(0));
        let signed = Signed { certificates: &wire.certificates, scheme, message: &message, signature: &wire.signature };
        match authority.signer(signed, issued)? {
            Machine::Member(_) => Ok(Self(grant)),
            node @ Machine::Node(_) => Err(TicketFault::NotAMember(node)),
        }
    }

    /// What it says.
    pub fn grant(&self) -> &Grant {
        &self.0
    }

    /// Whether it opens this door to whoever has this key, now.
    pub fn opens(&self, door: &Audience, key: &KeyThumbprint, now: Timestamp) -> Result<(), TicketFault> {
        let Grant { audience, key: own, issued, .. } = &self.0;
        if audience != door {
            return Err(TicketFault::Elsewhere(audience.clone()));
        }
        if own != key {
            return Err(TicketFault::AnotherKey);
        }
        if now.saturating_add(LEEWAY).is_ok_and(|later| later < *issued) {
            return Err(TicketFault::NotYet(*issued));
        }
        self.lasts(now)
    }

    /// Whether it has not ended yet.
    pub fn lasts(&self, now: Timestamp) -> Result<(), TicketFault> {
        let expires = self.0.expires;
        if now >= expires { Err(TicketFault::Expired(expires)) } else { Ok(()) }
    }
}

fn message(body: &[u8]) -> Vec<u8> {
    [CONTEXT, body].concat()
}

#[cfg(test)]
mod tests;
