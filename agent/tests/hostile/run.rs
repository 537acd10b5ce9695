//! Runs one try in this process, or every one in a child of its own.
//!
//! **Invariant:** a try that kills its process, hangs or becomes another program is reported like any other, and the
//! next one starts from a clean process.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::sys::{self, End, Errno, nr};
use crate::tries::{Tries, Try};
use crate::verdict::{SIGSYS, SUCCEEDED, UNCLEAR, Verdict};
use crate::world::World;

/// No try takes longer on a machine that is not broken.
const PATIENCE: Duration = Duration::from_secs(20);
/// A signal that cannot be refused to the sender's own child.
const SIGKILL: usize = 9;
const UNKNOWN_NAME: i32 = 64;

/// One try; its exit code is the verdict's.
pub fn one(tries: &Tries, name: &str, mut world: World) -> i32 {
    let Some(found) = tries.iter().find(|each| each.name == name) else {
        eprintln!("hostile: there is no try {name}");
        return UNKNOWN_NAME;
    };
    perform(found, &mut world)
}

fn perform(each: &Try, world: &mut World) -> i32 {
    world.name.clone_from(&each.name);
    let verdict = (each.run)(world).unwrap_or_else(|verdict| verdict);
    if !matches!(verdict, Verdict::Said) {
        report(&each.name, &verdict);
    }
    verdict.exit_code()
}

fn report(name: &str, verdict: &Verdict) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "{name}: {verdict}").and_then(|()| out.flush());
}

/// Every try but those that must be made alone. The exit code is that of the worst verdict.
pub fn all(tries: &Tries, mut world: World) -> i32 {
    let mut codes = Vec::new();
    for each in tries.iter().filter(|each| !each.alone) {
        codes.push(in_child(each, &mut world).unwrap_or_else(|error| {
            let verdict = Verdict::Unclear(format!("cannot be made: {error}"));
            report(&each.name, &verdict);
            verdict.exit_code()
        }));
    }
    // Succeeded is worse than unclear, unclear than refused.
    [SUCCEEDED, UNCLEAR].into_iter().find(|code| codes.contains(code)).unwrap_or(0)
}

/// Forks, runs, passes the line on, and speaks for a child that could not.
fn in_child(each: &Try, world: &mut World) -> Result<i32, Errno> {
    let mut pipe = [0_i32; 2];
    sys::call(nr::PIPE2, &[pipe.as_mut_ptr() as usize, sys::O_CLOEXEC])?;
    let [reader, writer] = pipe.map(|descriptor| descriptor as usize);
    let Some(pid) = sys::fork_process()? else {
        if sys::call(nr::DUP2, &[writer, 1]).is_err() {
            sys::exit_now(99);
        }
        sys::close(reader);
        sys::close(writer);
        let code = perform(each, world);
        sys::exit_now(code as usize);
    };
    sys::close(writer);
    let line = first_line(reader);
    let in_time = line.is_ok();
    if !in_time {
        let _gone = sys::call(nr::KILL, &[pid as usize, SIGKILL]);
    }
    let end = sys::wait(pid)?;
    sys::close(reader);
    Ok(speak(&each.name, &line.unwrap_or_default(), end, in_time))
}

/// What came until a newline or the end; `Err` where neither came in time.
fn first_line(reader: usize) -> Result<String, ()> {
    const READABLE: u64 = 1;
    let deadline = Instant::now() + PATIENCE;
    let mut line = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis() as usize;
        let mut polled = reader as u64 | READABLE << 32;
        match sys::call(nr::POLL, &[&raw mut polled as usize, 1, left]) {
            Ok(0) => return Err(()),
            Ok(_) | Err(_) => {}
        }
        let mut byte = [0_u8; 1];
        match sys::call(nr::READ, &[reader, byte.as_mut_ptr() as usize, 1]) {
            Ok(1) if byte[0] == b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
            Ok(1) => line.push(byte[0]),
            Err(sys::EINTR | sys::EAGAIN) => {}
            Ok(_) | Err(_) => return Ok(String::from_utf8_lossy(&line).into_owned()),
        }
    }
}

fn speak(name: &str, line: &str, end: End, in_time: bool) -> i32 {
    if let (true, End::Exited(code)) = (line.starts_with(&format!("{name}: ")), end) {
        println!("{line}");
        return code;
    }
    let verdict = match end {
        _ if !in_time => Verdict::Unclear("did not end".to_owned()),
        End::Killed(SIGSYS) => Verdict::Refused("SIGSYS".to_owned()),
        End::Killed(number) => Verdict::Unclear(format!("killed by {}", sys::signal_name(number))),
        End::Exited(code) => Verdict::Unclear(format!("exited with {code} and said {line:?}")),
    };
    report(name, &verdict);
    verdict.exit_code()
}
