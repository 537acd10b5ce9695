//! What sshd does around pact.

use super::*;

/// Findings about sshd with this configuration behind what is sound, and these other files.
fn node(configuration: &str, files: &[(&str, &str)]) -> Node {
    let node = Node::with(files);
    node.write("/etc/ssh/sshd_config", configuration);
    node
}

/// Each keyword alone: its bad values, its default, and how it is written.
#[test]
fn each_bad_value_is_named() {
    let tcp = "serious sshd /etc/ssh/sshd_config";
    let cases: &[(&str, &str, &[&[&str]])] = &[
        ("", "", &[]),
        ("AllowTcpForwarding yes\n", "", &[]),
        (
            "DisableForwarding no\n",
            "DisableForwarding yes\n",
            &[
                &[tcp, "AllowTcpForwarding is not said and so yes"],
                &[tcp, "AllowStreamLocalForwarding is not said and so yes"],
            ],
        ),
        ("AllowTcpForwarding no\nAllowStreamLocalForwarding=no\n", "DisableForwarding yes\n", &[]),
        ("X11Forwarding yes\n", "", &[&["serious sshd /etc/ssh/sshd_config:6", "X11Forwarding is yes", "xauth"]]),
        ("x11forwarding = no\n", "", &[]),
        ("X11Forwarding \"no\"\n", "", &[]),
        ("PermitTunnel point-to-point\n", "", &[&["serious sshd", "PermitTunnel is point-to-point"]]),
        ("PermitTunnel no\nPermitTunnel yes\n", "", &[]),
        ("AllowAgentForwarding yes\n", "AllowAgentForwarding no\n", &[&["note sshd", "AllowAgentForwarding is yes"]]),
        ("", "AllowAgentForwarding no\n", &[&["note sshd", "AllowAgentForwarding is not said and so yes"]]),
        ("", "PermitUserRC no\n", &[&["note sshd", "PermitUserRC is not said and so yes", "which pact refuses"]]),
        ("GatewayPorts clientspecified\n", "", &[]),
        ("AllowTcpForwarding no\nAllowStreamLocalForwarding no\nGatewayPorts yes\n", "DisableForwarding yes\n", &[]),
        (
            "AllowTcpForwarding remote\nAllowStreamLocalForwarding no\nGatewayPorts yes\n",
            "DisableForwarding yes\n",
            &[
                &[tcp, "AllowTcpForwarding is remote for accounts of pact"],
                &["note sshd /etc/ssh/sshd_config", "GatewayPorts is yes"],
            ],
        ),
        ("ForceCommand internal-sftp -l INFO\n", "", &[&["serious sshd", "ForceCommand is internal-sftp"]]),
        ("ForceCommand internal-sftp-x\n", "", &[&["note sshd", "ForceCommand is the only line"]]),
        ("ForceCommand none\n", "", &[]),
        ("ChrootDirectory /srv/%u\n", "", &[&["serious sshd", "ChrootDirectory is /srv/%u"]]),
        ("ChrootDirectory none\n", "", &[]),
        ("PermitUserEnvironment no\n", "", &[]),
        ("PermitUserEnvironment yes\n", "", &[&["serious sshd", "PermitUserEnvironment is yes"]]),
        ("PermitUserEnvironment LANG,LC_*\n", "", &[&["note sshd", "PermitUserEnvironment is LANG,LC_*"]]),
        ("PermitUserEnvironment LANG,L*\n", "", &[&["serious sshd", "PermitUserEnvironment is LANG,L*"]]),
        ("Subsystem other internal-sftp\n", "", &[&["serious sshd", "Subsystem other is internal-sftp"]]),
        // The first of a name counts.
        ("Subsystem sftp internal-sftp\n", "", &[]),
        (
            "Subsystem sftp internal-sftp\n",
            "Subsystem sftp /usr/lib/openssh/sftp-server\n",
            &[&["serious sshd", "Subsystem sftp is internal-sftp", "`Subsystem sftp /usr/lib/openssh/sftp-server`"]],
        ),
        (
            "SUBSYSTEM sftp \"internal-sftp\" -l INFO # x\n",
            "Subsystem sftp /usr/lib/openssh/sftp-server\n",
            &[&["serious sshd", "Subsystem sftp is internal-sftp"]],
        ),
        // Whatever is forced is run by the login shell, a subsystem too.
        (
            "Subsystem other internal-sftp\nForceCommand uptime\n",
            "",
            &[&["note sshd", "ForceCommand is the only line"]],
        ),
    ];
    for (more, without, expected) in cases {
        let sound = if without.is_empty() { SSHD.to_owned() } else { SSHD.replace(without, "") };
        let text = sound + more;
        node(&text, &[]).expect(more, expected);
    }
}

