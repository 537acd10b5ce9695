//! The policy as its file says it.
//!
//! **Invariant:** a policy that exists has been checked: every role exists, every account is bound once, root never.

use std::collections::{BTreeMap, BTreeSet};

use pact_proto::model::{Principal, ProgramName, Role};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

/// Who may do what.
#[derive(Clone, Debug)]
pub struct Policy {
    version: String,
    bindings: BTreeMap<String, Binding>,
    disabled: BTreeSet<ProgramName>,
    service_ai_programs: bool,
    audit: Audit,
    limits: Limits,
    recording: Recording,
}

/// Where a line must be on record before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audit {
    /// On the node's disk.
    #[default]
    Local,
    /// On the disks of the journal's majority.
    Quorum,
}

/// Who an account of a node is.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) principal: Principal,
    pub(crate) roles: BTreeSet<Role>,
}

/// What bounds sessions and lines.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open sessions of one account.
    pub sessions_per_user: u32,
    /// Open sessions on one node.
    pub sessions_per_node: u32,
    /// Lines of one person in a minute, in all sessions on a node.
    pub lines_per_minute: u32,
    /// How long a prompt may stand there unused; 0 for as long as it likes.
    pub idle_seconds: u64,
    /// How long a line of `-c` or a script may run.
    pub wall_seconds: u64,
    /// How much it may write.
    pub output_bytes: u64,
    /// How much of what a line's programs write is kept on record: 0 for nothing, `u64::MAX`, as `"all"`, for everything.
    #[serde(deserialize_with = "bytes_or_all")]
    pub output_kept_bytes: u64,
    /// Processes of one session at a time.
    pub processes: u64,
    /// Memory of one session.
    pub memory_bytes: u64,
    /// Files that one process may have open.
    pub open_files: u64,
    /// Processor time of one process.
    pub cpu_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions_per_user: 16,
            sessions_per_node: 256,
            lines_per_minute: 6000,
            idle_seconds: 12 * 60 * 60,
            wall_seconds: 300,
            output_bytes: 10 << 20,
            output_kept_bytes: 64 << 10,
            processes: 64,
            memory_bytes: 1 << 30,
            open_files: 1024,
            cpu_seconds: 600,
        }
    }
}

/// What of sessions is recorded as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recording {
    /// Lines that have the terminal.
    pub terminal: bool,
    /// The most of one recording.
    pub most_bytes: u64,
    /// How long one is kept.
    pub keep_days: u64,
}

impl Default for Recording {
    fn default() -> Self {
        Self { terminal: true, most_bytes: 10 << 20, keep_days: 30 }
    }
}

/// A number, or `"all"`.
fn bytes_or_all<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Bytes(u64),
        Word(String),
    }
    match Said::deserialize(from) {
        Ok(Said::Bytes(bytes)) => Ok(bytes),
        Ok(Said::Word(word)) if word == "all" => Ok(u64::MAX),
        Ok(Said::Word(_)) | Err(_) => Err(D::Error::custom("it must be a number of bytes, or \"all\"")),
    }
}

impl Limits {
    /// A limit of nothing would let nobody in, and say so to nobody.
    fn check(&self) -> Result<(), PolicyError> {
        let all = [
            ("sessions_per_user", self.sessions_per_user.into()),
            ("sessions_per_node", self.sessions_per_node.into()),
            ("lines_per_minute", self.lines_per_minute.into()),
            ("wall_seconds", self.wall_seconds),
            ("output_bytes", self.output_bytes),
            ("processes", self.processes),
            ("memory_bytes", self.memory_bytes),
            ("open_files", self.open_files),
            ("cpu_seconds", self.cpu_seconds),
        ];
        match all.iter().find(|(_, limit)| *limit == 0) {
            Some((name, _)) => {
                Err(PolicyError { key: format!("limits.{name}"), what: "it must be 1 at least".to_owned() })
            }
            None => Ok(()),
        }
    }
}

/// A policy that cannot be used: where, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct PolicyError {
    key: String,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default)]
    bind: Vec<BindFile>,
    #[serde(default)]
    programs: ProgramsFile,
    #[serde(default)]
    service_ai: ServiceAiFile,
    #[serde(default)]
    audit: Audit,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    recording: Recording,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BindFile {
    user: String,
    principal: String,
    roles: Vec<String>,
}

/// What of the node's whitelist is not for this vCluster.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ProgramsFile {
    disabled: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServiceAiFile {
    programs: bool,
}

