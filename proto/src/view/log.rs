//! Entries, a line each: `#number time KIND scope author message`. The number is the spool's, or the journal's seq.
//!
//! **Invariant:** whatever was typed is shown escaped; an entry is always one line.

use nu_ansi_term::{Color, Style as Paint};

use super::{Style, Value, escape};
use crate::grammar::quote;
use crate::model::entry::{
    Body, End, LineOutcome, LineRecorded, LineRefused, OutputKept, OutputStream, SessionKind, StageStatus,
};
use crate::model::{Entry, Kind, SpoolNumber};

/// One entry of a spool, with its newline.
pub fn log_line(entry: &Entry, style: Style) -> String {
    // What is in a spool has a position.
    let number = entry.position.as_ref().map_or(0, |position| position.number.0);
    numbered_line(number, entry, style)
}

/// One entry with the number under which it is found where it is shown, with its newline.
pub fn numbered_line(number: u64, entry: &Entry, style: Style) -> String {
    let kind = entry.body.kind();
    let label = paint(kind, style).paint(format!("{kind:<7}")).to_string();
    let time = entry.event_time.strftime("%Y-%m-%dT%H:%M:%SZ");
    let (scope, author) = (&entry.scope, &entry.author);
    format!("#{number} {time} {label} {scope} {author} {}{}{}\n", place(entry), what(&entry.body), why(entry))
}

/// The same for programs.
pub fn entry_value(number: u64, entry: &Entry) -> Value {
    let text = |text: &dyn ToString| Value::Text(text.to_string());
    let (argv, exit_code) = match &entry.body {
        Body::Line(line) => (Some(stages(line)), None),
        Body::Refused(refused) => (None, Some(refused.exit_code)),
        Body::Outcome(outcome) => (None, Some(outcome.exit_code)),
        Body::SessionOpened { .. }
        | Body::SessionClosed { .. }
        | Body::AgentStarted { .. }
        | Body::MemberStarted { .. }
        | Body::RecordsLost { .. }
        | Body::UplinkRejected { .. }
        | Body::Output(_)
        | Body::Revoked { .. }
        | Body::TokenRefused { .. } => (None, None),
    };
    Value::object([
        ("number", Value::number(i64::try_from(number).unwrap_or(i64::MAX))),
        ("time", text(&entry.event_time)),
        ("kind", text(&entry.body.kind())),
        ("scope", text(&entry.scope)),
        ("author", text(&entry.author)),
        ("session", entry.session.map_or(Value::Null, |session| text(&session))),
        ("line", if entry.line.0 == 0 { Value::Null } else { text(&entry.line.0) }),
        ("what", Value::Text(what(&entry.body))),
        ("argv", argv.unwrap_or(Value::Null)),
        ("exit_code", exit_code.map_or(Value::Null, |code| Value::number(i64::from(code)))),
        ("message", Value::text(&entry.message)),
    ])
}

/// One that cannot be read, for programs: why.
pub fn unreadable_value(number: u64, why: &str) -> Value {
    Value::object([
        ("number", Value::number(i64::try_from(number).unwrap_or(i64::MAX))),
        ("unreadable", Value::text(why)),
    ])
}

/// The argv of every stage.
fn stages(line: &LineRecorded) -> Value {
    let words = |argv: &Vec<Vec<u8>>| Value::List(argv.iter().map(|word| Value::bytes(word)).collect());
    Value::List(line.stages.iter().map(|stage| words(&stage.argv)).collect())
}

fn paint(kind: Kind, style: Style) -> Paint {
    let plain = Paint::new();
    if !style.colour {
        return plain;
    }
    match kind {
        Kind::Line => Color::Green.normal(),
        Kind::Refused | Kind::Lost | Kind::Rejected | Kind::Revoked | Kind::Denied => Color::Red.normal(),
        Kind::Outcome => Color::Cyan.normal(),
        Kind::Session | Kind::End | Kind::Agent | Kind::Member | Kind::Output => plain.dimmed(),
    }
}

/// `[session.line] `, or `[session] `, or nothing.
fn place(entry: &Entry) -> String {
    match (entry.session, entry.line.0) {
        (None, _) => String::new(),
        (Some(session), 0) => format!("[{session}] "),
        (Some(session), line) => format!("[{session}.{line}] "),
    }
}

