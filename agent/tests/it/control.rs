//! The control: without a sandbox the hostile program gets what it wants, so tests in which it does not can fail.

use crate::hostile::{Bait, Verdict, build, excused, names, parse};
use crate::throwaway;

#[test]
fn without_a_sandbox_every_try_succeeds() {
    let program = build();
    let command = "exec setsid --ctty --wait \"$1\" all $WORDS";
    let output = throwaway::run(&Bait::lay(), command, &[program.to_str().unwrap()], &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(10), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let verdicts = parse(&said).unwrap();
    let succeeded = |verdict: &Verdict| matches!(verdict, Verdict::Succeeded(_));
    let failed: Vec<_> =
        verdicts.iter().filter(|(name, verdict)| !succeeded(verdict) && excused(name).is_none()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let mut missing = names();
    missing.retain(|name| !verdicts.contains_key(name));
    assert!(missing.is_empty(), "no verdict: {missing:?}");
}

#[test]
fn what_the_program_says_is_read_whole() {
    let verdicts = parse("a: refused (EPERM)\nb: SUCCEEDED open\nc: unclear needs x=\n").unwrap();
    assert_eq!(verdicts["a"], Verdict::Refused("EPERM".to_owned()));
    assert_eq!(verdicts["b"], Verdict::Succeeded("open".to_owned()));
    assert_eq!(verdicts["c"], Verdict::Unclear("needs x=".to_owned()));
    assert!(parse("a: refused (EPERM)\nsomething else\n").is_err());
}