impl Policy {
    /// Reads and checks a policy.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let file: PolicyFile = toml_edit::de::from_str(text).map_err(|error| at_line(text, &error))?;
        let mut bindings = BTreeMap::new();
        for (index, bind) in file.bind.into_iter().enumerate() {
            let key = format!("bind {}", index + 1);
            let wrong = |what: String| PolicyError { key: key.clone(), what };
            let (user, binding) = bind.check().map_err(wrong)?;
            if bindings.insert(user.clone(), binding).is_some() {
                return Err(wrong(format!("user {user:?} is bound twice")));
            }
        }
        file.limits.check()?;
        let disabled = file.programs.disabled.iter().map(|name| name.parse());
        let disabled = disabled
            .collect::<Result<_, _>>()
            .map_err(|error| PolicyError { key: "programs.disabled".to_owned(), what: format!("{error}") })?;
        let version: String = Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let service_ai_programs = file.service_ai.programs;
        Ok(Self {
            version,
            bindings,
            disabled,
            service_ai_programs,
            audit: file.audit,
            limits: file.limits,
            recording: file.recording,
        })
    }

    /// The first 12 hexadecimal digits of its SHA-256.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where a line must be on record before it runs.
    pub fn audit(&self) -> Audit {
        self.audit
    }

    /// What bounds sessions and lines.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What of sessions is recorded as it was seen.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    pub(crate) fn binding(&self, user: &str) -> Option<&Binding> {
        self.bindings.get(user)
    }

    pub(crate) fn is_enabled(&self, program: &ProgramName) -> bool {
        !self.disabled.contains(program)
    }

    pub(crate) fn service_ai_may_start_programs(&self) -> bool {
        self.service_ai_programs
    }
}

impl BindFile {
    fn check(self) -> Result<(String, Binding), String> {
        if self.user.is_empty() || self.user == "root" {
            return Err(format!("user {:?} cannot be bound to a person", self.user));
        }
        let principal: Principal = self.principal.parse().map_err(|error| format!("{error}"))?;
        if principal.as_str().starts_with("unix:") {
            return Err("a principal that begins with `unix:` is nobody's".to_owned());
        }
        let roles = self.roles.iter().map(|role| role.parse::<Role>()).collect::<Result<_, _>>();
        Ok((self.user, Binding { principal, roles: roles.map_err(|error| format!("{error}"))? }))
    }
}

fn at_line(text: &str, error: &toml_edit::de::Error) -> PolicyError {
    let (line, what) = pact_proto::toml::wrong(text, error);
    PolicyError { key: format!("line {line}"), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let bind =
            |user: &str, roles: &str| format!("[[bind]]\nuser = {user:?}\nprincipal = \"a@b\"\nroles = [{roles}]\n");
        for (text, expected) in [
            ("bnid = 1".to_owned(), "line 1: unknown field `bnid`"),
            ("\n[limits]\nwall = 1".to_owned(), "line 3: unknown field `wall`"),
            (bind("root", ""), "bind 1: user \"root\" cannot be bound"),
            (bind("a", "\"pact-admin\""), "bind 1: \"pact-admin\" is not a role"),
            (bind("a", "") + &bind("a", ""), "bind 2: user \"a\" is bound twice"),
            ("[limits]\nopen_files = 0".to_owned(), "limits.open_files: it must be 1 at least"),
            ("[limits]\nopen_files = -1".to_owned(), "line 2: "),
            ("audit = \"none\"".to_owned(), "line 1: unknown variant `none`, expected `local` or `quorum`"),
            ("[programs]\ndisabled = [\"/bin/x\"]".to_owned(), "programs.disabled: \"/bin/x\" is not a program name"),
            ("[[bind]]\nuser = \"a\"\nprincipal = \"unix:a\"\nroles = []".to_owned(), "is nobody's"),
        ] {
            let error = Policy::from_toml(&text).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn audit_is_local_unless_it_says_otherwise() {
        for (text, audit) in [
            ("", Audit::Local),
            ("audit = \"local\"", Audit::Local),
            ("audit = \"quorum\"", Audit::Quorum),
            (include_str!("../../examples/policy.toml"), Audit::Local),
        ] {
            assert_eq!(Policy::from_toml(text).unwrap().audit(), audit, "{text}");
        }
    }

    #[test]
    fn as_much_is_kept_as_the_policy_says() {
        let kept = |said: &str| Policy::from_toml(&format!("[limits]\noutput_kept_bytes = {said}\n"));
        for (said, bytes) in [("0", 0), ("1000", 1000), ("\"all\"", u64::MAX)] {
            assert_eq!(kept(said).unwrap().limits().output_kept_bytes, bytes);
        }
        for bad in ["\"most\"", "-1", "1.5", "[]"] {
            let error = kept(bad).unwrap_err().to_string();
            assert!(error.contains("it must be a number of bytes, or \"all\""), "{bad}: {error}");
        }
    }

    #[test]
    fn the_version_is_the_text() {
        let (one, other) = (Policy::from_toml("").unwrap(), Policy::from_toml("\n").unwrap());
        assert_eq!(one.version(), "e3b0c44298fc");
        assert_ne!(one.version(), other.version());
    }
}
