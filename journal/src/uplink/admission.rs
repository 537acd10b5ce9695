//! What of a node's records is taken, and as what.
//!
//! **Invariant:** an entry is taken when it is the next one of its spool and speaks for nobody but the node that sent
//! it; its bytes go into the log as they came.
//! **Why:** root on a node can write into its spool what it likes. It can lie about that node, and about nothing else.

use pact_policy::authority::Authority;
use pact_policy::ticket::{Audience, Ticket};
use pact_proto::model::entry::{Body, Credential, Entry, Via};
use pact_proto::model::{Kind, LineId, NodeName, Principal, Scope, SessionId, SpoolEpoch, SpoolPosition};
use pact_proto::wire::v1;
use prost::Message;

use crate::entry::{Index, Item, Key};

/// How authors begin whom only a certificate makes: machines of the site.
const MACHINE: &str = "pact:";
/// How authors begin to whom nobody is bound.
const ACCOUNT: &str = "unix:";

/// Who sends, as its certificate says, and from which spool, as it says itself.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) node: NodeName,
    pub(crate) epoch: SpoolEpoch,
    /// Who may have signed the tickets that its entries show.
    pub(crate) authority: Authority,
}

/// The last ticket that was found good, and whose it is: the entries of a session show the same one.
#[derive(Debug, Default)]
pub(crate) struct Vouched(Option<(Vec<u8>, Principal)>);

/// Which number may come now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The first of a stream: this one, or one that is in the log already.
    UpTo(u64),
    /// The one after the one before.
    Exactly(u64),
}

/// An entry that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Its number; 0 where it is not about one.
    pub(crate) number: u64,
    pub(crate) reason: String,
}

impl Expected {
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::UpTo(number) | Self::Exactly(number) => number,
        }
    }

    fn is(self, number: u64) -> bool {
        match self {
            Self::UpTo(last) => number <= last,
            Self::Exactly(only) => number == only,
        }
    }
}

impl Origin {
    /// Takes one entry: its number, and as what it goes into the log.
    pub(crate) fn admit(
        &self,
        vouched: &mut Vouched,
        expected: Expected,
        stored: Vec<u8>,
    ) -> Result<(u64, Item), Rejection> {
        let at = |number, reason: String| Rejection { number, reason };
        let entry = Entry::decode(&stored).map_err(|bad| at(expected.number(), format!("no entry: {bad}")))?;
        let position = entry.position.clone().ok_or_else(|| at(expected.number(), "it was in no spool".to_owned()))?;
        let number = position.number.0;
        self.is_from_here(&position).map_err(|reason| at(expected.number(), reason))?;
        if !expected.is(number) {
            return Err(at(number, format!("entry {} must come first", expected.number())));
        }
        self.speaks_for_itself(&entry).map_err(|reason| at(number, reason))?;
        self.is_ticket_good(vouched, &entry).map_err(|reason| at(number, reason))?;
        is_fresh(&stored).map_err(|reason| at(number, reason))?;
        Ok((number, item(&entry, stored)))
    }

    fn is_from_here(&self, position: &SpoolPosition) -> Result<(), String> {
        let Self { node, epoch, .. } = self;
        if position.node != *node {
            return Err(format!("it is of {}, and {node} sent it", position.node));
        }
        if position.epoch != *epoch {
            return Err(format!("it is of the spool {:016x}, and not of {:016x}", position.epoch.0, epoch.0));
        }
        Ok(())
    }

    fn speaks_for_itself(&self, entry: &Entry) -> Result<(), String> {
        let Self { node, .. } = self;
        if entry.via != Via::Node(node.clone()) {
            let via = match &entry.via {
                Via::Node(other) => other.to_string(),
                Via::Member(other) => format!("member {other:?}"),
            };
            return Err(format!("it says that {via} vouches for it, and {node} sent it"));
        }
        if entry.scope != Scope::Node(node.clone()) {
            return Err(format!("its scope is {}, and {node} sent it", entry.scope));
        }
        let author = entry.author.as_str();
        let is_foreign = author.starts_with(ACCOUNT) && !author.ends_with(&format!("@{node}"));
        if is_foreign || author.starts_with(MACHINE) {
            return Err(format!("its author is {author:?}, and {node} cannot vouch for that"));
        }
        match &entry.body {
            Body::UplinkRejected { .. }
            | Body::Revoked { .. }
            | Body::TokenRefused { .. }
            | Body::MemberStarted { .. } => Err("only a member of the journal says that".to_owned()),
            Body::SessionOpened { .. }
            | Body::SessionClosed { .. }
            | Body::Line(_)
            | Body::Refused(_)
            | Body::Outcome(_)
            | Body::Output(_)
            | Body::AgentStarted { .. }
            | Body::RecordsLost { .. } => Ok(()),
        }
    }
}

impl Origin {
    /// A node says of somebody who came from elsewhere what a ticket for it bears out. Not when: its clock may be wrong,
    /// and a line may run longer than its ticket.
    fn is_ticket_good(&self, Vouched(last): &mut Vouched, entry: &Entry) -> Result<(), String> {
        let signed = match &entry.credential {
            Some(Credential::Ticket(signed)) => signed,
            Some(Credential::Peer { .. }) | None => return Ok(()),
        };
        if last.as_ref().is_some_and(|(known, of)| known == signed && *of == entry.author) {
            return Ok(());
        }
        let ticket = Ticket::read(signed, &self.authority).map_err(|fault| format!("its ticket: {fault}"))?;
        let grant = ticket.grant();
        if grant.audience != Audience::Node(self.node.clone()) {
            return Err(format!("its ticket is for {}, and {} sent it", grant.audience, self.node));
        }
        if grant.principal != entry.author {
            return Err(format!("its ticket is {}'s, and its author {}", grant.principal, entry.author));
        }
        *last = Some((signed.clone(), entry.author.clone()));
        Ok(())
    }
}

/// What only the journal gives an entry is not there yet: it would be shown to whoever reads the bytes.
fn is_fresh(stored: &[u8]) -> Result<(), String> {
    let wire = v1::Entry::decode(stored.get(1..).unwrap_or_default()).map_err(|_| "no entry".to_owned())?;
    let is_fresh = wire.seq == 0 && wire.previous_hash.is_empty() && wire.hash.is_empty() && wire.commit_time.is_none();
    if is_fresh { Ok(()) } else { Err("it has a seq, a hash or a commit time, which the journal gives".to_owned()) }
}

/// An entry as it goes into the log, with what it is found by.
pub(crate) fn item(entry: &Entry, stored: Vec<u8>) -> Item {
    let kind: Kind = entry.body.kind();
    let key = |index, value: String| Key { index, value: value.into_bytes() };
    let mut keys = vec![
        key(Index::SCOPE, entry.scope.to_string()),
        key(Index::AUTHOR, entry.author.to_string()),
        key(Index::KIND, kind.name().to_owned()),
    ];
    if let (Some(session), LineId(1..)) = (entry.session, entry.line) {
        keys.push(Key { index: Index::LINE, value: line_key(session, entry.line) });
    }
    Item { source: entry.position.clone(), keys, payload: stored }
}

/// Under what everything about one line is found.
pub(crate) fn line_key(session: SessionId, line: LineId) -> Vec<u8> {
    [session.as_bytes().as_slice(), &line.0.to_be_bytes()].concat()
}
