//! What the journal answers: to whom, in which form, and across its own restarts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::node::{Account, PATIENCE, until};
use crate::remote::{OPS, Workstation, said, started};
use crate::seat::Seat;
use crate::site::Site;

const ADMIN: &[&str] = &["pact-platform-admin"];

/// The lines of a child's output as they come.
fn lines(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

/// `#17 …`
fn number(line: &str) -> u64 {
    line.split(' ').next().and_then(|word| word.strip_prefix('#')).and_then(|seq| seq.parse().ok()).unwrap()
}

#[test]
fn the_journal_answers_what_is_asked_of_it() {
    let (site, node) = started();
    let admin = Workstation::of(&site, "root@example.org", ADMIN);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");

    let (out, err, code) = alice.run(&["whoami"]);
    assert!(out.starts_with("Principal: alice@example.org\nVerified:  ticket of the journal, until "), "{out}{err}");
    assert_eq!(code, Some(0));
    assert!(out.ends_with("Roles:     pact-ops-ml-training\n"), "{out}");

    let (out, err, _) = alice.run(&["cluster"]);
    assert!(out.contains("Member:   1, leads, answers\n") && out.contains("1 connected, of 1"), "{out}{err}");
    until("the node's report", || alice.run(&["status", "--vcluster", "ml-training"]).0.contains("OBSERVE_ONLY"));
    let (out, _, code) = alice.run(&["status", "--vcluster", "ml-training"]);
    assert!(out.starts_with("NODE     STATE") && out.ends_with("1 node: 1 OBSERVE_ONLY\n"), "{out}");
    assert_eq!(code, Some(0));
    let by_environment = said(&alice.pact(&["status"]).env("PACT_VCLUSTER", "ml-training").output().unwrap());
    assert_eq!((by_environment.0.as_str(), by_environment.2), (out.as_str(), code));
    let (_, err, code) = alice.run(&["status"]);
    assert!(err.starts_with("pact: status: of which node, or of which vCluster?\n"), "{err}");
    assert_eq!(code, Some(1));
    let (out, _, _) = alice.run(&["--output", "json", "status", "--vcluster", "ml-training"]);
    assert!(out.starts_with("{\"nodes\":[{\"node\":\"node042\",\"vcluster\":\"ml-training\","), "{out}");
    let (out, _, _) = alice.run(&["--output", "json", "health"]);
    assert!(out.contains("\"nodes\":1"), "{out}");

    // What was done on the node is found in the journal, and what is asked there is on record itself.
    assert_eq!(node.once(Account::Alice, "uname -r").code, Some(0));
    until("the journal to have it", || alice.run(&["log", "--kind", "LINE"]).0.contains(" node:node042 "));
    let (out, _, _) = alice.run(&["log", "-n", "1", "--kind", "LINE"]);
    assert!(out.contains(" LINE    global alice@example.org ") && out.ends_with("log -n 1 --kind LINE\n"), "{out}");
    let (out, _, _) =
        admin.run(&["--output", "json", "log", "--scope", "node:node042", "--kind", "OUTCOME", "-n", "1"]);
    assert!(out.starts_with("{\"number\":") && out.contains("\"exit_code\":0") && out.lines().count() == 1, "{out}");

    // What is not for somebody, or not for the journal, is refused and on record.
    for (who, words, expected, status) in [
        (&alice, &["revoke", "bob@example.org", "-m", "left"][..], "revoke: you may not use it here", 2),
        (&alice, &["status", "--vcluster", "web"], "web: no role of yours is about this vCluster", 2),
        (&admin, &["status", "--vcluster", "web"], "web: no node of this vCluster has connected", 1),
        (&admin, &["watch", "--since", "99999999"], "watch: there is no entry 99999999 yet", 1),
    ] {
        let (out, err, code) = who.run(words);
        assert!(out.is_empty() && err.contains(expected), "{words:?}: {out}{err}");
        assert_eq!(code, Some(status), "{words:?}");
    }
    let (out, _, _) = admin.run(&["log", "--kind", "REFUSED", "--author", "alice@example.org"]);
    assert!(out.contains("exit 2: revoke: you may not use it here: revoke bob@example.org -m left"), "{out}");
}

#[test]
fn somebody_sees_what_their_roles_are_about() {
    let (site, node) = started();
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    assert_eq!(node.once(Account::Alice, "uname -r").code, Some(0));
    until("the journal to have it", || alice.run(&["log", "--scope", "node:node042"]).0.contains("OUTCOME"));

    let mallory = Workstation::of(&site, "mallory@example.org", &["pact-ops-web"]);
    let (out, _, code) = mallory.run(&["log", "-n", "1000"]);
    assert_eq!(code, Some(0));
    assert!(out.lines().count() >= 2 && out.lines().all(|line| line.contains(" mallory@example.org ")), "{out}");
    assert_eq!(mallory.run(&["log", "--scope", "node:node042"]).0, "");
    assert_eq!(mallory.run(&["log", "--author", "alice@example.org"]).0, "");
    let (_, err, code) = mallory.run(&["watch", "--vcluster", "ml-training"]);
    assert!(err.contains("no role of yours is about this vCluster"), "{err}");
    assert_eq!(code, Some(2));

    let stranger = Workstation::of(&site, "eve@example.org", &[]);
    let (out, err, code) = stranger.run(&["log"]);
    assert!(out.is_empty() && err.contains("log: you may not use it here"), "{out}{err}");
    assert_eq!(code, Some(2));
}

#[test]
fn watching_misses_nothing_and_repeats_nothing() {
    let (mut site, node) = started();
    let token = {
        let admin = Workstation::of(&site, "root@example.org", ADMIN);
        admin.waits_for("node042");
        admin.token.clone()
    };
    let mut watching = {
        let admin = Workstation { site: &site, token: token.clone() };
        let mut watching = admin.pact(&["watch", "--since", "0"]);
        watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let seen = lines(&mut watching);
    let first = seen.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(number(&first), 1);
    for round in 0..3 {
        site.kill_journal();
        assert_eq!(node.once(Account::Alice, &format!("uname -r | grep -c round{round}")).code, Some(1));
        site.start_journal("");
        let mark = format!("grep -c round{round}");
        let mut came = Vec::new();
        until("the line to be told", || {
            came.extend(seen.recv_timeout(Duration::from_millis(200)));
            came.iter().any(|line: &String| line.contains(&mark))
        });
        // Nothing of what came is left out or told twice.
        let admin = Workstation { site: &site, token: token.clone() };
        let last = came.last().map(|line| number(line)).unwrap();
        let numbers: Vec<_> = came.iter().map(|line| number(line)).collect();
        let expected: Vec<_> = (last + 1 - numbers.len() as u64..=last).collect();
        assert_eq!(numbers, expected);
        assert_eq!(admin.run(&["whoami"]).2, Some(0));
    }
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn what_was_issued_to_somebody_can_be_ended() {
    let (site, _node) = started();
    let admin = Workstation::of(&site, "root@example.org", ADMIN);
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let begin = |words: &[&str]| {
        let mut open = alice.pact(words);
        open.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut open = [begin(&["exec", "node042", "--", "cat"]), begin(&["watch", "--since", "0"])];
    let told = lines(&mut open[1]);
    assert!(told.recv_timeout(Duration::from_secs(30)).is_ok());
    until("the line to be there", || {
        admin.run(&["log", "--author", "alice@example.org", "--kind", "LINE"]).0.contains(" node:node042 ")
    });

    let revoked = Instant::now();
    let (out, err, code) = admin.run(&["revoke", "alice@example.org", "-m", "lost laptop"]);
    assert!(out.starts_with("alice@example.org: what was issued until "), "{out}{err}");
    assert_eq!(code, Some(0));
    for session in open {
        let (_, err, code) = said(&session.wait_with_output().unwrap());
        assert!(err.contains("what was issued to this person was revoked"), "{err}");
        assert_eq!(code, Some(2));
    }
    assert!(revoked.elapsed() < Duration::from_secs(10), "{:?}", revoked.elapsed());

    let (_, err, code) = alice.run(&["whoami"]);
    assert!(err.contains("access: the token is not accepted"), "{err}");
    assert_eq!(code, Some(2));
    let (out, _, _) = admin.run(&["log", "-n", "1", "--kind", "REVOKE"]);
    assert!(out.contains("global root@example.org ") && out.ends_with("counts no more: lost laptop\n"), "{out}");
}

#[test]
fn a_node_asks_the_journal_for_its_own_records() {
    let (mut site, node) = started();
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    // What one has just done is there, with the number that it has in the journal.
    assert_eq!(node.once(Account::Alice, "uname -r").code, Some(0));
    let own = node.once(Account::Alice, "log -n 3 --kind OUTCOME");
    let seqs: Vec<_> = own.stdout.lines().map(number).collect();
    assert!(!seqs.is_empty(), "{}{}", own.stdout, own.stderr);
    let admin = Workstation::of(&site, "root@example.org", ADMIN);
    let everything = admin.run(&["log", "-n", "10000"]).0;
    for line in own.stdout.lines() {
        assert!(everything.lines().any(|known| known == line), "{line}\n{everything}");
        assert!(line.contains(" node:node042 "), "{line}");
    }
    // A pipeline reads it, too.
    assert_eq!(node.once(Account::Alice, "log -n 2 | grep -c '^#'").stdout, "2\n");

    // It goes on while the journal is away, and comes back by itself.
    let mut watching = node.pact(Account::Alice, &["-c", "watch --since 0"]);
    let mut watching = watching.spawn().unwrap();
    let told = lines(&mut watching);
    let first = told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(first.contains(" node:node042 "), "{first}");
    let mut seen = vec![number(&first)];
    site.kill_journal();
    until("the journal to be missed", || {
        node.once(Account::Alice, "log -n 1").stderr.contains("the journal does not answer")
    });
    let away = node.once(Account::Alice, "log -n 1");
    assert!(away.stderr.ends_with("these are this node's own records\n"), "{}", away.stderr);
    assert_eq!((away.code, away.stdout.lines().count()), (Some(0), 1));
    let nothing = node.once(Account::Alice, "watch");
    assert_eq!(nothing.code, Some(5), "{}", nothing.stderr);
    assert!(nothing.stderr.contains("the journal is away"), "{}", nothing.stderr);
    assert_eq!(node.once(Account::Alice, "uname -r | grep -c afterwards").code, Some(1));
    site.start_journal("");
    until("what was done meanwhile to be told", || match told.recv_timeout(Duration::from_millis(200)) {
        Ok(line) => {
            seen.push(number(&line));
            line.contains("grep -c afterwards")
        }
        Err(_) => false,
    });
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn one_entry_is_shown_whole_to_whoever_may_see_it() {
    let (site, node) = started();
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let release = node.once(Account::Alice, "uname -r").stdout;
    let mut outcome = String::new();
    until("the journal to have it", || {
        outcome = alice.run(&["log", "-n", "1", "--scope", "node:node042", "--kind", "OUTCOME"]).0;
        outcome.contains("exit 0")
    });
    let seq = number(&outcome).to_string();
    let (out, err, code) = alice.run(&["log", "show", &seq]);
    assert_eq!(code, Some(0), "{err}");
    for row in [
        format!("Entry:      {seq}, OUTCOME\n"),
        "Author:     alice@example.org\n".to_owned(),
        "Via:        the agent of node042\n".to_owned(),
        format!("--- stdout, {} bytes\n{release}", release.len()),
    ] {
        assert!(out.contains(&row), "{row}: {out}");
    }
    let (json, _, _) = alice.run(&["--output", "json", "log", "show", &seq]);
    assert!(json.contains(&format!("\"stdout\":\"{}\\n\"", release.trim())), "{json}");
    // From the node the same.
    assert_eq!(node.once(Account::Alice, &format!("log show {seq}")).stdout, out);
    let mallory = Workstation::of(&site, "mallory@example.org", &["pact-ops-web"]);
    for (who, number) in [(&mallory, seq.as_str()), (&alice, "99999999"), (&alice, "0")] {
        let (out, err, code) = who.run(&["log", "show", number]);
        assert!(
            out.is_empty() && err.contains(&format!("log: there is no entry {number} that you may see")),
            "{out}{err}"
        );
        assert_eq!(code, Some(1));
    }
}

/// Whatever it dies over, what it had begun is ended on record when it comes back, once.
#[test]
fn a_journal_that_is_killed_ends_what_its_sessions_had_open() {
    let mut site = Site::new();
    let points =
        ["after-record", "before-outcome", "before-sync:9", "before-head:9", "before-apply:9", "after-apply:9"];
    for point in points {
        site.start_journal(point);
        let deadline = Instant::now() + PATIENCE;
        while !site.journal_has_ended() {
            assert!(Instant::now() < deadline, "{point} was not reached");
            let alice = Workstation::of(&site, "alice@example.org", OPS);
            let (out, err) = (Stdio::null(), Stdio::null());
            let mut asked = alice.pact(&["log", "-n", "3"]).stdout(out).stderr(err).spawn().unwrap();
            // Whoever asked waits for the journal to come again, and is not waited for here.
            while asked.try_wait().unwrap().is_none() && !site.journal_has_ended() {
                std::thread::yield_now();
            }
            asked.kill().unwrap();
            asked.wait().unwrap();
        }
    }
    let records = site.all_records();
    let of = |kind: &str, reason: &str| -> Vec<String> {
        let is_it = |record: &&String| record.contains(&format!(" {kind} ")) && record.contains(reason);
        let id = |record: &String| record.split_once('[').unwrap().1.split_once(']').unwrap().0.to_owned();
        let mut ids: Vec<_> = records.iter().filter(is_it).map(id).collect();
        ids.sort();
        ids
    };
    let (lines, sessions) = (of("LINE", ""), of("SESSION", ""));
    assert!(lines.len() >= 2 && sessions.len() >= 2, "{records:#?}");
    assert_eq!(lines, of("OUTCOME", ""), "{records:#?}");
    assert_eq!(sessions, of("END", ""), "{records:#?}");
    assert!(of("OUTCOME", "the journal stopped before it was over").len() >= 2, "{records:#?}");
    let begins = records.iter().filter(|record| record.contains(" MEMBER ")).count();
    assert_eq!(begins, points.len() + 1, "{records:#?}");
    assert_eq!(site.all_records().len(), records.len() + 1, "who comes back a second time has nothing to end");
}

/// What the journal answers is read in a pager of the workstation, where it has more rows than the screen.
#[test]
fn a_long_answer_is_read_page_by_page() {
    let (site, _node) = started();
    let alice = Workstation::of(&site, "alice@example.org", OPS);
    alice.waits_for("node042");
    let on_terminal = |pager: Option<&str>, words: &[&str]| {
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_pact")]).args(words).env_clear();
        command.env("HOME", site.path("")).env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        command.env("PACT_ENDPOINT", site.endpoint()).env("PACT_CA", site.path("ca.pem"));
        command.env("PACT_TOKEN", &alice.token).envs(pager.map(|pager| ("PAGER", pager)));
        Seat::open(&mut command)
    };
    let mut seat = on_terminal(None, &["log", "-n", "3"]);
    assert_eq!(seat.end(), Some(0), "what fits is shown and left: {}", seat.screen());
    seat.shows("#");
    assert!(seat.terminal.has_its_modes().unwrap());
    while alice.run(&["log", "-n", "1000"]).0.lines().count() < 210 {}
    let mut seat = on_terminal(None, &["log", "-n", "1000"]);
    seat.until("less to wait", |terminal| terminal.row(199).starts_with(':'));
    // Ctrl-C is for the question, which is answered already; it may take keys behind it along.
    seat.keys("\x03");
    let deadline = Instant::now() + PATIENCE;
    while !seat.screen().ends_with("(END)") {
        assert!(Instant::now() < deadline, "{}", seat.screen());
        seat.keys("G");
        // Each has the whole screen drawn: one that is pressed while that is on its way is in the way of the others.
        while seat.terminal.take_in(Duration::from_millis(300)).unwrap() {}
    }
    seat.keys("q");
    assert_eq!(seat.end(), Some(0), "{}", seat.screen());
    assert!(seat.terminal.has_its_modes().unwrap());
    for pager in ["cat", "", "/no/such/pager"] {
        let mut seat = on_terminal(Some(pager), &["log", "-n", "1000"]);
        assert_eq!(seat.end(), Some(0), "{pager}: {}", seat.screen());
        seat.shows("SESSION");
    }
    let mut seat = on_terminal(Some("head -n 1"), &["log", "-n", "1000"]);
    assert_eq!(seat.end(), Some(0), "{}", seat.screen());
    let mut seat = on_terminal(None, &["log", "--kind", "NOTHING"]);
    assert_eq!(seat.end(), Some(1), "{}", seat.screen());
}
