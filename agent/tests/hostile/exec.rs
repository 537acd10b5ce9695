//! A second program: execve and execveat with every mix, from the process, a child, a vfork child and a thread.
//!
//! **Why:** a sandbox that lets a program start must not let that program start another. What is started here says so
//! itself, on the try's own stdout, because the process that tried is gone by then.

use std::ffi::CString;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sys::{self, AT_EMPTY_PATH, AT_FDCWD, End, Errno, O_DIRECTORY, O_PATH, at, c, nr};
use crate::tries::Tries;
use crate::verdict::{SIGSYS, SUCCEEDED, Tried, Verdict, judge};
use crate::world::World;

/// The kernel looked at the path or the file: nothing kept it from that.
pub const LOOKED: [Errno; 7] =
    [sys::ENOENT, sys::EBADF, sys::ENOTDIR, sys::ENOEXEC, sys::EINVAL, sys::EFAULT, sys::ETXTBSY];

/// One call, ready to be made from anywhere.
pub struct Call {
    number: usize,
    directory: usize,
    path: CString,
    flags: usize,
    argv: Vec<CString>,
    pointers: Vec<usize>,
}

impl Call {
    pub fn execve(path: &str, argv: &[&str]) -> Self {
        Self::new(nr::EXECVE, 0, path, 0, argv)
    }

    pub fn execveat(directory: usize, path: &str, flags: usize, argv: &[&str]) -> Self {
        Self::new(nr::EXECVEAT, directory, path, flags, argv)
    }

    pub fn new(number: usize, directory: usize, path: &str, flags: usize, argv: &[&str]) -> Self {
        let argv: Vec<CString> = argv.iter().map(|word| c(word)).collect();
        let pointers = argv.iter().map(|word| at(word)).chain([0]).collect();
        Self { number, directory, path: c(path), flags, argv, pointers }
    }

    /// Comes back only with the reason why it did not happen.
    pub fn make(&self) -> Errno {
        assert_eq!(self.pointers.len(), self.argv.len() + 1);
        let (path, argv, environment) = (at(&self.path), self.pointers.as_ptr() as usize, &raw const NOTHING as usize);
        let answer = if self.number & 0xffff == nr::EXECVEAT {
            sys::call(self.number, &[self.directory, path, argv, environment, self.flags])
        } else {
            sys::call(self.number, &[path, argv, environment])
        };
        answer.err().unwrap_or(Errno(0))
    }
}

static NOTHING: usize = 0;

/// Who makes the call.
#[derive(Clone, Copy)]
pub enum Caller {
    Here,
    Fork,
    Vfork,
    Thread,
}

pub const CALLERS: [(Caller, &str); 4] =
    [(Caller::Here, ""), (Caller::Fork, "-fork"), (Caller::Vfork, "-vfork"), (Caller::Thread, "-thread")];

/// Makes the call and waits for what it started.
pub fn start(call: &Call, from: Caller) -> Tried {
    match from {
        Caller::Here => Ok(judge(Err(call.make()), &LOOKED, "exec")),
        Caller::Thread => {
            let error = std::thread::scope(|scope| scope.spawn(|| call.make()).join());
            Ok(judge(Err(error.unwrap_or(Errno(0))), &LOOKED, "exec"))
        }
        Caller::Fork => {
            let told = shared()?;
            let child = sys::fork_process().map_err(|error| judge(Err(error), &[], "fork"))?;
            let Some(pid) = child else { in_child(&Errand { call, told }) };
            ended(pid, told)
        }
        Caller::Vfork => {
            const CLONE_VM_VFORK: usize = 0x4100;
            let errand = Errand { call, told: shared()? };
            let flags = CLONE_VM_VFORK | sys::SIGCHLD;
            let pid = sys::clone_process(flags, in_vfork_child, &raw const errand as usize);
            ended(pid.map_err(|error| judge(Err(error), &[], "vfork"))?, errand.told)
        }
    }
}

struct Errand<'a> {
    call: &'a Call,
    told: &'static AtomicUsize,
}

pub fn shared() -> Result<&'static AtomicUsize, Verdict> {
    sys::shared_number().map_err(|error| Verdict::Unclear(format!("shared memory: {error}")))
}

