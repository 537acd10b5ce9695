//! A second program by a detour: the loader, memory files, files of one's own, under signals, from many threads, by
//! the numbers of other architectures.

use std::sync::Barrier;

use crate::exec::{CALLERS, Call, Caller, LOOKED, own_words, shell_words, start};
use crate::sys::{self, AT_EMPTY_PATH, Errno, O_CREAT, O_EXCL, O_PATH, O_WRONLY, at, c, nr};
use crate::tries::Tries;
use crate::verdict::{Tried, Verdict, judge, needed};
use crate::world::World;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
/// Marks a number of the x32 ABI.
pub const X32: usize = 0x4000_0000;

pub fn add(tries: &mut Tries) {
    for (from, suffix) in CALLERS {
        tries.add(format!("exec-memfd{suffix}"), move |world| memory_file(world, false, from));
        tries.add(format!("exec-memfd-proc{suffix}"), move |world| memory_file(world, true, from));
        tries.add(format!("exec-written{suffix}"), move |world| written(world, from));
        tries.add(format!("exec-x32{suffix}"), move |world| {
            start(&Call::new(nr::EXECVE | X32, 0, &world.own_path(), 0, &own_words(&world.name)), from)
        });
        tries.add(format!("exec-x32-own-number{suffix}"), move |world| {
            // execve has 520 among x32's numbers, because its pointers are narrow there.
            start(&Call::new(520 | X32, 0, &world.own_path(), 0, &own_words(&world.name)), from)
        });
    }
    tries.add("exec-loader-fork", |world| loader(world, LOADER, Caller::Fork));
    tries.add("exec-loader-vfork", |world| loader(world, LOADER, Caller::Vfork));
    tries.add("exec-signals", under_signals);
    tries.add("exec-threads-at-once", threads_at_once);
    tries.add("exec-int80", by_int80);
}

/// The loader starts whatever it can read, unasked whether that may be executed.
fn loader(world: &World, loader: &str, from: Caller) -> Tried {
    let words: Vec<&str> =
        [loader, "/bin/sh"].into_iter().chain(shell_words(&world.name).into_iter().skip(1)).collect();
    start(&Call::execve(loader, &words), from)
}

fn memory_file(world: &World, by_path: bool, from: Caller) -> Tried {
    let file = needed(sys::call(nr::MEMFD_CREATE, &[at(c"hostile"), 0]), &[], "memfd_create")?;
    write_whole(file, &world.name)?;
    if by_path {
        return start(&Call::execve(&format!("/proc/self/fd/{file}"), &["hostile"]), from);
    }
    start(&Call::execveat(file, "", AT_EMPTY_PATH, &["hostile"]), from)
}

fn written(world: &World, from: Caller) -> Tried {
    let path = format!("{}/.{}", world.text("writable")?, sys::fresh_name());
    let flags = O_WRONLY | O_CREAT | O_EXCL | sys::O_CLOEXEC;
    let file = needed(sys::call(nr::OPENAT, &[sys::AT_FDCWD, at(&c(&path)), flags, 0o700]), &[], "create")?;
    let whole = write_whole(file, &world.name);
    sys::close(file);
    let kept = sys::open(&path, O_PATH);
    let _gone = sys::call(nr::UNLINK, &[at(&c(&path))]);
    whole?;
    start(&Call::execveat(needed(kept, &[], "open")?, "", AT_EMPTY_PATH, &["hostile"]), from)
}

fn write_whole(file: usize, name: &str) -> Result<(), Verdict> {
    let program = tiny_program(&format!("{name}: SUCCEEDED exec of a program made here\n"));
    let written = sys::call(nr::WRITE, &[file, program.as_ptr() as usize, program.len()]);
    if needed(written, &[], "write")? == program.len() {
        Ok(())
    } else {
        Err(Verdict::Unclear("short write".to_owned()))
    }
}

