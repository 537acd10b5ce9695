//! Sessions with a member: what opens one, and what the protocol does not know.

use std::net::Ipv4Addr;

use pact_proto::wire::v1::client_message::Kind as Say;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::shell_client::ShellClient;
use pact_proto::wire::v1::{
    ClientMessage, Close, Credential, Line, NodeCredential, Open, Refused, ServerMessage, SessionKind, Stdin, Ticket,
    Words, credential, line,
};
use pact_xtask::authority::Leaf;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::access::{exchange, own, provider};
use super::caller::{Raw, Uplink, Way, spool};
use super::member::{Member, Site};
use crate::support::runtime;

/// One session, as bytes of anybody's making.
struct Session {
    asking: mpsc::Sender<ClientMessage>,
    replies: Streaming<ServerMessage>,
}

impl Session {
    async fn of(site: &Site, member: &Member, leaf: &Leaf, first: Say) -> Self {
        Self::from(Ipv4Addr::LOCALHOST, site, member, leaf, first).await
    }

    async fn from(from: Ipv4Addr, site: &Site, member: &Member, leaf: &Leaf, first: Say) -> Self {
        let ca = site.authority.certificate();
        let way = Way { to: member.address, ca: &ca, as_: Some(leaf), window: None };
        let (asking, messages) = mpsc::channel(8);
        asking.send(ClientMessage { kind: Some(first) }).await.unwrap();
        let mut client = ShellClient::new(way.channel_from(from).await.unwrap());
        let replies = client.session(ReceiverStream::new(messages)).await.unwrap().into_inner();
        Self { asking, replies }
    }

    async fn say(&self, kind: Say) {
        self.asking.send(ClientMessage { kind: Some(kind) }).await.unwrap();
    }

    async fn line(&self, id: u64, words: &[&str]) {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        self.say(Say::Line(Line { id, form: Some(line::Form::Words(Words { words })) })).await;
    }

    /// The next piece that is written.
    async fn piece(&mut self) -> String {
        loop {
            let message = self.replies.message().await.unwrap().and_then(|message| message.kind);
            if let Reply::Stdout(piece) = message.unwrap() {
                return String::from_utf8(piece.data).unwrap();
            }
        }
    }

    /// What is written until this is.
    async fn until_told(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            all.push_str(&self.piece().await);
        }
        all
    }

    /// What is written until the line is over or refused; the error that ends the session.
    async fn until_over(&mut self) -> Result<(String, u32), String> {
        let mut written = String::new();
        loop {
            let message = self.replies.message().await.map_err(|status| status.message().to_owned())?;
            match message.and_then(|message| message.kind).ok_or("the end")? {
                Reply::Stdout(piece) => written.push_str(&String::from_utf8(piece.data).unwrap()),
                Reply::Exit(exit) => return Ok((written + &exit.failure, exit.code)),
                Reply::Refused(Refused { message, exit_code, .. }) => return Ok((message, exit_code)),
                Reply::Context(_) | Reply::Accepted(_) => {}
                other @ (Reply::Stderr(_)
                | Reply::Candidates(_)
                | Reply::Notice(_)
                | Reply::Marks(_)
                | Reply::StdinCredit(_)) => return Err(format!("{other:?}")),
            }
        }
    }
}

fn open(credential: Option<credential::Kind>) -> Say {
    let credential = credential.map(|kind| Credential { kind: Some(kind) });
    Say::Open(Open { credential, kind: SessionKind::Once.into(), ..Open::default() })
}

fn ticket(signed: &[u8]) -> Say {
    open(Some(credential::Kind::Ticket(Ticket { signed: signed.to_vec() })))
}

fn node() -> Say {
    open(Some(credential::Kind::Node(NodeCredential { session_id: vec![7; 16], line_id: 1 })))
}