fn in_child(errand: &Errand<'_>) -> ! {
    let error = errand.call.make();
    errand.told.store(error.0 as usize, Ordering::SeqCst);
    sys::exit_now(1)
}

extern "C" fn in_vfork_child(errand: usize) -> i32 {
    in_child(sys::lent(errand))
}

/// What a child that was to become another program came to.
pub fn ended(pid: i32, told: &AtomicUsize) -> Tried {
    let end = sys::wait(pid).map_err(|error| Verdict::Unclear(format!("wait: {error}")))?;
    Ok(match (end, told.load(Ordering::SeqCst)) {
        (End::Exited(SUCCEEDED), 0) => Verdict::Said,
        (End::Exited(code), 0) => Verdict::Refused(format!("started, but ended with {code}")),
        (End::Exited(_), error) => judge(Err(Errno(error as i32)), &LOOKED, "exec"),
        (End::Killed(SIGSYS), _) => Verdict::Refused("SIGSYS".to_owned()),
        (End::Killed(number), _) => Verdict::Unclear(format!("killed by {}", sys::signal_name(number))),
    })
}

/// What this program does when a try has started it again.
pub fn reached(name: &str) -> i32 {
    println!("{name}: SUCCEEDED exec");
    SUCCEEDED
}

/// argv of this program as the one that is started.
pub fn own_words(name: &str) -> [&str; 3] {
    ["hostile", "reached", name]
}

/// argv of a shell that does the same.
pub fn shell_words(name: &str) -> [&str; 4] {
    ["sh", "-c", "echo \"$0: SUCCEEDED exec of a shell\"; exit 10", name]
}

pub fn add(tries: &mut Tries) {
    for (from, suffix) in CALLERS {
        tries.add(format!("exec-self{suffix}"), move |world| {
            start(&Call::execve(&world.own_path(), &own_words(&world.name)), from)
        });
        tries.add(format!("exec-proc-exe{suffix}"), move |world| {
            start(&Call::execve("/proc/self/exe", &own_words(&world.name)), from)
        });
        tries.add(format!("exec-sh{suffix}"), move |world| {
            start(&Call::execve("/bin/sh", &shell_words(&world.name)), from)
        });
        tries.add(format!("exec-script{suffix}"), move |world| {
            let script = world.text("script")?;
            start(&Call::execve(script, &[script, &world.name]), from)
        });
        for (directory, named_directory) in DIRECTORIES {
            for (path, named_path) in PATHS {
                for (flags, named_flags) in [(0, "plain"), (AT_EMPTY_PATH, "emptypath")] {
                    let name = format!("exec-at-{named_directory}-{named_path}-{named_flags}{suffix}");
                    tries.add(name, move |world| at_once(world, directory, path, flags, from));
                }
            }
        }
    }
}

/// What execveat's first argument is.
#[derive(Clone, Copy)]
enum Directory {
    File,
    Directory,
    Working,
    Garbage,
}

const DIRECTORIES: [(Directory, &str); 4] = [
    (Directory::File, "file"),
    (Directory::Directory, "dir"),
    (Directory::Working, "cwd"),
    (Directory::Garbage, "garbage"),
];

/// What its second is.
#[derive(Clone, Copy)]
enum Path {
    Absolute,
    Relative,
    Empty,
}

const PATHS: [(Path, &str); 3] = [(Path::Absolute, "absolute"), (Path::Relative, "relative"), (Path::Empty, "empty")];

fn at_once(world: &World, directory: Directory, path: Path, flags: usize, from: Caller) -> Tried {
    let own = world.own_path();
    // A descriptor that cannot be had must not keep the call from being made.
    let directory = match directory {
        Directory::File => sys::open("/proc/self/exe", O_PATH).unwrap_or(0),
        Directory::Directory => sys::open("/", O_PATH | O_DIRECTORY).unwrap_or(0),
        Directory::Working => AT_FDCWD,
        Directory::Garbage => 9999,
    };
    let path = match path {
        Path::Absolute => own,
        // Leads to the root from wherever the working directory is.
        Path::Relative => format!("{}{own}", "../".repeat(32)),
        Path::Empty => String::new(),
    };
    start(&Call::execveat(directory, &path, flags, &own_words(&world.name)), from)
}
