//! Accounts, shells, jobs, rules and files.

use super::*;

/// Files that are written, and what is found then.
type Cases<'a> = &'a [(&'a [(&'a str, &'a str)], &'a [&'a [&'a str]])];

fn check(cases: Cases<'_>) {
    for (files, expected) in cases {
        Node::with(files).expect(&format!("{files:?}"), expected);
    }
}

#[test]
fn what_pam_takes_from_a_home() {
    let line = |options: &str| format!("session required pam_env.so {options}\n");
    let (bad, off) = (line("user_readenv=1 envfile=/etc/default/locale"), line("user_readenv=0"));
    check(&[
        (&[("/etc/pam.d/sshd", &bad)], &[&["serious accounts /etc/pam.d/sshd:1", "~/.pam_environment"]]),
        (&[("/usr/lib/pam.d/login", &bad)], &[&["serious accounts /usr/lib/pam.d/login:1"]]),
        (&[("/etc/pam.d/sshd", &off), ("/etc/pam.d/su", &format!("# {bad}")), ("/etc/pam.d/x/y", &bad)], &[]),
        (&[("/etc/pam.d/sshd", "session required pam_unix.so user_readenv=1\n")], &[]),
    ]);
}

#[test]
fn who_may_connect_and_logs_in_elsewhere() {
    let passwd = |line: &str| format!("{PASSWD}{line}\n");
    let group = GROUP.replace("alice,bob", "alice,bob,dora");
    check(&[
        (
            &[("/etc/passwd", &passwd("dora:x:1002:1002::/home/dora:/bin/bash")), ("/etc/group", &group)],
            &[&["serious accounts /etc/passwd", "dora is in the group pact and logs in to /bin/bash"]],
        ),
        (&[("/etc/passwd", &passwd("dora:x:1002:1002::/home/dora:/usr/sbin/nologin")), ("/etc/group", &group)], &[]),
        (&[("/etc/passwd", &passwd("dora:x:1002:1002::/home/dora:/bin/bash"))], &[]),
    ]);
}

#[test]
fn accounts_that_are_more_than_accounts() {
    let passwd = |line: &str| format!("{PASSWD}{line}\n");
    let uid = passwd("toor:x:0:0::/root:/usr/bin/pact").replace("root:x:0:0:root:/root:/bin/bash\n", "");
    let twice = passwd("dora:x:1000:1000::/home/alice:/bin/zsh");
    let open = PASSWD.replace("alice:x:", "alice::");
    let group = |from: &str, to: &str| GROUP.replace(from, to);
    let cases: Cases<'_> = &[
        (&[("/etc/passwd", &twice)], &[&["serious accounts", "alice", "another shell as dora"]]),
        (&[("/etc/passwd", &open)], &[&["serious accounts", "alice has no password"]]),
        (&[("/etc/shadow", "bob::1::::::\n")], &[&["serious accounts", "bob has no password"]]),
        (
            &[("/etc/passwd", &uid)],
            &[
                &["serious accounts", "toor logs in to pact and is root"],
                &["serious accounts", "toor cannot connect"],
                &["serious accounts", "toor: in the group root"],
            ],
        ),
        (
            &[("/etc/group", &group("alice,bob", "alice"))],
            &[&["serious accounts", "bob cannot connect", "usermod -a -G pact bob"]],
        ),
        (&[("/etc/group", &group("pact:x:", "tcap:x:"))], &[&["serious accounts", "there is no group pact"]]),
        // By the primary group, too.
        (
            &[
                ("/etc/passwd", &PASSWD.replace("bob:x:1001:1001", "bob:x:1001:900")),
                ("/etc/group", &group("alice,bob", "alice")),
            ],
            &[],
        ),
        (
            &[("/etc/group", &format!("{GROUP}docker:x:998:alice,bob\n"))],
            &[&["serious accounts", "alice and bob: in the group docker"]],
        ),
        (&[("/etc/group", &format!("{GROUP}docker:x:998:carol\n"))], &[]),
        (&[("/etc/group", &format!("{GROUP}adm:x:4:bob\n"))], &[&["note accounts", "bob: in the group adm"]]),
        (
            &[("/etc/passwd", &passwd("# dora:x:0:0::/:/usr/bin/pact\n+::::::\nbroken:x\n:x:zero:0::/:/usr/bin/pact"))],
            &[],
        ),
    ];
    check(cases);
}

#[test]
fn accounts_beyond_the_most_are_counted() {
    let many: String = (0..600).map(|n| format!("u{n}:x:{}:900::/home/u:/usr/bin/pact\n", 2000 + n)).collect();
    Node::with(&[("/etc/passwd", &many)]).expect("many", &[&["serious accounts", "600 accounts", "512"]]);
}

