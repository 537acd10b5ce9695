//! How a filter finds what it says of a call, instruction by instruction.
//!
//! **Invariant:** a foreign architecture is killed, and numbers with the x32 bit get ENOSYS, before anything else.
//! **Why:** seccompiler has no USER_NOTIF verdict, does not look at the x32 bit in a filter that allows by default, and
//! asks for one number after the other: when such a list is installed, the kernel runs it for every number there is,
//! which took half a millisecond of every start. A tree is found through in a dozen steps.
//! **Not here:** what is asked of arguments, which is seccompiler's; which calls are allowed (`allowlist`).

use std::collections::BTreeMap;
use std::ffi::c_long;

use seccompiler::sock_filter;

// From linux/filter.h and linux/bpf_common.h.
const LOAD_WORD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;

// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
/// Bit 30 marks the x32 calls of x86_64; elsewhere no number is so large.
const X32: u32 = 0x4000_0000;

const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const ASK: u32 = libc::SECCOMP_RET_USER_NOTIF;
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

fn step(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { code, jt: if_true, jf: if_false, k }
}

/// Loads the number, after the architecture and the x32 bit have been looked at.
fn beginning() -> Vec<sock_filter> {
    vec![
        step(LOAD_WORD, ARCHITECTURE),
        jump(JUMP_EQUAL, NATIVE, 1, 0),
        step(RETURN, KILL),
        step(LOAD_WORD, NUMBER),
        jump(JUMP_GREATER_EQUAL, X32, 0, 1),
        step(RETURN, MISSING),
    ]
}

fn low(number: c_long) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A filter that asks the holder of the listener about these numbers, and allows all others.
pub(crate) fn asking(numbers: &[c_long]) -> Vec<sock_filter> {
    let mut filter = beginning();
    for number in numbers {
        filter.extend([jump(JUMP_EQUAL, low(*number), 0, 1), step(RETURN, ASK)]);
    }
    filter.push(step(RETURN, ALLOW));
    filter
}

/// What a filter says of one call; of all that are not named it says ENOSYS.
#[derive(Clone, PartialEq)]
pub(crate) enum Answer {
    /// Whatever its arguments are.
    Allow,
    /// A program of its own that answers.
    Ask(Vec<sock_filter>),
}

/// Calls from `from` up to the next range.
struct Range<'a> {
    from: u32,
    answer: Option<&'a Answer>,
}

/// A filter that finds its answer by halves.
pub(crate) fn by_tree(answers: &BTreeMap<c_long, Answer>) -> Vec<sock_filter> {
    let mut ranges: Vec<Range<'_>> = vec![Range { from: 0, answer: None }];
    for (number, answer) in answers {
        let number = low(*number);
        push(&mut ranges, number, Some(answer));
        push(&mut ranges, number + 1, None);
    }
    let mut filter = beginning();
    filter.extend(tree(&ranges));
    filter
}

/// Begins a range, or goes on with the one before where both say the same.
fn push<'a>(ranges: &mut Vec<Range<'a>>, from: u32, answer: Option<&'a Answer>) {
    while ranges.last().is_some_and(|last| last.from >= from) {
        ranges.pop();
    }
    let is_same = |last: &Range<'_>| match (last.answer, answer) {
        (None, None) | (Some(Answer::Allow), Some(Answer::Allow)) => true,
        (Some(_), None) | (None | Some(Answer::Ask(_)), Some(_)) | (Some(Answer::Allow), Some(Answer::Ask(_))) => false,
    };
    if !ranges.last().is_some_and(is_same) {
        ranges.push(Range { from, answer });
    }
}

fn tree(ranges: &[Range<'_>]) -> Vec<sock_filter> {
    match ranges {
        [] => vec![step(RETURN, MISSING)],
        [Range { answer: None, .. }] => vec![step(RETURN, MISSING)],
        [Range { answer: Some(Answer::Allow), .. }] => vec![step(RETURN, ALLOW)],
        [Range { answer: Some(Answer::Ask(program)), .. }] => program.clone(),
        _ => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            let (below, above) = (tree(lower), tree(upper));
            // A conditional jump reaches 255 instructions, a plain one all of them.
            let over = u32::try_from(below.len()).unwrap_or(u32::MAX);
            let middle = upper.first().map_or(0, |range| range.from);
            let mut both = vec![jump(JUMP_GREATER_EQUAL, middle, 0, 1), step(JUMP, over)];
            both.extend(below);
            both.extend(above);
            both
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do: the part of classic BPF that is used here, without arguments.
    fn run(filter: &[sock_filter], architecture: u32, number: u32) -> (u32, usize) {
        let (mut at, mut value, mut steps) = (0, 0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = &filter[at];
            (at, steps) = (at + 1, steps + 1);
            let is_true = match *code {
                RETURN => return (*k, steps),
                LOAD_WORD => {
                    value = if *k == ARCHITECTURE { architecture } else { number };
                    continue;
                }
                JUMP => {
                    at += *k as usize;
                    continue;
                }
                JUMP_EQUAL => value == *k,
                JUMP_GREATER_EQUAL => value >= *k,
                other => panic!("no such instruction: {other:#x}"),
            };
            at += usize::from(if is_true { *jt } else { *jf });
        }
    }

    #[test]
    fn a_tree_says_of_every_call_what_was_said() {
        const ASKED: u32 = libc::SECCOMP_RET_TRAP;
        let named: Vec<c_long> = (0..450).filter(|number| number % 7 < 3 || (200..230).contains(number)).collect();
        let answer = |number: &c_long| match number % 5 {
            0 => Answer::Ask(vec![step(RETURN, ASKED)]),
            _ => Answer::Allow,
        };
        let answers: BTreeMap<c_long, Answer> = named.iter().map(|number| (*number, answer(number))).collect();
        let filter = by_tree(&answers);
        for number in (0..600).chain([X32 - 1, X32, X32 | 1, u32::MAX]) {
            let expected = match answers.get(&c_long::from(number)) {
                Some(Answer::Allow) => ALLOW,
                Some(Answer::Ask(_)) => ASKED,
                None => MISSING,
            };
            let (said, steps) = run(&filter, NATIVE, number);
            assert_eq!(said, expected, "{number}");
            assert!(steps < 30, "{number} took {steps} steps");
        }
        assert_eq!(run(&filter, NATIVE ^ 1, 0).0, KILL);
        assert_eq!(run(&by_tree(&BTreeMap::new()), NATIVE, 3).0, MISSING);
    }

    #[test]
    fn what_is_asked_about_is_not_gone_around() {
        let filter = asking(&[libc::SYS_execve]);
        assert_eq!(run(&filter, NATIVE, low(libc::SYS_execve)).0, ASK);
        assert_eq!(run(&filter, NATIVE, low(libc::SYS_read)).0, ALLOW);
        assert_eq!(run(&filter, NATIVE, X32 | low(libc::SYS_execve)).0, MISSING);
    }
}
