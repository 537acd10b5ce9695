//! What `status` and `whoami` say.

use jiff::Timestamp;

use super::fold::fold;
use super::{Style, Value, escape};

/// One node, as its agent knows it.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// Its vCluster.
    pub vcluster: String,
    /// OBSERVE_ONLY, COMMITTED, DRIFTED, CONVERGING or EMERGENCY.
    pub state: &'static str,
    /// Services that pact supervises and that run.
    pub services_running: u32,
    /// Of the policy in force.
    pub policy_version: String,
    /// Programs on the whitelist.
    pub programs: usize,
    /// Open sessions.
    pub sessions: u32,
    /// Layers of the sandbox that hold.
    pub layers: Vec<String>,
    /// What is less than asked for: while there is any, no program starts.
    pub failures: Vec<String>,
    /// The last record on the node's disk.
    pub last_record: u64,
    /// Records that wait in memory for room.
    pub unwritten: u64,
    /// The journal, where one is configured.
    pub journal: Option<JournalStatus>,
    /// What is degraded, a sentence each.
    pub degraded: Vec<String>,
    /// For how long the agent has served.
    pub up: std::time::Duration,
}

/// The journal, as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalStatus {
    /// Where it is.
    pub endpoint: String,
    /// Records that it does not have.
    pub waiting: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// Since when it is away, and why.
    pub away: Option<(Timestamp, String)>,
}

/// The first line is the specification's; the rest is what an administrator asks next.
pub fn status(status: &NodeStatus, style: Style) -> String {
    let NodeStatus { node, vcluster, state, services_running, .. } = status;
    let mut text = format!("Node: {node}  State: {state}  Supervisor: {services_running} services running\n");
    let mut row = |name: &str, value: &str| {
        text.push_str(&format!("{name:<10}{}\n", fold(&escape(value.as_bytes()), 10, style.columns)));
    };
    row("vCluster:", vcluster);
    let sessions = if status.sessions == 1 { "session" } else { "sessions" };
    row("Agent:", &format!("up {}, {} open {sessions}", span(status.up), status.sessions));
    row("Policy:", &format!("{}, {} programs", status.policy_version, status.programs));
    row("Records:", &format!("{} on this node, {} waiting for room", status.last_record, status.unwritten));
    if let Some(journal) = &status.journal {
        row("Journal:", &journal_row(journal));
    }
    row("Sandbox:", &status.layers.join(", "));
    for failure in &status.failures {
        row("Refused:", &format!("no program starts: {failure}"));
    }
    for degraded in &status.degraded {
        row("Degraded:", degraded);
    }
    text
}

/// The same for programs.
pub fn status_value(status: &NodeStatus) -> Value {
    let whole = |number: u64| Value::number(i64::try_from(number).unwrap_or(i64::MAX));
    let texts = |texts: &[String]| Value::List(texts.iter().map(|text| Value::text(text)).collect());
    let journal = |journal: &JournalStatus| {
        let (since, why) = match &journal.away {
            Some((since, why)) => (Value::Text(since.to_string()), Value::text(why)),
            None => (Value::Null, Value::Null),
        };
        Value::object([
            ("endpoint", Value::text(&journal.endpoint)),
            ("waiting", whole(journal.waiting)),
            ("away_since", since),
            ("away_because", why),
        ])
    };
    Value::object([
        ("node", Value::text(&status.node)),
        ("vcluster", Value::text(&status.vcluster)),
        ("state", Value::text(status.state)),
        ("services_running", whole(status.services_running.into())),
        ("policy_version", Value::text(&status.policy_version)),
        ("programs", whole(status.programs as u64)),
        ("sessions", whole(status.sessions.into())),
        ("layers", texts(&status.layers)),
        ("refused", texts(&status.failures)),
        ("degraded", texts(&status.degraded)),
        ("last_record", whole(status.last_record)),
        ("unwritten", whole(status.unwritten)),
        ("journal", status.journal.as_ref().map_or(Value::Null, journal)),
        ("up_seconds", whole(status.up.as_secs())),
    ])
}

fn journal_row(journal: &JournalStatus) -> String {
    let time = |time: &Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let waiting = match journal.waiting {
        0 => "all records are there".to_owned(),
        1 => "1 record waits".to_owned(),
        many => format!("{many} records wait"),
    };
    let since = journal.oldest.as_ref().filter(|_| journal.waiting > 0);
    let since = since.map(|oldest| format!(", since {}", time(oldest))).unwrap_or_default();
    let away = journal.away.as_ref();
    let away = away.map(|(since, reason)| format!("; away since {}: {reason}", time(since))).unwrap_or_default();
    format!("{}, {waiting}{since}{away}", journal.endpoint)
}

/// Who is asking.
pub fn whoami(principal: &str, credential: &str, roles: &[String]) -> String {
    let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
    let row = |name: &str, value: &str| format!("{name:<11}{}\n", escape(value.as_bytes()));
    row("Principal:", principal) + &row("Verified:", credential) + &row("Roles:", &roles)
}

/// The same for programs.
pub fn whoami_value(principal: &str, credential: &str, roles: &[String]) -> Value {
    Value::object([
        ("principal", Value::text(principal)),
        ("verified", Value::text(credential)),
        ("roles", Value::List(roles.iter().map(|role| Value::text(role)).collect())),
    ])
}

fn span(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}