#[test]
fn homes_that_others_may_write() {
    for (path, mode, owner, expected) in [
        ("/home/alice", 0o755, 1000, None),
        ("/home/alice", 0o755, 0, None),
        ("/home/alice", 0o775, 1000, Some("others may write it")),
        ("/home/alice", 0o757, 1000, Some("others may write it")),
        ("/home/alice/.ssh", 0o770, 1000, Some("others may write it")),
        ("/home/alice/.ssh", 0o700, 1001, Some("belongs to uid 1001")),
    ] {
        let node = Node::sound();
        chown(node.at(path), Some(owner), None).unwrap();
        node.mode(path, mode);
        let place = format!("serious accounts {path}");
        let said: &[&str] = &[&place, expected.unwrap_or_default()];
        let said = if expected.is_some() { std::slice::from_ref(&said) } else { &[] };
        node.expect(&format!("{path} {mode:o} {owner}"), said);
    }
}

#[test]
fn pact_is_no_shell_that_one_may_choose() {
    check(&[
        (&[("/etc/shells", "/bin/sh\n# /usr/bin/pact\n/usr/bin/pact-x\n")], &[]),
        (&[("/etc/shells", "/bin/sh\n/usr/bin/pact\n")], &[&["serious shells /etc/shells:2", "chsh"]]),
        // By another path.
        (&[("/etc/shells", "/bin/pact # ours\n")], &[&["serious shells /etc/shells:1"]]),
    ]);
}

#[test]
fn who_may_use_cron_and_at() {
    let (cron, at) = (("/usr/bin/crontab", ""), ("/usr/bin/at", ""));
    let both: &[&str] = &["serious jobs", "alice and bob may use cron"];
    check(&[
        (&[("/etc/cron.allow", "alice\n")], &[]),
        (&[cron], &[both]),
        (&[cron, ("/etc/cron.allow", "")], &[]),
        (&[cron, ("/etc/cron.allow", "root\n bob \n")], &[&["serious jobs /etc/cron.allow", "bob may use cron"]]),
        (&[cron, ("/etc/cron.allow", ""), ("/etc/cron.deny", "")], &[]),
        (&[cron, ("/etc/cron.deny", "")], &[both]),
        (&[cron, ("/etc/cron.deny", "alice\nbob\n")], &[]),
        (&[cron, ("/etc/cron.deny", "alice\nbob \n")], &[&["serious jobs /etc/cron.deny", "bob may use cron"]]),
        (&[at], &[]),
        (&[at, ("/etc/at.deny", "")], &[&["serious jobs /etc/at.deny", "alice and bob may use at"]]),
        (&[at, ("/etc/at.deny", "alice\nbob\n")], &[]),
        (&[at, ("/etc/at.allow", "alice\n")], &[&["serious jobs /etc/at.allow", "alice may use at"]]),
    ]);
}

#[test]
fn what_runs_by_itself() {
    let unit = ("/usr/lib/systemd/system/user@.service", "");
    check(&[
        (&[("/var/spool/cron/crontabs/alice", "* * * * * id\n")], &[&["serious jobs", "alice has a crontab"]]),
        (&[("/var/spool/cron/alice", "* * * * * id\n")], &[&["serious jobs", "crontab -r -u alice"]]),
        (&[("/var/spool/cron/alice", ""), ("/var/spool/cron/carol", "* * * * * id\n")], &[]),
        (&[("/var/lib/systemd/linger/alice", "")], &[&["serious jobs", "loginctl disable-linger alice"]]),
        (&[("/var/lib/systemd/linger/carol", "")], &[]),
        (&[("/home/alice/.config/systemd/user/x.service", "")], &[&["note jobs", "alice has units (x.service)"]]),
        (&[("/home/alice/.forward", "alice@example.org\n")], &[]),
        (&[("/home/alice/.forward", "|/bin/sh\n")], &[&["note jobs /home/alice/.forward"]]),
        (&[("/home/bob/.forward", "|x\n"), ("/usr/sbin/sendmail", "")], &[&["serious jobs /home/bob/.forward"]]),
        (&[("/home/alice/.procmailrc", "")], &[&["note jobs /home/alice/.procmailrc"]]),
        (&[unit], &[&["serious jobs", "a manager for alice and bob"]]),
        (&[("/etc/slurm/slurm.conf", "")], &[&["note jobs /etc/slurm/slurm.conf", "asks no login shell"]]),
    ]);
    let node = Node::with(&[unit]);
    fs::create_dir_all(node.at("/etc/systemd/system")).unwrap();
    symlink("/dev/null", node.at("/etc/systemd/system/user@1000.service")).unwrap();
    node.expect("one is masked", &[&["serious jobs", "a manager for bob", "mask user@1001.service"]]);
    symlink("/dev/null", node.at("/etc/systemd/system/user@.service")).unwrap();
    node.expect("all are masked", &[]);
    let node = Node::with(&[("/var/spool/cron/atjobs/a00001", ""), ("/var/spool/cron/atjobs/a00002", "")]);
    chown(node.at("/var/spool/cron/atjobs/a00002"), Some(1001), None).unwrap();
    node.expect("at", &[&["serious jobs /var/spool/cron/atjobs/a00002", "a job of bob"]]);
}

