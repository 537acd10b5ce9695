//! Control groups: what a session may use in all, and the only sure way to end whatever a line left behind.
//!
//! **Invariant:** version 2 is there and can kill, or no session is made. Memory, processes and processor time are
//! bounded in version 2 where its controllers are there, in version 1 where only they are; `held` says which.
//! **Why:** a process can leave its process group and its session, but not its control group.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use pact_policy::Limits;

/// The agent and the launcher, where they cannot stay in the group that they were started in.
const AGENT: &str = "agent";
/// Sessions give way to jobs: half of the usual weight.
const CPU_WEIGHT_V2: &str = "50";
const CPU_SHARES_V1: &str = "512";

/// What is bounded, by the name of its controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Memory,
    Pids,
    Cpu,
}

impl Controller {
    const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }

    /// File and value of the limit.
    fn limit(self, version: Version, limits: &Limits) -> (&'static str, String) {
        match (self, version) {
            (Self::Memory, Version::Two) => ("memory.max", limits.memory_bytes.to_string()),
            (Self::Memory, Version::One) => ("memory.limit_in_bytes", limits.memory_bytes.to_string()),
            // The host is one of them.
            (Self::Pids, _) => ("pids.max", (limits.processes + 1).to_string()),
            (Self::Cpu, Version::Two) => ("cpu.weight", CPU_WEIGHT_V2.to_owned()),
            (Self::Cpu, Version::One) => ("cpu.shares", CPU_SHARES_V1.to_owned()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Where the limit of one controller is set.
#[derive(Clone, Debug)]
struct Held {
    controller: Controller,
    version: Version,
    /// The tree's directory in that hierarchy.
    directory: PathBuf,
}

fn no_version_two() -> GroupError {
    GroupError {
        path: "/sys/fs/cgroup".into(),
        what: "version 2 is not mounted, and without it what a line left behind cannot be ended".to_owned(),
    }
}

/// All groups of one agent: `<own group>/pact-<pid>-<start>` in every hierarchy that is used.
pub struct Tree {
    directory: PathBuf,
    held: Vec<Held>,
}

/// The groups of one session.
#[derive(Clone)]
pub struct SessionGroup {
    directory: PathBuf,
    /// Directories in hierarchies of version 1.
    others: Vec<PathBuf>,
}

/// How often a session met its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// A process was killed for memory.
    pub memory: u64,
    /// A process could not be made.
    pub processes: u64,
}

/// The group of one line.
pub struct LineGroup {
    directory: PathBuf,
    /// For the fork of its members.
    entry: File,
    events: File,
}

/// A group cannot be made or asked.
#[derive(Debug, thiserror::Error)]
#[error("control group {}: {what}", path.display())]
pub struct GroupError {
    path: PathBuf,
    what: String,
}

fn wrong(path: &Path) -> impl FnOnce(io::Error) -> GroupError + use<'_> {
    move |error| GroupError { path: path.to_owned(), what: error.to_string() }
}

impl Tree {
    /// Makes it for the agent `pid`, and moves what is in the agent's own group into it, unless that is the root.
    pub fn make(agent: u32) -> Result<Self, GroupError> {
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        let own = read(Path::new("/proc/self/cgroup"))?;
        let base = hierarchy(&mounts, &own, None).ok_or_else(no_version_two)?;
        let directory = base.join(tree_name(agent));
        make(&directory)?;
        if !directory.join("cgroup.kill").exists() {
            return Err(GroupError { path: directory, what: "this kernel cannot kill a group".to_owned() });
        }
        clear_dead(&base);
        // A group that is not the root can hold processes or hand out controllers, not both.
        if base.join("cgroup.type").exists() {
            let leaf = directory.join(AGENT);
            make(&leaf)?;
            for pid in [agent, std::process::id()] {
                write(&leaf.join("cgroup.procs"), &pid.to_string())?;
            }
        }
        let held = Controller::ALL.into_iter().filter_map(|controller| {
            two(&base, &directory, controller).or_else(|| one(&mounts, &own, controller, agent))
        });
        let held = held.collect();
        Ok(Self { directory, held })
    }

    /// What holds, in words.
    pub fn layers(&self) -> Vec<String> {
        let version = |held: &Held| match held.version {
            Version::One => 1,
            Version::Two => 2,
        };
        let limit = |held: &Held| format!("{} limit (cgroup v{})", held.controller.name(), version(held));
        std::iter::once("cgroup v2 kill".to_owned()).chain(self.held.iter().map(limit)).collect()
    }

    /// What no hierarchy of this node can bound for a session, a sentence each.
    pub fn missing(&self) -> Vec<String> {
        let is_held = |controller: &Controller| self.held.iter().any(|held| held.controller == *controller);
        let missing = Controller::ALL.into_iter().filter(|controller| !is_held(controller));
        missing
            .map(|controller| {
                let name = controller.name();
                format!("{name} of a session is not bounded: no control group has it, only each program's rlimits")
            })
            .collect()
    }

    /// The groups of a session, with its limits.
    pub fn session(&self, name: &str, limits: &Limits) -> Result<SessionGroup, GroupError> {
        // An agent that was still dying when this one began is dead by now.
        self.directory.parent().iter().for_each(|base| clear_dead(base));
        let mut group = SessionGroup { directory: self.directory.join(name), others: Vec::new() };
        make(&group.directory)?;
        make(&group.directory.join("host"))?;
        for Held { controller, version, directory } in &self.held {
            let place = directory.join(name);
            if *version == Version::One {
                make(&place)?;
                group.others.push(place.clone());
            }
            let (file, value) = controller.limit(*version, limits);
            write(&place.join(file), &value)?;
        }
        Ok(group)
    }

    /// Moves this process back to where it came from, so that the tree can go.
    pub fn leave(&self) {
        // The groups of a supervisor that is stopping go with it.
        let _stays = self.directory.parent().map(|base| fs::write(base.join("cgroup.procs"), "0"));
    }

    /// Takes everything away that is empty; answers whether nothing is left.
    pub fn remove(&self) -> bool {
        let leaf = self.directory.join(AGENT);
        let gone = |path: &Path| !path.exists() || fs::remove_dir(path).is_ok();
        let others = self.held.iter().filter(|held| held.version == Version::One);
        // Every one of them is tried, whatever becomes of the others.
        let stay = others.filter(|held| !gone(&held.directory)).count();
        gone(&leaf) && gone(&self.directory) && stay == 0
    }
}

impl SessionGroup {
    /// How often each limit was met so far, as far as this node's control groups count.
    pub fn met(&self) -> Met {
        let count = |file: &str, key: &str| {
            let read = |group: &PathBuf| {
                let text = fs::read_to_string(group.join(file)).ok()?;
                text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse::<u64>().ok())
            };
            std::iter::once(&self.directory).chain(&self.others).filter_map(read).sum()
        };
        // Version 2 says it in the one file, version 1 in the other.
        let memory: u64 = count("memory.events", "oom_kill");
        Met { memory: memory + count("memory.oom_control", "oom_kill"), processes: count("pids.events", "max") }
    }

    /// Lets the other sessions of this node go first where processors are short, or not any more. It is about fairness among
    /// them and bounds nothing, so where no hierarchy of this node has the controller nothing is done.
    pub fn give_way(&self, whether: bool) {
        let value = if whether { "1" } else { "0" };
        let groups = std::iter::once(&self.directory).chain(&self.others).map(|group| group.join("cpu.idle"));
        for file in groups.filter(|file| file.exists()) {
            // A session that is as fast as others is no reason to end its line.
            let _unfair = fs::write(file, value);
        }
    }

    /// Moves this process, which is the host, into it.
    pub fn enter(&self) -> Result<(), GroupError> {
        let leaf = self.directory.join("host");
        std::iter::once(&leaf).chain(&self.others).try_for_each(|group| write(&group.join("cgroup.procs"), "0"))
    }

    /// The group of a line.
    pub fn line(&self, id: u64) -> Result<LineGroup, GroupError> {
        let directory = self.directory.join(format!("line-{id}"));
        make(&directory)?;
        let open = |path: &Path| File::open(path).map_err(wrong(path));
        let (entry, events) = (open(&directory)?, open(&directory.join("cgroup.events"))?);
        Ok(LineGroup { directory, entry, events })
    }

    /// Ends everything in it.
    pub fn kill(&self) -> Result<(), GroupError> {
        write(&self.directory.join("cgroup.kill"), "1")
    }

    /// Takes it away with the groups of its lines; answers whether it is gone.
    pub fn remove(&self) -> bool {
        let lines = fs::read_dir(&self.directory).map(|items| items.flatten().map(|item| item.path()).collect());
        let lines: Vec<PathBuf> = lines.unwrap_or_default();
        for line in lines.iter().filter(|path| path.is_dir()) {
            // One that is not empty yet is asked again.
            let _later = fs::remove_dir(line);
        }
        let gone = |path: &Path| !path.exists() || fs::remove_dir(path).is_ok();
        let stay = self.others.iter().filter(|other| !gone(other)).count();
        gone(&self.directory) && stay == 0
    }
}