#[test]
fn variables_that_decide_what_is_loaded_are_not_taken() {
    for (words, bad) in [
        ("LANG LC_* COLORTERM", ""),
        ("*", "*"),
        ("L*", "L*"),
        ("LANG LD_*", "LD_*"),
        ("LD_SOMETHING", "LD_SOMETHING"),
        ("BASH_ENV", "BASH_ENV"),
        ("PAT? ENV", "PAT? ENV"),
        ("\"LC_*\" 'LD_PRELOAD'", "LD_PRELOAD"),
        ("LANG # LD_PRELOAD", ""),
    ] {
        let node = node(&format!("{SSHD}AcceptEnv {words}\n"), &[]);
        let what = format!("AcceptEnv takes {bad} from clients");
        let expected: &[&str] = &["serious sshd /etc/ssh/sshd_config:6", &what];
        node.expect(words, if bad.is_empty() { &[] } else { std::slice::from_ref(&expected) });
    }
    // Those of a block take the place of the global ones.
    let text = format!("{SSHD}AcceptEnv LD_*\nMatch Group pact\nAcceptEnv LANG\nAcceptEnv LC_*\n");
    node(&text, &[]).expect("replaced", &[]);
    let text = format!("{SSHD}Match Address 10.0.0.0/8\nAcceptEnv LD_*\n");
    node(&text, &[]).expect("perhaps", &[&["serious sshd", "for connections that match"]]);
}

/// With DisableForwarding away, `AllowTcpForwarding` shows which line counts for whom.
#[test]
fn blocks_outrank_the_global_section_and_the_first_that_matches_counts() {
    let tcp = "serious sshd /etc/ssh/sshd_config";
    let cases: &[(&str, &[&[&str]])] = &[
        ("AllowTcpForwarding yes\nMatch Group pact\nAllowTcpForwarding no\n", &[]),
        (
            "AllowTcpForwarding no\nMatch all\nAllowTcpForwarding yes\n",
            &[&[tcp, ":8: ", "is yes for accounts of pact:", "write `AllowTcpForwarding no` there"]],
        ),
        ("AllowTcpForwarding no\nAllowTcpForwarding yes\n", &[]),
        ("AllowTcpForwarding no\nMatch User alice\nAllowTcpForwarding yes\n", &[&[tcp, "is yes for alice:"]]),
        ("AllowTcpForwarding no\nMatch User a*,!alice\nAllowTcpForwarding yes\n", &[]),
        ("AllowTcpForwarding no\nMatch User *,!alice\nAllowTcpForwarding yes\n", &[&[tcp, "is yes for bob:"]]),
        ("AllowTcpForwarding no\nMatch User carol,dave\nAllowTcpForwarding yes\n", &[]),
        ("AllowTcpForwarding no\nMatch User alice,b?b\nAllowTcpForwarding yes\n", &[&[tcp, "for accounts of pact"]]),
        // A group of the account's own, which is its primary one.
        ("AllowTcpForwarding no\nMatch Group bob\nAllowTcpForwarding yes\n", &[&[tcp, "is yes for bob:"]]),
        ("AllowTcpForwarding no\nMatch Group *,!pact\nAllowTcpForwarding yes\n", &[]),
        ("AllowTcpForwarding no\nMatch Group sudo\nAllowTcpForwarding yes\n", &[]),
        ("AllowTcpForwarding no\nMatch User alice Group bob\nAllowTcpForwarding yes\n", &[]),
        ("AllowTcpForwarding no\nMatch User=alice\nAllowTcpForwarding yes\n", &[&[tcp, "is yes for alice:"]]),
        (
            "AllowTcpForwarding no\nMatch User alice # Group bob\nAllowTcpForwarding yes\n",
            &[&[tcp, "is yes for alice:"]],
        ),
        ("AllowTcpForwarding no\nMatch invalid-user\nAllowTcpForwarding yes\n", &[]),
        // Two blocks that match.
        ("Match Group pact\nAllowTcpForwarding no\nMatch all\nAllowTcpForwarding yes\n", &[]),
        ("Match all\nAllowTcpForwarding yes\nMatch Group pact\nAllowTcpForwarding no\n", &[&[tcp, "is yes"]]),
        // What may match: a bad value counts, a good one does not.
        (
            "AllowTcpForwarding no\nMatch Address 10.0.0.0/8\nAllowTcpForwarding yes\n",
            &[&[tcp, "for connections that match"]],
        ),
        (
            "AllowTcpForwarding yes\nMatch Address 10.0.0.0/8\nAllowTcpForwarding no\n",
            &[&[tcp, "is yes", "`Match Group pact`"]],
        ),
        ("AllowTcpForwarding no\nMatch User carol Address *\nAllowTcpForwarding yes\n", &[]),
        ("Match Group pact\nAllowTcpForwarding no\nMatch LocalPort 22\nAllowTcpForwarding yes\n", &[]),
        (
            "AllowTcpForwarding no\nMatch LocalPort 22\nDisableForwarding no\nAllowTcpForwarding local\n",
            &[&[tcp, "is local"]],
        ),
        // What a block closes, it closes for who matches only.
        ("Match User alice\nDisableForwarding yes\n", &[&[tcp, "is not said and so yes for bob:"]]),
        ("Match Group pact\nDisableForwarding yes\n", &[]),
        ("Match Host *.example.org\nDisableForwarding yes\n", &[&[tcp, "is not said and so yes for accounts of pact"]]),
    ];
    let sound = SSHD.replace("DisableForwarding yes", "AllowStreamLocalForwarding no");
    for (more, expected) in cases {
        node(&format!("{sound}{more}"), &[]).expect(more, expected);
    }
}