#[test]
fn rules_of_sudo() {
    let (all, file) = (" ALL=(ALL) ALL\n", "/etc/sudoers");
    let rule = |users: &str| format!("{users}{all}");
    let alice: &[&str] = &["serious sudo /etc/sudoers:1", "for alice, and"];
    let everybody: &[&str] = &["serious sudo /etc/sudoers:1", "for accounts of pact"];
    for (users, expected) in [
        ("root, carol", &[] as &[&[&str]]),
        ("alice", &[alice]),
        ("root , \\\n  alice", &[alice]),
        ("\"alice\"", &[alice]),
        ("#1000", &[alice]),
        ("%alice", &[alice]),
        ("%#1000", &[alice]),
        ("%pact", &[everybody]),
        ("ALL", &[everybody]),
        ("ALL, !bob", &[alice]),
        ("!bob, ALL", &[everybody]),
        ("ALL, !!bob", &[everybody]),
        ("ALL,!%pact", &[]),
        ("# alice", &[]),
        ("root # alice", &[]),
        ("%sudo", &[]),
        ("alicex", &[]),
        ("root ALL=(alice)", &[]),
        ("+admins", &[&["note sudo", "may be for accounts of pact"]]),
        ("%:domain\\ admins", &[&["note sudo", "may be"]]),
    ] {
        Node::with(&[(file, &rule(users))]).expect(users, expected);
    }
    for (text, is_said) in [
        ("OPS ALL=ALL\nUser_Alias X = carol : OPS = root, alice\n", true),
        ("User_Alias OPS = root, carol\nOPS ALL=ALL\n", false),
        ("User_Alias OPS = OPS2\nUser_Alias OPS2 = ALL\nOPS ALL=ALL\n", true),
        ("User_Alias OPS = OPS\nOPS ALL=ALL\n", true),
        ("Defaults:alice !requiretty\nHost_Alias alice = x\nCmnd_Alias A = /bin/alice\n", false),
    ] {
        assert_eq!(!Node::with(&[(file, text)]).said().is_empty(), is_said, "{text}");
    }
    // Lists of lists of lists end.
    let aliases: String =
        (0..14).map(|n| format!("User_Alias A{n} = {}\n", vec![format!("A{}", n + 1); 50].join(","))).collect();
    let said = Node::with(&[(file, &format!("{aliases}User_Alias A14 = carol\nA0 ALL=ALL\n"))]).said();
    assert!(said.len() == 1 && said[0].starts_with("note sudo"), "{said:#?}");
    let text = format!("alice node=NOPASSWD: /bin/{}\n", "x".repeat(2000));
    let said = Node::with(&[(file, &text)]).said();
    assert!(said.len() == 1 && said[0].contains("NOPASSWD") && said[0].contains("take them out"), "{said:#?}");
}

#[test]
fn included_rules_of_sudo_and_doas() {
    let rule = "alice ALL=ALL\n";
    check(&[
        (
            &[("/etc/sudoers", "#includedir /etc/sudoers.d\n"), ("/etc/sudoers.d/x", rule)],
            &[&["serious sudo /etc/sudoers.d/x:1"]],
        ),
        (
            &[("/etc/sudoers", "@includedir sudoers.d\n"), ("/etc/sudoers.d/x", rule)],
            &[&["serious sudo /etc/sudoers.d/x:1"]],
        ),
        (
            &[
                ("/etc/sudoers", "@includedir /etc/sudoers.d\n"),
                ("/etc/sudoers.d/x.bak", rule),
                ("/etc/sudoers.d/x~", rule),
            ],
            &[],
        ),
        (&[("/etc/sudoers", "# includedir /etc/sudoers.d\n"), ("/etc/sudoers.d/x", rule)], &[]),
        (
            &[("/etc/sudoers", "@include \"/etc/other\"\n"), ("/etc/other", "@include sudoers\nalice ALL=ALL")],
            &[&["serious sudo /etc/other:2"]],
        ),
        (
            &[("/etc/sudoers", "@include /etc/none\n@include /etc/sudoers.%h\n")],
            &[&["note sudo", "depends on the host"]],
        ),
        (&[("/etc/doas.conf", "permit :wheel\npermit root\ndeny alice\n# permit alice\n")], &[]),
        (
            &[("/etc/doas.conf", "permit nopass setenv { A=b -C } alice as root cmd id\n")],
            &[&["serious sudo /etc/doas.conf:1", "for alice, and"]],
        ),
        (&[("/etc/doas.conf", "permit keepenv :pact\n")], &[&["serious sudo", "accounts of pact"]]),
        // Where accounts are not seen, what is for everybody is for them.
        (
            &[("/etc/passwd", ""), ("/etc/sudoers", "ALL ALL=ALL\nalice ALL=ALL\n%pact ALL=ALL\n")],
            &[&["note accounts"], &["serious sudo /etc/sudoers:1"], &["serious sudo /etc/sudoers:3"]],
        ),
    ]);
}

