//! The journal as the way to nodes: a token is traded for tickets, and a ticket comes with an address.
//!
//! **Invariant:** the token goes to the journal and to nobody else. Every wait has an end.
//! **Not here:** where a token comes from.

use std::sync::Arc;
use std::time::Duration;

use pact_proto::wire::v1::access_client::AccessClient;
use pact_proto::wire::v1::{ExchangeRequest, Grant, MembersRequest, Time};
use pact_resume::State;
use rustls::pki_types::ServerName;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::session::{channel, channel_by};
use crate::tls::Tls;
use crate::way::{Way, server_name};
use crate::{ClientError, Place};

/// A journal gives tickets for so many nodes at once.
const MOST_NODES: usize = 4096;
/// Tickets for thousands of nodes.
const LARGEST_MESSAGE: usize = 64 << 20;

/// A connection to the journal, and the token with which it is used.
#[derive(Clone)]
pub struct Journal {
    channel: Channel,
    way: Way,
    state: watch::Sender<State>,
    tls: Tls,
    place: Place,
    token: Arc<str>,
    patience: Duration,
}

/// A connection that outlives its sockets.
pub(crate) struct Reached {
    pub(crate) channel: Channel,
    /// How it is, where it may break and come again.
    pub(crate) state: Option<watch::Receiver<State>>,
    /// Where it is connected to again, and where tickets are renewed.
    pub(crate) ports: Vec<u16>,
}

/// What opens a session, and where.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// With the journal, or with a node.
    pub(crate) place: Place,
    /// As the journal signed it.
    pub(crate) signed: Vec<u8>,
    /// When it ends.
    expires: Option<Time>,
}

/// Why there is no ticket for a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{node}: {why}")]
pub struct NoWay {
    /// Which node.
    pub node: String,
    /// One sentence.
    pub why: String,
}

impl Journal {
    /// Connects to `host:port`. What is asked later connects again where that is necessary.
    pub async fn connect(endpoint: &str, token: &str, tls: Tls, patience: Duration) -> Result<Self, ClientError> {
        let place = Place::Journal { endpoint: endpoint.to_owned(), address: None };
        let name = server_name(endpoint);
        let name = name.ok_or_else(|| ClientError::Endpoint(endpoint.to_owned()))?;
        let mut way = Way::to(tls.clone(), place, endpoint, name)?;
        let place = Place::Journal { endpoint: endpoint.to_owned(), address: way.address() };
        way.place = place.clone();
        let state = watch::Sender::new(State::Carried);
        let late = |_| ClientError::Silent { place: place.clone(), after: patience };
        let stream = timeout(patience, way.walk(state.clone())).await.map_err(late)??;
        let channel = channel_by(way.clone(), stream, state.clone(), patience).await?;
        Ok(Self { channel, way, state, tls, place, token: token.into(), patience })
    }

    /// Tickets for nodes, in their order.
    pub async fn tickets(&self, nodes: &[String]) -> Result<Vec<Result<Ticket, NoWay>>, ClientError> {
        let mut tickets = Vec::with_capacity(nodes.len());
        for nodes in nodes.chunks(MOST_NODES) {
            let grants = self.exchange(nodes.to_vec(), false).await?;
            if grants.len() != nodes.len() {
                return Err(ClientError::Protocol("it gave more or fewer tickets than were asked for".to_owned()));
            }
            tickets.extend(grants.into_iter().map(ticket));
        }
        Ok(tickets)
    }

    /// A ticket for sessions with the journal itself.
    pub async fn own_ticket(&self) -> Result<Ticket, ClientError> {
        let grant = self.exchange(Vec::new(), true).await?.pop();
        let grant = grant.ok_or_else(|| ClientError::Protocol("a ticket that was asked for".to_owned()))?;
        Ok(Ticket { place: self.place.clone(), signed: grant.signed, expires: grant.expires })
    }

    async fn exchange(&self, nodes: Vec<String>, journal: bool) -> Result<Vec<Grant>, ClientError> {
        let mut access = AccessClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_MESSAGE);
        let asked = ExchangeRequest { token: self.token.to_string(), nodes, journal };
        let reply = timeout(self.patience, access.exchange(asked)).await;
        let late = |_| ClientError::Silent { place: self.place.clone(), after: self.patience };
        Ok(reply.map_err(late)?.map_err(|status| self.failed(status))?.into_inner().grants)
    }

    /// The nodes of a vCluster that the journal knows.
    pub async fn members(&self, vcluster: &str) -> Result<Vec<String>, ClientError> {
        let mut access = AccessClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_MESSAGE);
        let asked = MembersRequest { token: self.token.to_string(), vcluster: vcluster.to_owned() };
        let reply = timeout(self.patience, access.members(asked)).await;
        let late = |_| ClientError::Silent { place: self.place.clone(), after: self.patience };
        Ok(reply.map_err(late)?.map_err(|status| self.failed(status))?.into_inner().nodes)
    }

    fn failed(&self, status: tonic::Status) -> ClientError {
        let error = ClientError::from(status);
        if let ClientError::Lost = error {
            let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            return ClientError::Unreachable { place: self.place.clone(), source };
        }
        error
    }

    /// What carries a session with whom the ticket is for.
    pub(crate) async fn reach(&self, ticket: &Ticket) -> Result<Reached, ClientError> {
        let mut ports: Vec<_> = self.way.ports().collect();
        let Place::Node { name, address } = &ticket.place else {
            return Ok(Reached { channel: self.channel.clone(), state: Some(self.state.subscribe()), ports });
        };
        let server = ServerName::try_from(name.clone()).map_err(|_| ClientError::Endpoint(name.clone()))?;
        let way = Way::to(self.tls.clone(), ticket.place.clone(), address, server)?;
        ports.extend(way.ports());
        let (sender, state) = watch::channel(State::Carried);
        let late = |_| ClientError::Silent { place: ticket.place.clone(), after: self.patience };
        let stream = timeout(self.patience, way.walk(sender)).await.map_err(late)??;
        Ok(Reached { channel: channel(stream, &ticket.place).await?, state: Some(state), ports })
    }

    /// The same ticket, for another while.
    pub(crate) async fn renewed(&self, ticket: &Ticket) -> Result<Ticket, ClientError> {
        match &ticket.place {
            Place::Node { name, .. } => {
                let fresh = self.tickets(std::slice::from_ref(name)).await?.pop();
                let fresh = fresh.ok_or_else(|| ClientError::Protocol("a ticket that was asked for".to_owned()))?;
                fresh.map_err(|none| ClientError::Access(none.to_string()))
            }
            Place::Journal { .. } | Place::Socket(_) => self.own_ticket().await,
        }
    }

    /// How long anybody is waited for.
    pub fn patience(&self) -> Duration {
        self.patience
    }
}

impl Ticket {
    /// When to ask for the next one: at three quarters of what is left.
    pub(crate) fn renew_in(&self) -> Option<Duration> {
        let expires = u64::try_from(self.expires?.unix_nanos).ok()?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
        let left = Duration::from_nanos(expires).saturating_sub(now);
        Some(left.mul_f32(0.75))
    }
}

fn ticket(grant: Grant) -> Result<Ticket, NoWay> {
    let Grant { node, signed, expires, address, refused } = grant;
    if !refused.is_empty() {
        return Err(NoWay { node, why: refused });
    }
    if address.is_empty() {
        let why = "it has no connection to the journal now, or takes no sessions from other machines".to_owned();
        return Err(NoWay { node, why });
    }
    Ok(Ticket { place: Place::Node { name: node, address }, signed, expires })
}
