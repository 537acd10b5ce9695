//! What the journal says of nodes and of itself: `status --vcluster`, `cluster`, `health`, `revoke`.

use jiff::Timestamp;

use super::value::Value;
use super::{Style, escape};
use crate::model::Principal;

/// A node, as the journal heard of it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetNode {
    /// Its name.
    pub node: String,
    /// Where it belongs.
    pub vcluster: String,
    /// Whether it is connected.
    pub link: FleetLink,
}

/// Whether a node is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetLink {
    /// It is, and says this of itself; nothing yet where it has just come.
    There {
        /// As `status` on the node begins.
        state: String,
        /// Open sessions.
        sessions: u32,
        /// Records that the journal does not have.
        unsent: u64,
        /// A sentence each.
        degraded: Vec<String>,
    },
    /// It is not, since then.
    Away(Timestamp),
}

/// The journal, as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Its name.
    pub cluster: String,
    /// Its members.
    pub members: Vec<u64>,
    /// The one that answers.
    pub me: u64,
    /// The one that leads, where one is known.
    pub leader: Option<u64>,
    /// The last entry.
    pub last: u64,
    /// Nodes that are connected, of those that were since the member started.
    pub connected: usize,
    /// All of those.
    pub known: usize,
}

impl FleetNode {
    fn state(&self) -> &str {
        match &self.link {
            FleetLink::There { state, .. } if state.is_empty() => "STARTING",
            FleetLink::There { state, .. } => state,
            FleetLink::Away(_) => "AWAY",
        }
    }

    /// Worst first.
    fn badness(&self) -> u8 {
        let FleetLink::There { degraded, unsent, .. } = &self.link else { return 0 };
        match self.state() {
            "EMERGENCY" => 1,
            "DRIFTED" => 2,
            "CONVERGING" => 3,
            _ if !degraded.is_empty() || *unsent > 0 => 4,
            _ => 5,
        }
    }

    /// What is not as it should be, a sentence each.
    fn complaints(&self) -> Vec<String> {
        match &self.link {
            FleetLink::Away(since) => vec![format!("away since {}", time(since))],
            FleetLink::There { degraded, unsent, .. } => {
                let waiting = match unsent {
                    0 => None,
                    1 => Some("1 record waits for the journal".to_owned()),
                    _ => Some(format!("{unsent} records wait for the journal")),
                };
                waiting.into_iter().chain(degraded.iter().cloned()).collect()
            }
        }
    }
}

/// Puts the worst first, then by name.
fn sorted(nodes: &[FleetNode]) -> Vec<&FleetNode> {
    let mut nodes: Vec<_> = nodes.iter().collect();
    nodes.sort_by(|a, b| (a.badness(), &a.node).cmp(&(b.badness(), &b.node)));
    nodes
}