/// A static program of a few bytes: writes `text` to stdout and exits with 10. It needs no file to be copied from.
fn tiny_program(text: &str) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    const CODE: u64 = 37;
    let mut code = vec![0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0xbe]; // mov eax, write; mov edi, 1; mov esi, …
    code.extend_from_slice(&((BASE + HEADERS + CODE) as u32).to_le_bytes());
    code.push(0xba); // mov edx, …
    code.extend_from_slice(&(text.len() as u32).to_le_bytes());
    code.extend_from_slice(&[0x0f, 0x05]); // syscall
    code.extend_from_slice(&[0xb8, 231, 0, 0, 0, 0xbf, 10, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b, 0x90]); // exit_group(10)
    assert_eq!(code.len() as u64, CODE);
    let length = HEADERS + CODE + text.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0];
    file.extend_from_slice(&(BASE + HEADERS).to_le_bytes()); // entry
    file.extend_from_slice(&64_u64.to_le_bytes()); // program headers
    file.extend_from_slice(&[0; 12]); // section headers, flags
    file.extend_from_slice(&[64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]); // load, readable and executable
    for number in [0, BASE, BASE, length, length, 0x1000] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(&code);
    file.extend_from_slice(text.as_bytes());
    file
}

/// Every call is interrupted some time: whoever decides on it must not lose count. The signal is one that a program
/// which was started all the same ignores, and the timer does not outlive exec.
fn under_signals(world: &World) -> Tried {
    const SIGURG: i32 = 23;
    const TRIES: usize = 500;
    const PERIOD_NANOSECONDS: u64 = 50_000;
    sys::handle(SIGURG);
    let event: [u64; 8] = [0, SIGURG as u64, 0, 0, 0, 0, 0, 0];
    let mut timer = 0_i32;
    needed(sys::call(nr::TIMER_CREATE, &[1, event.as_ptr() as usize, &raw mut timer as usize]), &[], "timer_create")?;
    let period = [0, PERIOD_NANOSECONDS, 0, PERIOD_NANOSECONDS];
    let started = sys::call(nr::TIMER_SETTIME, &[timer as usize, 0, period.as_ptr() as usize, 0]);
    needed(started, &[], "timer_settime")?;
    let call = Call::execve(&world.own_path(), &own_words(&world.name));
    let mut errors: Vec<Errno> = (0..TRIES).map(|_| call.make()).collect();
    errors.dedup();
    if let [error] = errors.as_slice() {
        return Ok(judge(Err(*error), &LOOKED, "exec"));
    }
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Ok(Verdict::Unclear(format!("different answers: {}", all.join(" "))))
}

fn threads_at_once(world: &World) -> Tried {
    const THREADS: usize = 8;
    let call = Call::execve(&world.own_path(), &own_words(&world.name));
    let barrier = Barrier::new(THREADS);
    let errors = std::thread::scope(|scope| {
        let one = || {
            barrier.wait();
            call.make()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Errno(0))).collect::<Vec<_>>()
    });
    let refused = |error: &Errno| matches!(judge(Err(*error), &LOOKED, ""), Verdict::Refused(_));
    let odd = errors.iter().find(|error| !refused(error)).unwrap_or(&errors[0]);
    Ok(judge(Err(*odd), &LOOKED, "exec"))
}

/// execve of the 32-bit kernel interface, which needs its strings below 4 GiB.
fn by_int80(world: &World) -> Tried {
    const MAP_32BIT: usize = 0x40;
    const EXECVE: usize = 11;
    let page = needed(sys::map(4096, MAP_32BIT), &[], "mmap")?;
    let words = own_words(&world.name);
    let mut pointers = Vec::new();
    let mut free = page + 64;
    for word in [world.own_path().as_str()].iter().chain(&words) {
        sys::place(free, word.as_bytes());
        pointers.push(free as u32);
        free += word.len() + 1;
    }
    let narrow: Vec<u8> = pointers[1..].iter().flat_map(|pointer| pointer.to_le_bytes()).collect();
    sys::place(page, &narrow);
    let nothing = page + 32;
    let answer = sys::call_int80(EXECVE, pointers[0] as usize, page, nothing);
    Ok(judge(answer, &LOOKED, "exec"))
}
