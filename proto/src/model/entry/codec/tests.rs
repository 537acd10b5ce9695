//! Entries survive the way to disk and back; anything damaged is named.

use super::*;

fn entry(body: Body) -> Entry {
    Entry {
        event_time: Timestamp::from_second(1_790_000_000).unwrap(),
        scope: Scope::Node("node042".parse().unwrap()),
        author: "alice@example.org".parse().unwrap(),
        via: Via::Node("node042".parse().unwrap()),
        session: Some(SessionId::from_bytes([7; 16])),
        line: LineId(3),
        message: String::new(),
        policy_version: "0123456789ab".to_owned(),
        position: Some(SpoolPosition {
            node: "node042".parse().unwrap(),
            epoch: SpoolEpoch(u64::MAX),
            number: SpoolNumber(12),
        }),
        request_hash: Some([9; 32]),
        credential: Some(Credential::Peer { uid: 1000, pid: 4242, user: Some("alice".to_owned()) }),
        body,
    }
}

fn bodies() -> Vec<Body> {
    let outcome = |end| {
        Body::Outcome(LineOutcome {
            end,
            stages: vec![StageStatus::Exited(1), StageStatus::Signaled(9), StageStatus::Unknown("restart".into())],
            duration: Duration::from_nanos(1_500_000_001),
            stdout: Written { bytes: 5, sha256: Some([1; 32]) },
            stderr: Written { bytes: 0, sha256: None },
            truncated: true,
            exit_code: 137,
        })
    };
    vec![
        Body::SessionOpened { kind: SessionKind::Repl, roles: vec!["pact-ops-demo".parse().unwrap()] },
        Body::Output(OutputKept { stream: OutputStream::Stderr, offset: 7, data: vec![0, 255, b'a'] }),
        Body::Revoked {
            principal: "alice@example.org".parse().unwrap(),
            before: Timestamp::from_second(1_790_000_001).unwrap(),
        },
        Body::TokenRefused { reason: "expired".into(), from: "192.0.2.1:40000".into(), more: 3 },
        Body::SessionClosed { reason: "left".into() },
        Body::Line(LineRecorded {
            line: b"cat /var/log/* \xff".to_vec(),
            stages: vec![
                StageRecord { kind: StageKind::Command("log".into()), argv: vec![b"log".to_vec()] },
                StageRecord { kind: StageKind::Program("cat".into()), argv: vec![b"cat".to_vec(), vec![]] },
            ],
            expansions: vec![(b"/var/log/*".to_vec(), vec![b"/var/log/a".to_vec()])],
        }),
        Body::Refused(LineRefused {
            line: b"a;b".to_vec(),
            line_bytes: 3,
            line_sha256: Some([3; 32]),
            exit_code: 6,
            reason: "no".into(),
        }),
        outcome(End::Finished),
        outcome(End::Interrupted("client vanished".into())),
        outcome(End::Failed("no such file".into())),
        Body::MemberStarted { version: "0.1.0".into() },
        Body::AgentStarted { version: "0.1.0".into(), layers: vec!["landlock abi 7".into()] },
        Body::RecordsLost { counted: 3 },
        Body::UplinkRejected { node: "node042".parse().unwrap(), number: SpoolNumber(7), reason: "a gap".into() },
    ]
}

#[test]
fn every_kind_reads_back_as_it_was() {
    for body in bodies() {
        let entry = entry(body);
        assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }
}

/// Bytes that version 1 of this format wrote, and what they mean: they must be readable for ever.
#[test]
fn version_1_is_readable_for_ever() {
    let written = [
        1u8, 0x2a, 0x09, 0x09, 0x00, 0x00, 0x8a, 0x22, 0x54, 0x54, 0xd7, 0x18, 0x32, 0x09, 0x1a, 0x07, b'n', b'o',
        b'd', b'e', b'0', b'4', b'2', 0x3a, 0x05, b'a', b'l', b'i', b'c', b'e', 0x42, 0x09, 0x0a, 0x07, b'n', b'o',
        b'd', b'e', b'0', b'4', b'2', 0x6a, 0x14, 0x0a, 0x07, b'n', b'o', b'd', b'e', b'0', b'4', b'2', 0x11, 1, 0, 0,
        0, 0, 0, 0, 0, 0x18, 0x05, 0xd2, 0x01, 0x02, 0x08, 0x03,
    ];
    let entry = Entry::decode(&written).unwrap();
    assert_eq!(entry.body, Body::RecordsLost { counted: 3 });
    assert_eq!(entry.position.map(|position| position.number), Some(SpoolNumber(5)));
    assert_eq!(entry.author.as_str(), "alice");
    assert_eq!(entry.session, None);
}

#[test]
fn what_is_not_an_entry_is_named() {
    let good = entry(Body::RecordsLost { counted: 1 }).encode();
    assert_eq!(Entry::decode(&[]), Err(BadEntry::Empty));
    assert_eq!(Entry::decode(&[2, 0]), Err(BadEntry::Version(2)));
    assert!(matches!(Entry::decode(&good[..good.len() - 1]), Err(BadEntry::Malformed(_))));
    let mut wire = v1::Entry::from(&entry(Body::RecordsLost { counted: 1 }));
    wire.body = None;
    assert_eq!(Entry::try_from(wire.clone()), Err(BadEntry::Field("kind")));
    wire = v1::Entry::from(&entry(Body::RecordsLost { counted: 1 }));
    wire.session_id = vec![1, 2];
    assert_eq!(Entry::try_from(wire), Err(BadEntry::Field("session id")));
    wire = v1::Entry::from(&entry(Body::RecordsLost { counted: 1 }));
    wire.spool = None;
    assert_eq!(Entry::try_from(wire.clone()), Err(BadEntry::Field("spool position")));
    wire.via = Some(via(&Via::Member("1".into())));
    assert_eq!(Entry::try_from(wire).map(|entry| entry.position), Ok(None));
}