/// Spoils a node.
type Spoilt = fn(&Node);

#[test]
fn owners_and_modes() {
    let cases: [(&str, Spoilt, &[&[&str]]); 14] = [
        ("set-uid", |node| node.mode("/usr/bin/pact", 0o4755), &[&["serious files /usr/bin/pact", "set-uid"]]),
        ("set-gid", |node| node.mode("/usr/bin/pact", 0o2755), &[&["serious files /usr/bin/pact", "set-gid"]]),
        ("no program", |node| node.mode("/usr/bin/pact", 0o644), &[&["serious files /usr/bin/pact", "no program"]]),
        ("writable", |node| node.mode("/etc/pact/policy.toml", 0o664), &[&["serious files /etc/pact/policy.toml"]]),
        ("above", |node| node.mode("/etc/pact", 0o757), &[&["serious files /etc/pact", "others"]]),
        ("sticky", |node| node.mode("/etc/pact/programs", 0o1777), &[&["serious files /etc/pact/programs"]]),
        ("sticky above", |node| node.mode("/", 0o1777), &[]),
        ("open above", |node| node.mode("/", 0o777), &[&["serious files /:", "others"]]),
        (
            "owner",
            |node| chown(node.at("/etc/pact/policy.toml"), Some(7), None).unwrap(),
            &[&["serious files", "uid 7"]],
        ),
        ("system", |node| node.mode("/etc/pam.d", 0o777), &[&["serious files /etc/pam.d", "everybody"]]),
        ("system of root's group", |node| node.mode("/etc/pam.d", 0o775), &[]),
        (
            "system of a group",
            |node| {
                chown(node.at("/etc/pam.d"), None, Some(50)).unwrap();
                node.mode("/etc/pam.d", 0o2775);
            },
            &[&["note files /etc/pam.d", "the group 50"]],
        ),
        (
            "passwd",
            |node| chown(node.at("/etc/passwd"), Some(1000), None).unwrap(),
            &[&["serious files /etc/passwd", "uid 1000"]],
        ),
        // /bin leads there, and is said only once.
        (
            "programs",
            |node| node.mode("/usr/bin", 0o777),
            &[&["serious files /usr/bin", "pact's"], &["serious files /usr/bin", "everybody"]],
        ),
    ];
    for (case, spoil, expected) in cases {
        let node = Node::sound();
        spoil(&node);
        node.expect(case, expected);
    }
}

#[test]
fn what_leads_to_pacts_own_files_counts_too() {
    let node = Node::sound();
    fs::create_dir_all(node.at("/srv/programs")).unwrap();
    fs::remove_dir(node.at("/etc/pact/programs")).unwrap();
    symlink("../../srv/programs", node.at("/etc/pact/programs")).unwrap();
    node.expect("a link", &[]);
    node.mode("/srv", 0o777);
    node.expect("what it leads through", &[&["serious files /srv", "others"]]);
}

#[test]
fn capabilities_and_libraries() {
    let node = Node::sound();
    // cap_net_raw, permitted and effective, as vfs_cap_data of version 2 has it.
    let bytes: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(node.at("/usr/bin/pact"), c"security.capability", &bytes, flags).unwrap();
    node.expect("capabilities", &[&["serious files /usr/bin/pact", "capabilities"]]);
    check(&[
        (&[("/etc/ld.so.preload", "# none\n\n")], &[]),
        (&[("/etc/ld.so.preload", "/usr/lib/x.so # x\n")], &[&["serious files /etc/ld.so.preload", "/usr/lib/x.so,"]]),
    ]);
    let node = Node::with(&[("/etc/ld.so.conf.d/x.conf", "/opt/lib\n"), ("/opt/lib/x.so", "")]);
    node.expect("libraries", &[]);
    node.mode("/opt/lib", 0o777);
    node.expect("libraries", &[&["serious files /opt/lib", "everybody"]]);
}
