//! What `status` and `whoami` say.

use super::fold::fold;
use super::{Style, escape};

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
    /// What is degraded, a sentence each.
    pub degraded: Vec<String>,
    /// For how long the agent has served.
    pub up: std::time::Duration,
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
    row("Sandbox:", &status.layers.join(", "));
    for failure in &status.failures {
        row("Refused:", &format!("no program starts: {failure}"));
    }
    for degraded in &status.degraded {
        row("Degraded:", degraded);
    }
    text
}

/// Who is asking.
pub fn whoami(principal: &str, credential: &str, roles: &[String]) -> String {
    let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
    let row = |name: &str, value: &str| format!("{name:<11}{}\n", escape(value.as_bytes()));
    row("Principal:", principal) + &row("Verified:", credential) + &row("Roles:", &roles)
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
