//! One entry whole, and what its line wrote: `log show`.
//!
//! **Invariant:** whatever was typed or written is shown escaped; where bytes are missing, it is said how many.

use super::log::what;
use super::value::Value;
use super::{Style, entry_value, escape, fold};
use crate::model::Entry;
use crate::model::entry::{Body, Credential, OutputKept, OutputStream, Via};

/// A row a field, and the output as far as it was kept. `pieces` are those of the entry's line, in any order.
pub fn record(number: u64, entry: &Entry, pieces: &[OutputKept], style: Style) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{name:<12}{}\n", fold::fold(&escape(value.as_bytes()), 12, style.columns)));
        }
    };
    row("Entry:", &format!("{number}, {}", entry.body.kind()));
    row("Time:", &entry.event_time.to_string());
    row("Scope:", &entry.scope.to_string());
    row("Author:", entry.author.as_str());
    row("Verified:", &entry.credential.as_ref().map(verified).unwrap_or_default());
    row("Via:", &via(&entry.via));
    row("Session:", &entry.session.map(|session| session.to_string()).unwrap_or_default());
    row("Line:", &if entry.line.0 == 0 { String::new() } else { entry.line.0.to_string() });
    row("Policy:", &entry.policy_version);
    row("Typed:", &String::from_utf8_lossy(typed(entry)));
    // Escaped already, word by word.
    text.push_str(&format!("{:<12}{}\n", "What:", fold::fold(&what(&entry.body), 12, style.columns)));
    if !entry.message.is_empty() {
        text.push_str(&format!(
            "{:<12}{}\n",
            "Message:",
            fold::fold(&escape(entry.message.as_bytes()), 12, style.columns)
        ));
    }
    for (stream, name) in [(OutputStream::Stdout, "stdout"), (OutputStream::Stderr, "stderr")] {
        text.push_str(&output(entry, pieces, stream, name));
    }
    text
}

/// The same for programs: the entry as `log` has it, and its output.
pub fn record_value(number: u64, entry: &Entry, pieces: &[OutputKept]) -> Value {
    let mut fields = match entry_value(number, entry) {
        Value::Object(fields) => fields,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_)) => {
            vec![("entry", other)]
        }
    };
    let text = |text: String| if text.is_empty() { Value::Null } else { Value::Text(text) };
    fields.push(("verified", text(entry.credential.as_ref().map(verified).unwrap_or_default())));
    fields.push(("via", text(via(&entry.via))));
    fields.push(("policy_version", text(entry.policy_version.clone())));
    fields.push(("typed", if typed(entry).is_empty() { Value::Null } else { Value::bytes(typed(entry)) }));
    for (stream, name) in [(OutputStream::Stdout, "stdout"), (OutputStream::Stderr, "stderr")] {
        let bytes = joined(pieces, stream);
        fields.push((name, if bytes.is_empty() { Value::Null } else { Value::bytes(&bytes) }));
    }
    Value::Object(fields)
}

fn typed(entry: &Entry) -> &[u8] {
    match &entry.body {
        Body::Line(line) => &line.line,
        Body::Refused(line) => &line.line,
        Body::SessionOpened { .. }
        | Body::SessionClosed { .. }
        | Body::Outcome(_)
        | Body::AgentStarted { .. }
        | Body::MemberStarted { .. }
        | Body::RecordsLost { .. }
        | Body::UplinkRejected { .. }
        | Body::Output(_)
        | Body::Revoked { .. }
        | Body::TokenRefused { .. } => &[],
    }
}

fn verified(credential: &Credential) -> String {
    match credential {
        Credential::Peer { uid, user: Some(user), .. } => format!("account {user} (uid {uid}) of the node"),
        Credential::Peer { uid, user: None, .. } => format!("uid {uid} of the node"),
        Credential::Ticket(_) => "ticket of the journal".to_owned(),
    }
}

fn via(via: &Via) -> String {
    match via {
        Via::Node(node) => format!("the agent of {node}"),
        Via::Member(member) => format!("member {member} of the journal"),
    }
}

/// The pieces one behind the other, as far as they are there from the first byte on.
fn joined(pieces: &[OutputKept], stream: OutputStream) -> Vec<u8> {
    let mut of: Vec<_> = pieces.iter().filter(|piece| piece.stream == stream).collect();
    of.sort_by_key(|piece| piece.offset);
    let mut bytes = Vec::new();
    for piece in of {
        if piece.offset == bytes.len() as u64 {
            bytes.extend_from_slice(&piece.data);
        }
    }
    bytes
}

fn output(entry: &Entry, pieces: &[OutputKept], stream: OutputStream, name: &str) -> String {
    let bytes = joined(pieces, stream);
    let all = match (&entry.body, stream) {
        (Body::Outcome(outcome), OutputStream::Stdout) => outcome.stdout.bytes,
        (Body::Outcome(outcome), OutputStream::Stderr) => outcome.stderr.bytes,
        (
            Body::SessionOpened { .. }
            | Body::SessionClosed { .. }
            | Body::Line(_)
            | Body::Refused(_)
            | Body::AgentStarted { .. }
            | Body::MemberStarted { .. }
            | Body::RecordsLost { .. }
            | Body::UplinkRejected { .. }
            | Body::Output(_)
            | Body::Revoked { .. }
            | Body::TokenRefused { .. },
            _,
        ) => bytes.len() as u64,
    };
    let mut text = String::new();
    if !bytes.is_empty() {
        text.push_str(&format!("--- {name}, {} bytes\n", bytes.len()));
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            text.push_str(&format!("{}\n", escape(line)));
        }
    }
    let missing = all.saturating_sub(bytes.len() as u64);
    if missing > 0 {
        let more = if bytes.is_empty() { "" } else { " more" };
        text.push_str(&format!("--- {name}: {missing} bytes{more} were not kept\n"));
    }
    text
}
