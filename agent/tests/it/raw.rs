//! Requests that no `pact` makes, from an account that may start programs: words that no grammar has read, and more
//! than any message may hold. Whoever speaks the protocol gets no further than whoever types.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use pact_client::{ClientError, Endpoint, Event, Kind, LineForm, OpenOptions, Session, Terminal};
use pact_xtask::node::Node;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::node;

/// Of alice, as xtask makes nodes.
const ALICE: (u32, u32) = (61_001, 61_000);

/// Does `work` on a thread that is alice, with the path of the agent's socket. Credentials are a thread's own.
fn as_alice<T: Send>(node: &Node, work: impl FnOnce(PathBuf) -> T + Send) -> T {
    let directory = File::open(format!("/proc/{}/root/run/pact", node.agent_pid())).unwrap();
    let socket = format!("/proc/self/fd/{}/agent.sock", directory.as_raw_fd());
    let become_alice = || {
        let (uid, gid) = (Uid::from_raw(ALICE.0), Gid::from_raw(ALICE.1));
        set_thread_groups(&[]).unwrap();
        set_thread_res_gid(gid, gid, gid).unwrap();
        set_thread_res_uid(uid, uid, uid).unwrap();
    };
    std::thread::scope(|scope| {
        let alice = scope.spawn(|| {
            become_alice();
            work(socket.into())
        });
        alice.join().unwrap()
    })
}

/// What becomes of one line: its status, or the code with which it was refused.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Ran(u8),
    Refused(u8),
}

async fn send(socket: PathBuf, words: Vec<Vec<u8>>) -> Result<Became, ClientError> {
    let options =
        OpenOptions { kind: Kind::Once, terminal: Terminal::default(), output: pact_client::settings::Output::Text };
    let (mut session, _) = Session::open(Endpoint::unix(socket).connect()?, &options).await?;
    session.outgoing.line(LineForm::Words(words)).await?;
    loop {
        match session.incoming.next().await? {
            Event::Exit(exit) => return Ok(Became::Ran(exit.code)),
            Event::Refused(refusal) => return Ok(Became::Refused(refusal.code)),
            Event::Accepted { .. } | Event::Credit(_) | Event::Stdout { .. } | Event::Stderr(_) => {}
            other @ (Event::Context(_)
            | Event::Candidates { .. }
            | Event::Notice(_)
            | Event::Marks(_)
            | Event::Away
            | Event::Back) => panic!("nobody asked for {other:?}"),
        }
    }
}

fn sent(node: &Node, words: Vec<Vec<u8>>) -> Result<Became, ClientError> {
    as_alice(node, |socket| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(send(socket, words))
    })
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn words_are_judged_whoever_has_split_them() {
    let node = node::with(&[]);
    for (line, expected) in [
        (words(&["uname", "-s"]), Became::Ran(0)),
        // Words are words: no program is called sh here, and no file is called so.
        (words(&["cat", "|", "sh"]), Became::Ran(1)),
        (words(&["uname", "; id"]), Became::Refused(6)),
        (words(&["uname", "|", "sh"]), Became::Refused(6)),
        (words(&["/usr/bin/uname"]), Became::Refused(6)),
        (words(&["uname -s"]), Became::Refused(6)),
        (words(&["sh", "-c", "id"]), Became::Refused(6)),
        (words(&["uname", "-s\0"]), Became::Refused(1)),
        (words(&["uname", "a\nb"]), Became::Refused(1)),
        (words(&[""]), Became::Refused(6)),
        (Vec::new(), Became::Refused(1)),
        (vec![b"cat".to_vec(), b"\xff".to_vec()], Became::Refused(1)),
        (vec![b"cat".to_vec(); 300], Became::Refused(1)),
        (vec![b"cat".to_vec(), vec![b'x'; 9000]], Became::Refused(1)),
    ] {
        let shown = line.iter().take(3).map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ¦ ");
        assert_eq!(sent(&node, line).unwrap(), expected, "{}", shown.get(..60).unwrap_or(&shown));
    }
    let records = node.records().unwrap();
    assert!(records.iter().any(|r| r.contains(" LINE ") && r.ends_with("] cat '|' sh")), "{records:#?}");
}

#[test]
fn what_no_message_may_hold_ends_its_session_and_nothing_else() {
    let node = node::with(&[]);
    for line in [vec![vec![b'x'; 1 << 20]], vec![b"x".to_vec(); 1 << 20]] {
        let error = sent(&node, line).unwrap_err();
        assert!(matches!(error, ClientError::Lost | ClientError::Protocol(_)), "{error:?}");
    }
    assert_eq!(sent(&node, words(&["uname"])).unwrap(), Became::Ran(0));
    let records = node.records().unwrap();
    let ends = records.iter().filter(|r| r.contains(" END ") && r.contains("alice@")).count();
    assert!(ends >= 2, "{records:#?}");
}