impl LineGroup {
    /// What a fork names to begin in it.
    pub fn entry(&self) -> BorrowedFd<'_> {
        self.entry.as_fd()
    }

    /// Ends everything in it.
    pub fn kill(&self) -> Result<(), GroupError> {
        write(&self.directory.join("cgroup.kill"), "1")
    }

    /// Whether anything in it lives.
    pub fn is_populated(&self) -> io::Result<bool> {
        let mut text = String::new();
        (&self.events).rewind()?;
        (&self.events).read_to_string(&mut text)?;
        Ok(!text.lines().any(|line| line == "populated 0"))
    }

    /// Takes it away; answers whether it is gone.
    pub fn remove(&self) -> bool {
        fs::remove_dir(&self.directory).is_ok()
    }
}

/// Becomes ready with POLLPRI when it was populated and is empty, or the other way round.
impl AsFd for LineGroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// A controller of version 2: handed down from the base to the sessions.
fn two(base: &Path, directory: &Path, controller: Controller) -> Option<Held> {
    let there = fs::read_to_string(base.join("cgroup.controllers")).ok()?;
    if !there.split_whitespace().any(|name| name == controller.name()) {
        return None;
    }
    let enable = format!("+{}", controller.name());
    for level in [base, directory] {
        fs::write(level.join("cgroup.subtree_control"), &enable).ok()?;
    }
    Some(Held { controller, version: Version::Two, directory: directory.to_owned() })
}

