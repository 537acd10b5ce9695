//! The ticket by which a session is open.
//!
//! **Invariant:** it was good for this door and for the connection's key when it was shown; what replaces it is of the
//! same person.
//! **Not here:** who hears first what is revoked; what the person may do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use pact_proto::model::Principal;

use super::{Audience, Ticket, TicketFault};
use crate::Identity;
use crate::authority::Authority;
use crate::certificate::KeyThumbprint;

/// Of each principal, the time before which whatever was issued to it counts no more.
pub type RevokedBefore = BTreeMap<Principal, Timestamp>;

/// What a ticket must open.
pub struct Door {
    /// Whose members sign tickets.
    pub authority: Authority,
    /// Where it is.
    pub audience: Audience,
    /// The key of the connection that shows the ticket.
    pub key: KeyThumbprint,
}

/// The ticket that counts now.
pub struct Held {
    door: Door,
    current: Mutex<Current>,
}

struct Current {
    ticket: Ticket,
    signed: Vec<u8>,
}

/// Why a ticket does not replace the one that is held.
#[derive(Debug, thiserror::Error)]
pub enum NotRenewed {
    /// It opens nothing here.
    #[error("a ticket that is not accepted")]
    Fault(#[from] TicketFault),
    /// It is another person's.
    #[error("a ticket of somebody else")]
    SomebodyElse,
}

impl Held {
    /// What a client shows first.
    pub fn open(door: Door, signed: &[u8]) -> Result<Self, TicketFault> {
        let current = Mutex::new(door.read(signed)?);
        Ok(Self { door, current })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Current) -> T) -> T {
        look(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who it is for.
    pub fn identity(&self) -> Identity {
        self.with(|current| Identity::of_ticket(&current.ticket))
    }

    /// By which name.
    pub fn principal(&self) -> Principal {
        self.with(|current| current.ticket.grant().principal.clone())
    }

    /// As the journal signed it.
    pub fn signed(&self) -> Vec<u8> {
        self.with(|current| current.signed.clone())
    }

    /// Until when.
    pub fn expires(&self) -> Timestamp {
        self.with(|current| current.ticket.grant().expires)
    }

    /// Whether a line may be judged by it now.
    pub fn lasts(&self) -> Result<(), TicketFault> {
        self.with(|current| current.ticket.lasts(Timestamp::now()))
    }

    /// Replaces it by a newer one of the same person.
    pub fn renew(&self, signed: &[u8]) -> Result<(), NotRenewed> {
        let fresh = self.door.read(signed)?;
        self.with(|current| {
            if current.ticket.grant().principal != fresh.ticket.grant().principal {
                return Err(NotRenewed::SomebodyElse);
            }
            *current = fresh;
            Ok(())
        })
    }

    /// The time before which this person's tickets count no more, where this one is older.
    pub fn revoked_before(&self, times: &RevokedBefore) -> Option<Timestamp> {
        self.with(|current| {
            let grant = current.ticket.grant();
            times.get(&grant.principal).copied().filter(|before| grant.issued <= *before)
        })
    }
}

impl Door {
    fn read(&self, signed: &[u8]) -> Result<Current, TicketFault> {
        let ticket = Ticket::read(signed, &self.authority)?;
        ticket.opens(&self.audience, &self.key, Timestamp::now())?;
        Ok(Current { ticket, signed: signed.to_vec() })
    }
}