/// What it is, the configuration, files beside it, and a part of the only finding.
type Included<'a> = (&'a str, String, Vec<(&'a str, String)>, Option<&'a str>);

#[test]
fn included_files_count_where_they_are_included() {
    let (yes, no) = ("AllowTcpForwarding yes\n", "AllowTcpForwarding no\n");
    let sound = SSHD.replace("DisableForwarding yes", "AllowStreamLocalForwarding no");
    let (one, two) = ("/etc/ssh/sshd_config.d/10-a.conf", "/etc/ssh/sshd_config.d/20-b.conf");
    let drop = "Include sshd_config.d/*.conf\n";
    let cases: Vec<Included<'_>> = vec![
        ("before", format!("{drop}{yes}"), vec![(one, no.into())], None),
        ("behind", format!("{yes}{drop}"), vec![(one, no.into())], Some("sshd_config:")),
        ("sorted", drop.into(), vec![(two, no.into()), (one, yes.into())], Some("10-a.conf:1")),
        ("sorted, too", drop.into(), vec![(two, yes.into()), (one, no.into())], None),
        ("absolute", format!("Include {one}\n{yes}"), vec![(one, no.into())], None),
        ("several", format!("Include {two} {one}\n"), vec![(two, no.into()), (one, yes.into())], None),
        ("quoted", format!("include=\"{one}\"\n{yes}"), vec![(one, no.into())], None),
        ("another name", drop.into(), vec![("/etc/ssh/sshd_config.d/x.conf~", no.into())], Some("sshd_config: ")),
        ("hidden", drop.into(), vec![("/etc/ssh/sshd_config.d/.x.conf", no.into())], Some("sshd_config: ")),
        // A block ends with its file.
        ("block", format!("{drop}{no}"), vec![(one, format!("Match User carol\n{yes}"))], None),
        ("block of ours", format!("{no}{drop}"), vec![(one, format!("Match User bob\n{yes}"))], Some("10-a.conf:2")),
        // Within a block a file counts where the block does, and its own blocks too.
        ("in a block", format!("{no}Match User carol\n{drop}"), vec![(one, yes.into())], None),
        ("in our block", format!("{no}Match User bob\n{drop}"), vec![(one, yes.into())], Some("10-a.conf:1")),
        ("both", format!("{no}Match User carol\n{drop}"), vec![(one, format!("Match User bob\n{yes}"))], None),
        (
            "after",
            format!("Match User bob\n{drop}{yes}Match all\n{no}"),
            vec![(one, format!("Match User x\n{yes}"))],
            Some("for bob"),
        ),
    ];
    for (case, more, files, expected) in cases {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let said = node(&format!("{sound}{more}"), &files).said();
        let is_said = match expected {
            Some(part) => said.len() == 1 && said[0].contains("AllowTcpForwarding") && said[0].contains(part),
            None => said.is_empty(),
        };
        assert!(is_said, "{case}: {said:#?}");
    }
}