/// A table, worst first, and a line that sums it up.
pub fn fleet(nodes: &[FleetNode], style: Style) -> String {
    let width = nodes.iter().map(|node| node.node.len()).max().unwrap_or(0).max("NODE".len());
    let mut text = format!("{:width$}  {:<12}  {:>8}  {}\n", "NODE", "STATE", "SESSIONS", "WHAT IS WRONG");
    for node in sorted(nodes) {
        let sessions = match &node.link {
            FleetLink::There { sessions, .. } => sessions.to_string(),
            FleetLink::Away(_) => "-".to_owned(),
        };
        let wrong = super::fold::fold(&escape(node.complaints().join("; ").as_bytes()), width + 26, style.columns);
        let row = format!("{:width$}  {:<12}  {sessions:>8}  {wrong}", node.node, escape(node.state().as_bytes()));
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text.push_str(&recap(nodes));
    text
}

fn recap(nodes: &[FleetNode]) -> String {
    let mut states: Vec<(&str, usize)> = Vec::new();
    for node in sorted(nodes) {
        match states.iter_mut().find(|(state, _)| *state == node.state()) {
            Some((_, count)) => *count += 1,
            None => states.push((node.state(), 1)),
        }
    }
    let states: Vec<_> = states.iter().map(|(state, count)| format!("{count} {}", escape(state.as_bytes()))).collect();
    let nodes = if nodes.len() == 1 { "1 node".to_owned() } else { format!("{} nodes", nodes.len()) };
    format!("{nodes}: {}\n", states.join(", "))
}

/// The same for programs.
pub fn fleet_value(nodes: &[FleetNode]) -> Value {
    let node = |node: &FleetNode| {
        let (sessions, unsent, away) = match &node.link {
            FleetLink::There { sessions, unsent, .. } => {
                (Value::number(i64::from(*sessions)), whole(*unsent), Value::Null)
            }
            FleetLink::Away(since) => (Value::Null, Value::Null, Value::text(&time(since))),
        };
        Value::object([
            ("node", Value::text(&node.node)),
            ("vcluster", Value::text(&node.vcluster)),
            ("state", Value::text(node.state())),
            ("sessions", sessions),
            ("unsent", unsent),
            ("away_since", away),
            ("wrong", Value::List(node.complaints().iter().map(|text| Value::text(text)).collect())),
        ])
    };
    Value::object([("nodes", Value::List(sorted(nodes).into_iter().map(node).collect()))])
}

/// `cluster`
pub fn cluster(status: &ClusterStatus) -> String {
    let ClusterStatus { cluster, members, me, leader, last, connected, known } = status;
    let mut text = format!("Journal:  {}, last entry {last}\n", escape(cluster.as_bytes()));
    for member in members {
        let leads = if Some(*member) == *leader { ", leads" } else { "" };
        let here = if member == me { ", answers" } else { "" };
        text.push_str(&format!("Member:   {member}{leads}{here}\n"));
    }
    text.push_str(&format!("Nodes:    {connected} connected, of {known} that were since this member started\n"));
    text
}

/// The same for programs.
pub fn cluster_value(status: &ClusterStatus) -> Value {
    let ClusterStatus { cluster, members, me, leader, last, connected, known } = status;
    let member =
        |member: &u64| Value::object([("id", whole(*member)), ("leads", Value::Bool(Some(*member) == *leader))]);
    Value::object([
        ("cluster", Value::text(cluster)),
        ("members", Value::List(members.iter().map(member).collect())),
        ("answers", whole(*me)),
        ("last_seq", whole(*last)),
        ("nodes_connected", whole(*connected as u64)),
        ("nodes_known", whole(*known as u64)),
    ])
}

/// What is wrong, a sentence each; of nodes only what is not as it should be.
pub fn findings(status: &ClusterStatus, nodes: &[FleetNode]) -> Vec<String> {
    let leaderless = status.leader.is_none().then(|| "journal: no member leads, and nothing is recorded".to_owned());
    let of = |node: &FleetNode| node.complaints().into_iter().map(|wrong| format!("{}: {wrong}", node.node)).collect();
    leaderless.into_iter().chain(sorted(nodes).into_iter().flat_map::<Vec<_>, _>(of)).collect()
}

/// `health`
pub fn health(status: &ClusterStatus, nodes: &[FleetNode]) -> String {
    let found = findings(status, nodes);
    let checked = format!(
        "the journal and {}",
        if nodes.len() == 1 { "1 node".to_owned() } else { format!("{} nodes", nodes.len()) }
    );
    if found.is_empty() {
        return format!("all is well: {checked}\n");
    }
    let lines: String = found.iter().map(|finding| format!("{}\n", escape(finding.as_bytes()))).collect();
    format!("{lines}{} found, of {checked}\n", found.len())
}

/// The same for programs.
pub fn health_value(status: &ClusterStatus, nodes: &[FleetNode]) -> Value {
    let found = findings(status, nodes);
    Value::object([
        ("well", Value::Bool(found.is_empty())),
        ("findings", Value::List(found.iter().map(|finding| Value::text(finding)).collect())),
        ("nodes", whole(nodes.len() as u64)),
    ])
}

/// `revoke`
pub fn revoked(principal: &Principal, before: &Timestamp) -> String {
    format!("{principal}: what was issued until {} counts no more; open sessions end within seconds\n", time(before))
}

/// The same for programs.
pub fn revoked_value(principal: &Principal, before: &Timestamp) -> Value {
    Value::object([("principal", Value::text(principal.as_str())), ("before", Value::text(&time(before)))])
}

fn whole(number: u64) -> Value {
    Value::number(i64::try_from(number).unwrap_or(i64::MAX))
}

fn time(time: &Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::json;

    fn nodes() -> Vec<FleetNode> {
        let there = |state: &str, unsent, degraded: &[&str]| FleetLink::There {
            state: state.to_owned(),
            sessions: 2,
            unsent,
            degraded: degraded.iter().map(ToString::to_string).collect(),
        };
        [
            ("node001", there("OBSERVE_ONLY", 0, &[])),
            ("node002", there("OBSERVE_ONLY", 3, &["the disk of the records is full: no program starts"])),
            ("node003", FleetLink::Away("2026-01-31T10:00:00Z".parse().unwrap())),
            ("node004", there("", 0, &[])),
            ("node005", there("DRIFTED", 0, &[])),
        ]
        .map(|(node, link)| FleetNode { node: node.into(), vcluster: "ml".into(), link })
        .into()
    }

    fn status(leader: Option<u64>) -> ClusterStatus {
        ClusterStatus { cluster: "site".into(), members: vec![1], me: 1, leader, last: 42, connected: 4, known: 5 }
    }

    #[test]
    fn the_worst_comes_first() {
        let text = fleet(&nodes(), Style { colour: false, columns: 80 });
        let expected = "\
NODE     STATE         SESSIONS  WHAT IS WRONG
node003  AWAY                 -  away since 2026-01-31T10:00:00Z
node005  DRIFTED              2
node002  OBSERVE_ONLY         2  3 records wait for the journal; the disk of the
                                 records is full: no program starts
node001  OBSERVE_ONLY         2
node004  STARTING             2
5 nodes: 1 AWAY, 1 DRIFTED, 2 OBSERVE_ONLY, 1 STARTING
";
        assert_eq!(text, expected);
        let value = json(&fleet_value(&nodes()[..1]));
        let expected = "{\"nodes\":[{\"node\":\"node001\",\"vcluster\":\"ml\",\"state\":\"OBSERVE_ONLY\",\"sessions\":2,\
                        \"unsent\":0,\"away_since\":null,\"wrong\":[]}]}\n";
        assert_eq!(value, expected);
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_else() {
        let expected = "\
journal: no member leads, and nothing is recorded
node003: away since 2026-01-31T10:00:00Z
node002: 3 records wait for the journal
node002: the disk of the records is full: no program starts
4 found, of the journal and 5 nodes
";
        assert_eq!(health(&status(None), &nodes()), expected);
        assert_eq!(health(&status(Some(1)), &nodes()[..1]), "all is well: the journal and 1 node\n");
        let value = json(&health_value(&status(Some(1)), &nodes()[..1]));
        assert_eq!(value, "{\"well\":true,\"findings\":[],\"nodes\":1}\n");
    }

    #[test]
    fn the_journal_says_who_keeps_it() {
        let expected = "\
Journal:  site, last entry 42
Member:   1, leads, answers
Nodes:    4 connected, of 5 that were since this member started
";
        assert_eq!(cluster(&status(Some(1))), expected);
        let expected = "{\"cluster\":\"site\",\"members\":[{\"id\":1,\"leads\":true}],\"answers\":1,\"last_seq\":42,\
                        \"nodes_connected\":4,\"nodes_known\":5}\n";
        assert_eq!(json(&cluster_value(&status(Some(1)))), expected);
    }
}
