//! A kernel without landlock: it is said, and nothing runs.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::lines::find;
use crate::node::{Account, Node, until};

/// Does something where the kernel answers as one before 5.13 does: it has never heard of landlock. What is started there
/// ends with the guard.
fn without_landlock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> (T, Sender<()>) {
    let calls = [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self];
    let rules: BTreeMap<_, _> = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, unknown, machine).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    let ((done, result), (guard, over)) = (channel(), channel::<()>());
    // A thread and what it starts; the others are as they were.
    thread::spawn(move || {
        seccompiler::apply_filter(&program).unwrap();
        done.send(work()).unwrap();
        let _over = over.recv();
    });
    (result.recv().unwrap(), guard)
}

#[test]
fn a_kernel_below_the_floor_is_told_and_nothing_runs_on_it() {
    let mut node = Node::prepare_with("", "");
    let (node, _guard) = without_landlock(move || {
        node.start_agent_unasked(&[]);
        node
    });
    until("the agent to answer", || node.once(Account::Alice, "status").code == Some(0));
    let status = node.once(Account::Alice, "status").stdout;
    assert!(status.contains("landlock"), "{status}");
    let refused = node.once(Account::Alice, "uname");
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("landlock"), "{}", refused.stderr);
    let answered = node.once(Account::Alice, "whoami");
    assert_eq!(answered.code, Some(0), "what starts nothing is answered: {}", answered.stderr);
    let records = node.records();
    assert!(records[find(&records, "REFUSED", "uname")].contains("landlock"), "{records:#?}");
}

/// A terminal's program that cannot give up what it does not need shows no prompt.
#[test]
fn a_terminal_below_the_floor_is_told_so() {
    let node = Node::start();
    let (told, _guard) = without_landlock(move || node.once(Account::Alice, "whoami"));
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""));
    assert!(told.stderr.contains("confinement: landlock of Linux 6.2 or later is needed"), "{}", told.stderr);
}
