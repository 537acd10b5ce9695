//! The whitelist as launcher and host know it: each program with its filter compiled and its groups looked up.
//!
//! **Invariant:** made by the launcher from root's own files before any session exists; what the agent asks for is
//! looked up here again, argv included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use pact_policy::{Limits, Whitelist};
use pact_proto::program::{Family, Profile, Program};

use crate::sandbox::allowlist::{Allowlist, AllowlistError};
use crate::sandbox::binary::{Binary, BinaryError};
use crate::sandbox::files::Files;
use crate::sandbox::identity::Identity;
use crate::sandbox::{Bounds, Prepared, SandboxError};

/// The program of the self-test: this one.
pub(crate) const PROBE: &str = "pact-agent";
const PROBE_SCHEMA: &str = r#"
name = "pact-agent"
about = "try to break out"
paths = ["/proc/self/exe"]
[[form]]
effect = "read"
options = [{ names = ["--probe"], about = "try to break out" }]
"#;

/// Of which a session has its own.
const RUN: &str = "/run";

/// Programs by name.
pub(crate) struct Table(BTreeMap<String, Row>);

struct Row {
    program: Program,
    /// The program is this agent's own file, for the self-test.
    is_own: bool,
    groups: Vec<u32>,
    filters: Filters,
}

/// The two allowlists of a profile.
#[derive(Clone)]
struct Filters {
    program: Allowlist,
    expansion: Allowlist,
}

/// Filters by what of a profile they depend on: many programs have the same.
#[derive(Default)]
struct Compiled(Vec<(bool, Vec<Family>, Filters)>);

impl Compiled {
    fn of(&mut self, profile: &Profile) -> Result<Filters, AllowlistError> {
        let (log, families) = (profile.kernel_log, &profile.families);
        if let Some((_, _, filters)) = self.0.iter().find(|(l, f, _)| *l == log && f == families) {
            return Ok(filters.clone());
        }
        let filters = Filters { program: Allowlist::of_program(profile)?, expansion: Allowlist::of_profile(profile)? };
        self.0.push((log, families.clone(), filters.clone()));
        Ok(filters)
    }
}

/// A program that cannot be started as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// No such program.
    #[error("{0:?} is not on the whitelist of this node")]
    Unknown(String),
    /// The schema does not allow this argv.
    #[error("{program}: {what}")]
    Arguments { program: String, what: String },
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl Table {
    /// Of everything on the whitelist.
    pub(crate) fn new(whitelist: &Whitelist) -> Result<Self, AllowlistError> {
        let mut compiled = Compiled::default();
        let rows = whitelist.programs().map(|program| Row::new(program.clone(), false, &mut compiled));
        Ok(Self::of(rows.collect::<Result<_, _>>()?))
    }

    /// Of the self-test alone.
    pub(crate) fn of_probe() -> Result<Self, String> {
        let program = Program::from_toml(PROBE_SCHEMA).map_err(|error| error.to_string())?;
        let row = Row::new(program, true, &mut Compiled::default()).map_err(|error| error.to_string())?;
        Ok(Self::of(vec![row]))
    }

    fn of(rows: Vec<Row>) -> Self {
        Self(rows.into_iter().map(|row| (row.program.name().to_string(), row)).collect())
    }

    /// What profiles name below /run, to be kept in the sessions': directories of sockets, and what is read. None of them
    /// lies in another.
    pub(crate) fn kept_in_run(&self) -> Vec<PathBuf> {
        let profiles = || self.0.values().map(|row| row.program.profile());
        let sockets = profiles().flat_map(|profile| &profile.sockets).filter_map(|path| path.parent());
        let read = profiles().flat_map(|profile| &profile.read).map(PathBuf::as_path);
        let below = |path: &&Path| path.starts_with(RUN) && *path != Path::new(RUN);
        let mut paths: Vec<_> = sockets.chain(read).filter(below).map(Path::to_owned).collect();
        paths.sort();
        paths.dedup_by(|inner, outer| inner.starts_with(outer));
        paths
    }

    fn row(&self, name: &str) -> Result<&Row, TableError> {
        self.0.get(name).ok_or_else(|| TableError::Unknown(name.to_owned()))
    }

    /// Opens and checks all that a stage needs.
    pub(crate) fn prepare(
        &self,
        name: &str,
        argv: &[Vec<u8>],
        environment: &[String],
        (uid, limits): (u32, &Limits),
    ) -> Result<Prepared, TableError> {
        let row = self.row(name)?;
        row.check(name, argv)?;
        let binary = row.binary().map_err(SandboxError::from)?;
        let files = Files::of_program(&binary, row.profile()).map_err(SandboxError::from)?;
        let bounds = Bounds::new(files, row.filters.program.clone(), row.identity(uid), limits.clone());
        let mut argv = argv.to_vec();
        if let (Some(applet), Some(first)) = (row.program.applet(), argv.first_mut()) {
            *first = applet.as_bytes().to_vec();
        }
        // The last of one name counts nowhere for certain, so there is one of each.
        let own = &row.profile().environment;
        let name = |pair: &String| pair.split('=').next().map(str::to_owned);
        let others = environment.iter().filter(|pair| own.iter().all(|own| name(own) != name(pair)));
        let environment: Vec<String> = others.chain(own).cloned().collect();
        Ok(Prepared::new(binary, &argv, &environment, bounds)?)
    }

    /// What a program may read.
    pub(crate) fn reads(&self, name: &str) -> Result<&[PathBuf], TableError> {
        Ok(&self.row(name)?.profile().read)
    }

    /// The bounds of a program without the program: for what looks up files in its place.
    pub(crate) fn bounds(&self, name: &str, (uid, limits): (u32, &Limits)) -> Result<Bounds, TableError> {
        let row = self.row(name)?;
        let files = Files::of_profile(row.profile()).map_err(SandboxError::from)?;
        Ok(Bounds::new(files, row.filters.expansion.clone(), row.identity(uid), limits.clone()))
    }
}

impl Row {
    fn new(program: Program, is_own: bool, compiled: &mut Compiled) -> Result<Self, AllowlistError> {
        let profile = program.profile();
        let group = |name: &String| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
        Ok(Self {
            is_own,
            groups: profile.groups.iter().filter_map(group).collect(),
            filters: compiled.of(profile)?,
            program,
        })
    }

    fn profile(&self) -> &Profile {
        self.program.profile()
    }

    fn identity(&self, uid: u32) -> Identity {
        Identity::new(uid, self.groups.clone(), self.profile())
    }

    fn binary(&self) -> Result<Binary, BinaryError> {
        if self.is_own { Binary::own() } else { Binary::find(self.program.paths()) }
    }

    /// The agent has judged it; a host asks the schema once more.
    fn check(&self, name: &str, argv: &[Vec<u8>]) -> Result<(), TableError> {
        let wrong = |what: String| TableError::Arguments { program: name.to_owned(), what };
        if argv.first().map(Vec::as_slice) != Some(name.as_bytes()) {
            return Err(wrong("its first word is not its name".to_owned()));
        }
        self.program.schema().match_argv(argv).map(drop).map_err(|error| wrong(error.message().to_owned()))
    }
}