/// What happened, in a line, escaped.
pub(super) fn what(body: &Body) -> String {
    match body {
        Body::SessionOpened { kind, roles } => {
            let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
            let how = match kind {
                SessionKind::Repl => "prompt",
                SessionKind::Once => "one line",
                SessionKind::Script => "script",
            };
            if roles.is_empty() { how.to_owned() } else { format!("{how} as {}", roles.join(", ")) }
        }
        Body::SessionClosed { reason } => escape(reason.as_bytes()),
        Body::Line(line) => recorded(line),
        Body::Refused(line) => refused(line),
        Body::Outcome(end) => outcome(end),
        Body::AgentStarted { version, layers } => {
            format!("pact-agent {} with {}", escape(version.as_bytes()), escape(layers.join(", ").as_bytes()))
        }
        Body::MemberStarted { version } => format!("pact-journal {}", escape(version.as_bytes())),
        Body::RecordsLost { counted } => format!("{counted} records could not be kept while the disk was full"),
        Body::UplinkRejected { node, number: SpoolNumber(0), reason } => {
            format!("the journal did not take what {node} sent: {}", escape(reason.as_bytes()))
        }
        Body::UplinkRejected { node, number, reason } => {
            format!("the journal did not take entry {} of {node}: {}", number.0, escape(reason.as_bytes()))
        }
        Body::Output(piece) => kept(piece),
        Body::Revoked { principal, before } => {
            format!("{principal}: what was issued before {} counts no more", before.strftime("%Y-%m-%dT%H:%M:%SZ"))
        }
        Body::TokenRefused { reason, from, more } => {
            let more = if *more == 0 { String::new() } else { format!(" ({more} more are not listed)") };
            format!("{}: {}{more}", escape(from.as_bytes()), escape(reason.as_bytes()))
        }
    }
}

/// What a piece is, not what is in it: that is for whoever asks for one line.
fn kept(piece: &OutputKept) -> String {
    let stream = match piece.stream {
        OutputStream::Stdout => "stdout",
        OutputStream::Stderr => "stderr",
    };
    format!("{} bytes of {stream} from byte {} on", piece.data.len(), piece.offset)
}

/// `: <why>`, where a person gave a reason.
fn why(entry: &Entry) -> String {
    if entry.message.is_empty() { String::new() } else { format!(": {}", escape(entry.message.as_bytes())) }
}

/// What is executed, not what was typed: the argv of every stage.
fn recorded(line: &LineRecorded) -> String {
    let stage = |argv: &Vec<Vec<u8>>| argv.iter().map(|word| executed(word)).collect::<Vec<_>>().join(" ");
    let stages: Vec<_> = line.stages.iter().map(|s| stage(&s.argv)).collect();
    stages.join(" | ")
}

/// One word, byte for byte: a file that a pattern found need not have a name in UTF-8.
fn executed(word: &[u8]) -> String {
    match std::str::from_utf8(word) {
        Ok(_) => escape(quote(word).as_bytes()),
        Err(_) => format!("'{}'", escape(word)),
    }
}

fn refused(line: &LineRefused) -> String {
    let reason = escape(line.reason.as_bytes());
    let more = if line.line_bytes > line.line.len() as u64 {
        format!("… ({} bytes)", line.line_bytes)
    } else {
        String::new()
    };
    match line.line.as_slice() {
        [] => format!("exit {}: {reason}", line.exit_code),
        typed => format!("exit {}: {reason}: {}{more}", line.exit_code, escape(typed)),
    }
}

fn outcome(line: &LineOutcome) -> String {
    let each = match line.stages.as_slice() {
        [] | [_] => String::new(),
        stages => format!(" ({})", stages.iter().map(stage_status).collect::<Vec<_>>().join(", ")),
    };
    let bytes = line.stdout.bytes + line.stderr.bytes;
    let cut = if line.truncated { ", truncated" } else { "" };
    let how = match &line.end {
        End::Finished => format!("exit {}{each}", line.exit_code),
        End::Interrupted(by) => format!("interrupted: {}{each}", escape(by.as_bytes())),
        End::Failed(why) => format!("not started: {}", escape(why.as_bytes())),
    };
    format!("{how} after {} ms, {bytes} bytes{cut}", line.duration.as_millis())
}

fn stage_status(status: &StageStatus) -> String {
    match status {
        StageStatus::Exited(code) => code.to_string(),
        StageStatus::Signaled(signal) => format!("signal {signal}"),
        StageStatus::Unknown(_) => "unknown".to_owned(),
    }
}