#[test]
fn a_ticket_opens_its_own_door_to_its_own_key() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    runtime().block_on(async {
        let (_uplink, _) = Uplink::of(&site, member.address, &site.node("n1"), 7).await.unwrap();
        let (alice, thief) = (own(), own());
        let token = provider.token("alice@example.org", &["pact-platform-admin"]).unwrap();
        let grants = exchange(&site, &member, &alice, &token, &["n1"]).await.unwrap().grants;
        let (of_node, of_journal) = (&grants[0].signed, &grants[1].signed);
        let mut changed = of_journal.clone();
        changed[9] ^= 1;
        let refused = Ok(("access: the ticket is not accepted".to_owned(), 2));
        for (place, (what, leaf, first)) in (2..).zip([
            ("nothing", &alice, open(None)),
            ("a node's ticket", &alice, ticket(of_node)),
            ("another key", &thief, ticket(of_journal)),
            ("a changed ticket", &alice, ticket(&changed)),
            ("noise", &alice, ticket(b"noise")),
            ("a person as a node", &alice, node()),
        ]) {
            // Each from a place of its own: of one place, what comes in a crowd is counted.
            let from = Ipv4Addr::new(127, 0, 0, place);
            let mut session = Session::from(from, &site, &member, leaf, first).await;
            assert_eq!(session.until_over().await, refused, "{what}");
        }
        let mut session = Session::of(&site, &member, &alice, ticket(of_journal)).await;
        session.line(1, &["log", "--kind", "DENIED"]).await;
        let (log, code) = session.until_over().await.unwrap();
        assert_eq!(code, 0);
        for reason in ["no ticket was shown", "it is for node n1", "another key than the connection's"] {
            assert!(log.contains(reason), "{reason}: {log}");
        }
    });
    member.stop();
}

#[test]
fn what_the_protocol_does_not_know_ends_the_session() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    runtime().block_on(async {
        let alice = own();
        let token = provider.token("alice@example.org", &["pact-platform-admin"]).unwrap();
        let signed = exchange(&site, &member, &alice, &token, &[]).await.unwrap().grants.remove(0).signed;
        let mallory = provider.token("mallory@example.org", &[]).unwrap();
        let others = exchange(&site, &member, &alice, &mallory, &[]).await.unwrap().grants.remove(0).signed;
        let renew = |signed: &[u8]| {
            let Say::Open(Open { credential, .. }) = ticket(signed) else { unreachable!() };
            Say::Renew(pact_proto::wire::v1::Renew { credential })
        };
        for (said, expected) in [
            (ticket(&signed), "a session is opened once"),
            (Say::Line(Line { id: 2, form: None }), "lines are numbered one by one"),
            (Say::Line(Line { id: 1, form: None }), "a line without words"),
            (renew(&others), "a ticket of somebody else"),
            (renew(b"noise"), "a ticket that is not accepted"),
        ] {
            let mut session = Session::of(&site, &member, &alice, ticket(&signed)).await;
            session.say(said).await;
            assert_eq!(session.until_over().await, Err(expected.to_owned()));
        }
        for first in [Say::Close(Close {}), Say::Stdin(Stdin { data: b"x".to_vec() })] {
            let mut session = Session::of(&site, &member, &alice, first).await;
            assert_eq!(session.until_over().await, Err("a session begins with open".to_owned()));
        }
        // The same line twice is not two lines, and a fresh ticket of the same person is taken.
        let mut session = Session::of(&site, &member, &alice, ticket(&signed)).await;
        session.say(renew(&signed)).await;
        session.line(1, &["whoami"]).await;
        assert_eq!(session.until_over().await.unwrap().1, 0);
        session.line(1, &["whoami"]).await;
        assert_eq!(session.until_over().await, Err("lines are numbered one by one".to_owned()));
        // What is no line of the journal's is refused, and the session goes on.
        let mut session = Session::of(&site, &member, &alice, ticket(&signed)).await;
        for (id, (words, expected)) in (1..).zip([
            (&["uname"][..], "programs: the journal starts none"),
            (&["status"], "status: of which node, or of which vCluster?"),
            (&["exec", "n1", "--", "uname"], "exec: the journal does not answer it"),
            (&["logg"], "programs: the journal starts none"),
            (&["log", "--bad"], "log: unexpected argument '--bad' found"),
        ]) {
            session.line(id, words).await;
            let (message, code) = session.until_over().await.unwrap();
            assert!(message.contains(expected) && code != 0, "{words:?}: {message}");
        }
    });
    member.stop();
}