/// A controller of version 1, where it is mounted.
fn one(mounts: &str, own: &str, controller: Controller, agent: u32) -> Option<Held> {
    let base = hierarchy(mounts, own, Some(controller.name()))?;
    clear_dead(&base);
    let directory = base.join(tree_name(agent));
    make(&directory).ok()?;
    Some(Held { controller, version: Version::One, directory })
}

/// This process's own directory in a hierarchy: of version 2, or of a controller of version 1.
fn hierarchy(mounts: &str, own: &str, controller: Option<&str>) -> Option<PathBuf> {
    let point = mounts.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let fields: Vec<&str> = filesystem.split(' ').collect();
        let fits = match controller {
            None => fields.first() == Some(&"cgroup2"),
            Some(name) => fields.first() == Some(&"cgroup") && fields.get(2)?.split(',').any(|option| option == name),
        };
        let mut places = mount.split(' ').skip(3);
        let (root, point) = (places.next()?, places.next()?);
        fits.then(|| (root.to_owned(), point.to_owned()))
    });
    let (root, point) = point?;
    let path = own.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        let fits = controller.map_or(names.is_empty(), |name| names.split(',').any(|n| n == name));
        fits.then_some(path)
    })?;
    // A container may see only a part of the hierarchy.
    let below = path.strip_prefix(root.as_str()).unwrap_or(path);
    let place = Path::new(&point).join(below.trim_start_matches('/'));
    Some(if place.is_dir() { place } else { point.into() })
}

/// `pact-<pid>-<start>`: a number that is used again is another process's.
fn tree_name(agent: u32) -> String {
    format!("pact-{agent}-{}", started(agent).unwrap_or(0))
}

/// When a process that lives began, in ticks since the node did: field 22 of proc_pid_stat(5).
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let is_dead = fields.starts_with(['Z', 'X']);
    fields.split(' ').nth(19)?.parse().ok().filter(|_| !is_dead)
}

/// Groups of agents that are dead, in one hierarchy: what is in them is ended, what is empty goes.
fn clear_dead(base: &Path) {
    for item in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = item.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("pact-")?.split_once('-'));
        let owner = owner.and_then(|(pid, start)| Some((pid.parse::<u32>().ok()?, start.parse::<u64>().ok()?)));
        if owner.is_some_and(|(pid, start)| started(pid) != Some(start)) {
            // What cannot be ended or taken away now is left to the next agent. Version 1 has nothing to end it with,
            // and its members are the same as those of version 2.
            let _later = write(&item.path().join("cgroup.kill"), "1");
            remove_all(&item.path());
        }
    }
}

/// Directories first; one that is not empty stays.
fn remove_all(directory: &Path) {
    for item in fs::read_dir(directory).into_iter().flatten().flatten() {
        if item.path().is_dir() {
            remove_all(&item.path());
        }
    }
    let _stays = fs::remove_dir(directory);
}

fn read(path: &Path) -> Result<String, GroupError> {
    fs::read_to_string(path).map_err(wrong(path))
}

fn write(path: &Path, value: &str) -> Result<(), GroupError> {
    fs::write(path, value).map_err(wrong(path))
}

fn make(path: &Path) -> Result<(), GroupError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(wrong(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 20 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 20 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
    const OWN: &str = "4:memory:/\n3:cpu,cpuacct:/\n0::/";

    #[test]
    fn a_hierarchy_is_found_by_its_controller() {
        let of = |controller| hierarchy(MOUNTS, OWN, controller);
        assert_eq!(of(None), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(of(Some("cpu")), Some("/sys/fs/cgroup/cpu,cpuacct".into()));
        assert_eq!(of(Some("pids")), None);
    }
}