#[test]
fn files_that_include_themselves_are_said() {
    let said = node(&format!("{SSHD}Include sshd_config\nInclude sshd_config\n"), &[]).said();
    assert!(said.len() == 1 && said[0].contains("not all is examined"), "{said:#?}");
    let node = node(&format!("{SSHD}Include d/*\n"), &[]);
    fs::create_dir_all(node.at("/etc/ssh/d/directory")).unwrap();
    symlink("circle", node.at("/etc/ssh/d/circle")).unwrap();
    let said = node.said();
    assert!(said.len() == 2 && said.iter().all(|said| said.starts_with("serious sshd /etc/ssh/d/")), "{said:#?}");
}

#[test]
fn where_accounts_are_not_seen_their_group_is_asked_for() {
    let passwd = ("/etc/passwd", "root:x:0:0::/root:/bin/bash\n");
    let nobody: &[&str] = &["note accounts /etc/passwd", "nobody on this node"];
    let yes = "serious sshd";
    let sound = SSHD.replace("DisableForwarding yes", "AllowStreamLocalForwarding no");
    let cases: &[(&str, &[&[&str]])] = &[
        ("Match Group pact\nAllowTcpForwarding no\n", &[nobody]),
        ("Match User *\nAllowTcpForwarding no\n", &[nobody]),
        ("Match User alice\nAllowTcpForwarding no\n", &[nobody, &[yes, "is not said and so yes for accounts of pact"]]),
        ("AllowTcpForwarding no\nMatch Group hpc\nAllowTcpForwarding yes\n", &[nobody, &[yes, "that match"]]),
    ];
    for (more, expected) in cases {
        node(&format!("{sound}{more}"), &[passwd]).expect(more, expected);
    }
}

#[test]
fn options_of_keys_and_the_rc_file() {
    let keys = "/home/alice/.ssh/authorized_keys";
    let key = "ssh-ed25519 AAAA command=\"internal-sftp\" is a comment here\n";
    let cases: &[(&str, &[&[&str]])] = &[
        (key, &[]),
        ("# command=\"internal-sftp\" ssh-ed25519 AAAA\n\n", &[]),
        ("restrict,from=\"a,b\" ssh-ed25519 AAAA\n", &[]),
        ("from=\"command=\" ssh-ed25519 AAAA\n", &[]),
        ("from=\"\\\",command=\" ssh-ed25519 AAAA\n", &[]),
        (
            "restrict,Command=\"internal-sftp -l X\" ssh-ed25519 A\n",
            &[&["serious sshd", ":1: command=\"internal-sftp\""]],
        ),
        ("\ncommand=\"uptime\" ssh-rsa A\n", &[&["note sshd", "authorized_keys:2: command=:"]]),
        ("environment=\"LD_PRELOAD=/tmp/x\" ssh-rsa A\n", &[&["note sshd", "environment=:"]]),
    ];
    for (text, expected) in cases {
        let node = Node::with(&[(keys, text)]);
        node.expect(text, expected);
        assert!(!node.said().iter().any(|said| said.contains("/tmp/x") || said.contains("uptime")));
    }
    let other = Node::with(&[("/home/bob/.ssh/authorized_keys2", "command=\"internal-sftp\" ssh-rsa A\n")]);
    other.expect("the other file", &[&["serious sshd /home/bob/.ssh/authorized_keys2:1"]]);
    let rc = Node::with(&[("/etc/ssh/sshrc", "")]);
    rc.expect("sshrc", &[&["note sshd /etc/ssh/sshrc", "/bin/sh"]]);
}
