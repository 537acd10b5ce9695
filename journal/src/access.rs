//! How a person gets in: a token is traded for tickets.
//!
//! **Invariant:** a token is looked at here and nowhere else, and never kept. Whatever is wrong with one reads the same
//! to whoever brought it; the reason is on record, at a bounded pace. No ticket outlives its token by more than a
//! moment.
//! **Not here:** what a person may do with a ticket: node and journal judge every line.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use pact_policy::certificate::KeyThumbprint;
use pact_policy::ticket::{self, Audience, Grant};
use pact_policy::token::{Bearer, Issuers, TokenFault};
use pact_proto::model::entry::Body;
use pact_proto::model::{NodeName, VCluster};
use pact_proto::wire::v1;
use tonic::Status;

use crate::own::{Draft, Own};
use crate::pace::Pace;
use crate::registry::{Link, Registry};
use crate::revoked::Revoked;
use crate::signer::Signer;
use crate::voice::Voice;

/// What everybody reads whose token is not accepted.
const REFUSED: &str = "access: the token is not accepted";
/// Of a ticket whose token has just ended.
const MOMENT: SignedDuration = SignedDuration::from_secs(1);
/// Tokens that are refused go on record from so many places in a second; a crowd is counted.
pub(crate) const PLACES_A_SECOND: usize = 16;
/// Of one request.
const MOST_NODES: usize = 4096;

/// The one place where tokens are taken.
pub(crate) struct Access {
    pub(crate) issuers: Issuers,
    pub(crate) signer: Signer,
    pub(crate) registry: Registry,
    pub(crate) revoked: Revoked,
    pub(crate) own: Own,
    pub(crate) voice: Arc<Voice>,
    pub(crate) pace: Pace<IpAddr>,
}

/// Somebody at the door.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    /// The connection's key.
    pub(crate) key: KeyThumbprint,
    /// From where.
    pub(crate) from: SocketAddr,
}

impl Access {
    /// Tickets for a token.
    pub(crate) async fn exchange(
        &self,
        person: Person,
        asked: v1::ExchangeRequest,
    ) -> Result<v1::ExchangeReply, Status> {
        let now = Timestamp::now();
        let bearer = self.bearer(person, &asked.token, now).await?;
        if asked.nodes.len() > MOST_NODES {
            return Err(Status::invalid_argument(format!("nodes: {MOST_NODES} at once are the most")));
        }
        let mut grants = Vec::with_capacity(asked.nodes.len() + 1);
        for name in &asked.nodes {
            grants.push(self.node(person, &bearer, name, now)?);
            // A signature takes a while, and thousands of them would hold up everybody else.
            tokio::task::yield_now().await;
        }
        if asked.journal {
            grants.push(self.ticket(person, &bearer, Audience::Journal, now)?);
        }
        let roles = bearer.roles.iter().map(ToString::to_string).collect();
        Ok(v1::ExchangeReply { grants, principal: bearer.principal.to_string(), roles })
    }

    /// Whose names a vCluster stands for.
    pub(crate) async fn members(&self, person: Person, asked: v1::MembersRequest) -> Result<v1::MembersReply, Status> {
        self.bearer(person, &asked.token, Timestamp::now()).await?;
        let vcluster: VCluster = asked.vcluster.parse().map_err(|bad| Status::invalid_argument(format!("{bad}")))?;
        let of = self.registry.of(Some(&vcluster));
        Ok(v1::MembersReply { nodes: of.into_iter().map(|(name, _)| name.to_string()).collect() })
    }

    async fn bearer(&self, person: Person, token: &str, now: Timestamp) -> Result<Bearer, Status> {
        let accepted = self.issuers.accept(token, now).and_then(|bearer| self.is_not_revoked(bearer));
        match accepted {
            Ok(bearer) => Ok(bearer),
            Err(fault) => {
                self.refuse(person, &fault).await;
                Err(Status::unauthenticated(REFUSED))
            }
        }
    }

    fn is_not_revoked(&self, bearer: Bearer) -> Result<Bearer, TokenFault> {
        match self.revoked.before(&bearer.principal) {
            // Issuers count in seconds, and what was issued in the same second may have been issued before.
            Some(before) if bearer.issued.as_second() <= before.as_second() => {
                Err(TokenFault::Revoked { principal: bearer.principal, before })
            }
            Some(_) | None => Ok(bearer),
        }
    }

    /// On record, or counted. Whoever runs this member hears what could not be recorded.
    pub(crate) async fn refuse(&self, person: Person, fault: &impl std::fmt::Display) {
        let from = person.from;
        let Some(more) = self.pace.next(&network(from.ip()), Instant::now()) else { return };
        let body = Body::TokenRefused { reason: fault.to_string(), from: from.to_string(), more };
        if let Err(error) = self.own.record(Draft::new(self.own.author(), body)).await {
            self.voice.say(&format!("{from}: that a token or ticket was refused ({fault}) is not on record: {error}"));
        }
    }

    fn node(&self, person: Person, bearer: &Bearer, name: &str, now: Timestamp) -> Result<v1::Grant, Status> {
        let without =
            |refused: &str| v1::Grant { node: name.to_owned(), refused: refused.to_owned(), ..Default::default() };
        let Ok(node) = name.parse::<NodeName>() else { return Ok(without("it is not a name of a node")) };
        let Some(known) = self.registry.get(&node) else { return Ok(without("no node of this name has connected")) };
        let grant = self.ticket(person, bearer, Audience::Node(node), now)?;
        let address = match known.link {
            Link::There(_) => known.address,
            Link::Gone(_) => String::new(),
        };
        Ok(v1::Grant { address, ..grant })
    }

    fn ticket(&self, person: Person, bearer: &Bearer, audience: Audience, now: Timestamp) -> Result<v1::Grant, Status> {
        let hour = now.saturating_add(ticket::LONGEST).unwrap_or(now);
        let grant = Grant {
            principal: bearer.principal.clone(),
            roles: bearer.roles.clone(),
            key: person.key,
            issued: now,
            // A token that is good by its leeway alone is good for a moment.
            expires: hour.min(bearer.expires.max(now + MOMENT)),
            id: random()?,
            audience,
        };
        let signed = self.signer.sign(&grant).map_err(|error| {
            self.voice.say(&format!("a ticket cannot be signed: {error}"));
            Status::internal("a ticket cannot be signed")
        })?;
        let node = match &grant.audience {
            Audience::Node(name) => name.to_string(),
            Audience::Journal => String::new(),
        };
        let expires = Some(grant.expires.into());
        Ok(v1::Grant { node, signed, expires, address: String::new(), refused: String::new() })
    }
}

/// Whose mistakes are counted together: an address, and of IPv6 the network of 64 bits, in which anybody has them all.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

fn random() -> Result<[u8; 16], Status> {
    let mut bytes = [0; 16];
    let drawn = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    match drawn {
        Ok(16) => Ok(bytes),
        Ok(_) | Err(_) => Err(Status::internal("no random number for a ticket")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let same = |one: &str, other: &str| network(one.parse().unwrap()) == network(other.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
    }
}
