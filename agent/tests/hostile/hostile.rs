//! The hostile program: it tries to get out of pact's sandbox in every known way and says what became of each try.
//!
//! A test compiles it with one call of rustc (static, no dependencies), puts it on a throw-away whitelist and runs it
//! where an administrator's programs run; there the kernel must refuse every try. Run as root without a sandbox
//! nearly every try succeeds, which shows that the tests can fail.
//!
//! ```text
//! hostile list [alone]            the tries that `all` makes, or those that must be made alone
//! hostile try NAME [KEY=VALUE…]   one, in this very process
//! hostile all [KEY=VALUE…]        all, each in a child of its own
//! hostile status                  what this process is, as the kernel has it
//! hostile linger                  leaves processes behind that do not want to end
//! hostile siblings                gives its parent children that it never asked for
//! ```
//!
//! A try prints `NAME: refused (HOW)`, `NAME: SUCCEEDED WHAT` or `NAME: unclear WHY` and exits with 0, 10 or 11.
//!
//! **Invariant:** run outside, it breaks nothing: a call that would change the machine carries an argument that the
//! kernel looks at only after it has allowed the call, and what is made is removed again. Foreign processes get no
//! signal but 0 and CONT.
//! **Why:** whatever would succeed without being a way out (a filter that only takes more away, being dumpable, a
//! session of one's own) is not among the tries: its verdict would prove nothing.

mod abi;
mod capability;
mod cgroup;
mod exec;
mod exec_tricks;
mod limit;
mod namespace;
mod net;
mod process;
mod read;
mod run;
mod seccomp;
mod status;
mod sys;
mod terminal;
mod tries;
mod verdict;
mod world;
mod write;

use std::process::exit;

use tries::Tries;
use world::World;

const USAGE: i32 = 64;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        ["list"] => list(false),
        ["list", "alone"] => list(true),
        ["status"] => status::show(),
        ["linger"] => limit::linger(),
        ["siblings"] => limit::siblings(),
        ["reached", name] => exec::reached(name),
        ["all", rest @ ..] => world(rest).map_or_else(usage, |world| run::all(&Tries::every(), world)),
        ["try", name, rest @ ..] => world(rest).map_or_else(usage, |world| run::one(&Tries::every(), name, world)),
        _ => usage(
            "hostile list [alone] | try NAME [KEY=VALUE…] | all [KEY=VALUE…] | status | linger | siblings".to_owned(),
        ),
    };
    exit(code);
}

fn world(words: &[&str]) -> Result<World, String> {
    World::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

fn list(alone: bool) -> i32 {
    for each in Tries::every().iter().filter(|each| each.alone == alone) {
        println!("{}", each.name);
    }
    0
}

fn usage(what: String) -> i32 {
    eprintln!("hostile: {what}");
    USAGE
}
