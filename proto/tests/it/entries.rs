//! Entries survive the way to disk and back, whatever is in them.

use std::time::Duration;

use jiff::Timestamp;
use pact_proto::model::entry::{
    Body, Credential, End, LineOutcome, LineRecorded, LineRefused, OutputKept, OutputStream, SessionKind, StageKind,
    StageRecord, StageStatus, Via, Written,
};
use pact_proto::model::{Entry, LineId, Role, Scope, SessionId, SpoolEpoch, SpoolNumber, SpoolPosition};
use proptest::prelude::*;

use crate::fuzzed;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..20)
}

fn hash() -> impl Strategy<Value = Option<[u8; 32]>> {
    prop::option::of(any::<[u8; 32]>())
}

fn outcome() -> impl Strategy<Value = Body> {
    let end = prop_oneof![
        Just(End::Finished),
        any::<String>().prop_map(End::Interrupted),
        any::<String>().prop_map(End::Failed)
    ];
    let stage = prop_oneof![
        any::<u8>().prop_map(StageStatus::Exited),
        any::<u8>().prop_map(StageStatus::Signaled),
        any::<String>().prop_map(StageStatus::Unknown)
    ];
    let written = || (any::<u32>(), hash()).prop_map(|(bytes, sha256)| Written { bytes: bytes.into(), sha256 });
    let stages = prop::collection::vec(stage, 0..4);
    (end, stages, any::<u64>(), written(), written(), any::<bool>(), any::<u8>()).prop_map(
        |(end, stages, nanos, stdout, stderr, truncated, exit_code)| {
            let duration = Duration::from_nanos(nanos);
            Body::Outcome(LineOutcome { end, stages, duration, stdout, stderr, truncated, exit_code })
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let kind = prop::sample::select(vec![SessionKind::Repl, SessionKind::Once, SessionKind::Script]);
    let names = ["pact-platform-admin", "pact-ops-a", "pact-viewer-b-1", "pact-regulated-c", "pact-service-ai"];
    let role = prop::sample::select(names.map(|name| name.parse::<Role>().unwrap()).to_vec());
    let opened = (kind, prop::collection::vec(role, 0..4));
    let stage_kind =
        prop_oneof![any::<String>().prop_map(StageKind::Command), any::<String>().prop_map(StageKind::Program)];
    let stage = (stage_kind, prop::collection::vec(bytes(), 0..4)).prop_map(|(kind, argv)| StageRecord { kind, argv });
    let expansion = (bytes(), prop::collection::vec(bytes(), 0..3));
    let line = (bytes(), prop::collection::vec(stage, 0..4), prop::collection::vec(expansion, 0..3));
    let refused = (bytes(), any::<u64>(), hash(), any::<u8>(), any::<String>());
    prop_oneof![
        opened.prop_map(|(kind, roles)| Body::SessionOpened { kind, roles }),
        any::<String>().prop_map(|reason| Body::SessionClosed { reason }),
        line.prop_map(|(line, stages, expansions)| Body::Line(LineRecorded { line, stages, expansions })),
        refused.prop_map(|(line, line_bytes, line_sha256, exit_code, reason)| {
            Body::Refused(LineRefused { line, line_bytes, line_sha256, exit_code, reason })
        }),
        outcome(),
        (any::<String>(), prop::collection::vec(any::<String>(), 0..3))
            .prop_map(|(version, layers)| Body::AgentStarted { version, layers }),
        any::<String>().prop_map(|version| Body::MemberStarted { version }),
        any::<u64>().prop_map(|counted| Body::RecordsLost { counted }),
        (any::<u64>(), any::<String>()).prop_map(|(number, reason)| {
            Body::UplinkRejected { node: "n2".parse().unwrap(), number: SpoolNumber(number), reason }
        }),
        (any::<bool>(), any::<u64>(), bytes()).prop_map(|(errors, offset, data)| {
            let stream = if errors { OutputStream::Stderr } else { OutputStream::Stdout };
            Body::Output(OutputKept { stream, offset, data })
        }),
        any::<i64>().prop_map(|at| Body::Revoked {
            principal: "alice@example.org".parse().unwrap(),
            before: Timestamp::from_nanosecond(at.into()).unwrap(),
        }),
        (any::<String>(), any::<String>(), any::<u64>()).prop_map(|(reason, from, more)| Body::TokenRefused {
            reason,
            from,
            more
        }),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let scope = prop::sample::select(
        ["global", "vc:ml-training", "node:n1.example"].map(|s| s.parse::<Scope>().unwrap()).to_vec(),
    );
    let via = prop_oneof![Just(Via::Node("n1".parse().unwrap())), any::<String>().prop_map(Via::Member)];
    let peer = (any::<u32>(), any::<u32>(), prop::option::of("[a-z]{1,8}"))
        .prop_map(|(uid, pid, user)| Credential::Peer { uid, pid, user });
    let credential = prop::option::of(prop_oneof![peer, bytes().prop_map(Credential::Ticket)]);
    let position = (any::<u64>(), any::<u64>()).prop_map(|(epoch, number)| SpoolPosition {
        node: "n1".parse().unwrap(),
        epoch: SpoolEpoch(epoch),
        number: SpoolNumber(number),
    });
    let session = prop::option::of(any::<[u8; 16]>().prop_map(SessionId::from_bytes));
    // Seconds up to the year 2100.
    let head = (0..4_102_444_800_i64, scope, "[!-~]{1,30}", via, session, any::<u64>());
    let rest = (any::<String>(), any::<String>(), position, hash(), credential, body());
    (head, rest).prop_map(|((seconds, scope, author, via, session, line), rest)| {
        let (message, policy_version, position, request_hash, credential, body) = rest;
        let event_time = std::time::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        Entry {
            event_time: event_time.try_into().unwrap(),
            scope,
            author: author.parse().unwrap(),
            via,
            session,
            line: LineId(line),
            message,
            policy_version,
            position: Some(position),
            request_hash,
            credential,
            body,
        }
    })
}

proptest! {
    #[test]
    fn an_entry_is_read_as_it_was_written(entry in entry()) {
        let stored = entry.encode();
        prop_assert_eq!(Entry::decode(&stored), Ok(entry));
        fuzzed::entry(&stored);
    }

    #[test]
    fn damaged_entries_are_refused_or_are_entries(
        entry in entry(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stored = entry.encode();
        let at = at.index(stored.len());
        stored[at] = byte;
        fuzzed::entry(&stored);
        fuzzed::entry(&stored[..cut.index(stored.len())]);
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzed::entry(&bytes);
        fuzzed::entry(&[&[1], bytes.as_slice()].concat());
    }
}
