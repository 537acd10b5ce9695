//! `cargo xtask soak`: the journal away for a long time while several sessions work, then back.
//!
//! **Invariant:** it passes when the journal has every line of every session once, in the order in which it was typed,
//! with its outcome and the time at which it happened; and fails with the first that is not so.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::machine::{kernel, must_be_root, programs};
use crate::node::{Account, Build, Node};
use crate::say::say;
use crate::stage::{Prompt, Stage};
use crate::wait;

/// Of a session: it types the next line so long after the one before began, or when that is over.
const PACE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked whether the journal has everything.
const ASK: Duration = Duration::from_millis(200);

/// Three people's scripts on the node, and a prompt from a workstation.
const ON_NODE: [(&str, Account); 3] = [("one", Account::Alice), ("two", Account::Alice), ("three", Account::Bob)];
const REMOTE: &str = "remote";

/// `[SECONDS]`
pub(crate) fn run(away: Duration) -> Result<()> {
    must_be_root("the soak")?;
    programs::ensure(true)?;
    kernel::ensure()?;
    let interrupt = Interrupt::watch()?;
    say("xtask: building pact, pact-agent and pact-journal as they are released");
    let mut stage = Stage::set(&Build::Release.make()?, &interrupt)?;
    let remote = Prompt::open(stage.workstation(Account::Alice)?, &interrupt)?;
    stage.site.kill_journal()?;
    let begun = Timestamp::now();
    let until = Instant::now() + away;
    say(format!("xtask: the journal is away for {} s; {} sessions type", away.as_secs(), ON_NODE.len() + 1));
    let mut typed = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let node = &stage.node;
        let scripts = ON_NODE.map(|(name, account)| scope.spawn(move || script(node, account, name, until)));
        typed.push((REMOTE, prompt(remote, until, &interrupt)?));
        for ((name, _), script) in ON_NODE.into_iter().zip(scripts) {
            typed.push((name, script.join().map_err(|_| Error::failed("a session panicked"))??));
        }
        Ok(())
    })?;
    let back = Timestamp::now();
    let lines: usize = typed.iter().map(|(_, lines)| lines).sum();
    say(format!("xtask: {lines} lines were typed; the journal comes back"));
    let returned = Instant::now();
    stage.site.start_journal(&[])?;
    stage.site.until_it_listens(&interrupt)?;
    until_all_is_there(&stage, &interrupt)?;
    say(format!("xtask: it has all after {:.1} s", returned.elapsed().as_secs_f64()));
    stage.site.end_journal()?;
    let records = stage.site.verify()?;
    for (name, lines) in &typed {
        check(&records, name, *lines, (begun, back))?;
    }
    say(format!("xtask: of {} records, {lines} lines are there once, in order, with outcome and time", records.len()));
    Ok(())
}

fn line(name: &str, number: usize) -> String {
    format!("grep -c soak-{name}-{number}- /etc/hostname")
}

/// Types lines into a script until it is time; how many.
fn script(node: &Node, account: Account, name: &str, until: Instant) -> Result<usize> {
    let mut pact = node.pact(account, &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (mut input, output) = (pact.stdin.take(), pact.stdout.take());
    let (Some(lines), Some(output)) = (input.as_mut(), output) else { return Err(Error::failed("no pipes")) };
    let mut rows = BufReader::new(output).lines();
    let mut number = 0;
    while Instant::now() < until {
        let begun = Instant::now();
        writeln!(lines, "{}", line(name, number))?;
        match rows.next() {
            Some(Ok(row)) if row == "0" => number += 1,
            other => return Err(Error::failed(format!("{name}, line {number}: {other:?}"))),
        }
        wait::for_exit(pact.id(), PACE.saturating_sub(begun.elapsed()))?;
    }
    drop(input);
    pact.wait()?;
    Ok(number)
}

/// The same at a prompt.
fn prompt(mut prompt: Prompt, until: Instant, interrupt: &Interrupt) -> Result<usize> {
    let mut number = 0;
    while Instant::now() < until {
        interrupt.check()?;
        prompt.line(&line(REMOTE, number))?;
        number += 1;
    }
    prompt.leave()?;
    Ok(number)
}

fn until_all_is_there(stage: &Stage, interrupt: &Interrupt) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    // The sessions are over, and with them what is written; `status` itself is one session and line more.
    let last = stage.node.last_record()?;
    loop {
        let there = stage.node.acknowledged();
        if there >= last {
            return Ok(());
        }
        interrupt.check()?;
        if Instant::now() > deadline {
            return Err(Error::failed(format!("the journal has {there} of {last} records")));
        }
        wait::for_exit(stage.node.agent_pid(), ASK)?;
    }
}

/// `#12 TIME LINE node:… who [session.line] text`, once and in order, each with its outcome.
fn check(records: &[String], name: &str, lines: usize, (from, to): (Timestamp, Timestamp)) -> Result<()> {
    let mine = format!("] grep -c soak-{name}-");
    let typed: Vec<&String> =
        records.iter().filter(|record| record.contains(" LINE ") && record.contains(&mine)).collect();
    if typed.len() != lines {
        return Err(Error::failed(format!("{name}: {lines} lines were typed, {} are there", typed.len())));
    }
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for place in records.iter().filter(|record| record.contains(" OUTCOME ")).filter_map(|record| place(record)) {
        *outcomes.entry(place).or_default() += 1;
    }
    for (number, record) in typed.iter().enumerate() {
        let wrong = |what: &str| Error::failed(format!("{name}, line {number}: {what}: {record}"));
        if !record.ends_with(&line(name, number)) {
            return Err(wrong("it is not where it should be"));
        }
        if place(record).and_then(|place| outcomes.get(place)) != Some(&1) {
            return Err(wrong("it has not one outcome"));
        }
        let time = record.split(' ').nth(1).and_then(|time| time.parse::<Timestamp>().ok());
        // It is shown in whole seconds.
        if !time.is_some_and(|time| time.as_second() >= from.as_second() && time <= to) {
            return Err(wrong("it has another time"));
        }
    }
    Ok(())
}

/// `[session.line]`
fn place(record: &str) -> Option<&str> {
    record.split_once('[')?.1.split_once(']').map(|(place, _)| place)
}