#[test]
fn a_node_reads_its_own_records_and_asks_nothing_else() {
    let site = Site::new();
    let member = site.start();
    runtime().block_on(async {
        for name in ["n1", "n2"] {
            let (mut uplink, _) = Uplink::of(&site, member.address, &site.node(name), 7).await.unwrap();
            uplink.send(Raw::batch(spool(name, 7, [1, 2]))).await.unwrap();
            uplink.acknowledged(2).await.unwrap();
        }
        let leaf = site.node("n1");
        let mut session = Session::of(&site, &member, &leaf, node()).await;
        let all = [&["log"][..], &["log", "--scope", "node:n2"], &["log", "--scope", "global"], &["log", "-n", "1"]];
        for (id, (words, count)) in (1..).zip(all.into_iter().zip([2, 0, 0, 1])) {
            session.line(id, words).await;
            let (written, code) = session.until_over().await.unwrap();
            assert_eq!((written.lines().count(), code), (count, 0), "{words:?}: {written}");
            assert!(written.lines().all(|line| line.contains(" node:n1 ")), "{written}");
        }
        for (id, words) in (5..).zip([
            &["revoke", "alice@example.org", "-m", "x"][..],
            &["whoami"],
            &["cluster"],
            &["health"],
            &["status", "--vcluster", "ml"],
            &["help"],
        ]) {
            session.line(id, words).await;
            let refused = ("session: a node asks for `log` and `watch`".to_owned(), 3);
            assert_eq!(session.until_over().await, Ok(refused), "{words:?}");
        }
        session.line(11, &["watch", "--vcluster", "ml"]).await;
        let (message, code) = session.until_over().await.unwrap();
        assert!(message.contains("no role of yours") && code == 2, "{message}");
    });
    member.stop();
}

#[test]
fn a_watch_shows_what_the_ticket_shows_that_is_held_then() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    runtime().block_on(async {
        let (alice, other) = (own(), own());
        let mut tickets = Vec::new();
        for (leaf, principal, roles) in [
            (&alice, "alice@example.org", &["pact-platform-admin"][..]),
            (&alice, "alice@example.org", &["pact-viewer-ml"]),
            (&other, "mallory@example.org", &["pact-viewer-ml"]),
        ] {
            let token = provider.token(principal, roles).unwrap();
            tickets.push(exchange(&site, &member, leaf, &token, &[]).await.unwrap().grants.remove(0).signed);
        }
        let mut watching = Session::of(&site, &member, &alice, ticket(&tickets[0])).await;
        watching.line(1, &["watch"]).await;
        let mut others = Session::of(&site, &member, &other, ticket(&tickets[2])).await;
        others.line(1, &["whoami"]).await;
        others.until_over().await.unwrap();
        watching.until_told("mallory@example.org").await;
        let Say::Open(Open { credential, .. }) = ticket(&tickets[1]) else { unreachable!() };
        watching.say(Say::Renew(pact_proto::wire::v1::Renew { credential })).await;
        // Nobody says when the renewal was heard: until it is, what others do is told before the watcher's own line.
        let mut own = Session::of(&site, &member, &alice, ticket(&tickets[1])).await;
        let (mut told, mut rounds) = (Vec::new(), 0);
        while told.last() != Some(&false) || rounds < 3 {
            rounds += 1;
            assert!(rounds < 100, "it goes on to be told: {told:?}");
            for (session, id) in [(&mut others, 1 + rounds), (&mut own, rounds)] {
                session.line(id, &["help", "watch"]).await;
                session.until_over().await.unwrap();
            }
            let all = watching.until_told("OUTCOME global alice@example.org ").await;
            told.push(all.contains("mallory@example.org"));
        }
        assert!(told.is_sorted_by(|before, after| before >= after), "what is hidden stays hidden: {told:?}");
    });
    member.stop();
}

#[test]
fn of_a_line_that_is_too_long_the_beginning_is_recorded() {
    let site = Site::new();
    let provider = provider(&site);
    let member = site.start();
    runtime().block_on(async {
        let alice = own();
        let token = provider.token("alice@example.org", &["pact-platform-admin"]).unwrap();
        let signed = exchange(&site, &member, &alice, &token, &[]).await.unwrap().grants.remove(0).signed;
        let mut session = Session::of(&site, &member, &alice, ticket(&signed)).await;
        let text = vec![b'x'; 200_000];
        session.say(Say::Line(Line { id: 1, form: Some(line::Form::Text(text)) })).await;
        assert_eq!(session.until_over().await.unwrap().1, 1);
        session.line(2, &["log", "--kind", "REFUSED", "-n", "1"]).await;
        let (log, _) = session.until_over().await.unwrap();
        assert!(log.contains("(200000 bytes)") && log.len() < 100_000, "{} {}", log.len(), &log[..200]);
    });
    member.stop();
}
