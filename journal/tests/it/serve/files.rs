//! What a member needs on its disk: what is wrong there is named, and nothing is begun.

use std::os::unix::fs::{PermissionsExt, chown};

use super::caller::{Raw, Uplink, spool};
use super::member::{Member, Site, verify};
use crate::support::{flip, runtime, truncate};

/// An account that owns nothing.
const NOBODY: u32 = 65_534;

/// What becomes of a file, given its size.
type Damage = fn(&std::path::Path, u64);
/// A file, what it says, and what that gets.
type Wrong<'a> = (&'a str, &'a str, &'a str);

fn with_records() -> Site {
    let site = Site::new();
    let member = site.start();
    runtime().block_on(async {
        let (mut uplink, _) = Uplink::of(&site, member.address, &site.node("n1"), 7).await.unwrap();
        uplink.send(Raw::batch(spool("n1", 7, 1..=20))).await.unwrap();
        uplink.acknowledged(20).await.unwrap();
    });
    member.stop();
    site
}

#[test]
fn a_damaged_journal_is_named_and_not_served() {
    let site = with_records();
    let database = site.path("data/sled/db");
    let whole = std::fs::read(&database).unwrap();
    let damages: [(&str, Damage); 3] = [
        ("cut", |db, _| truncate(db, 1000)),
        ("flipped", |db, size| (0..size).step_by(97).for_each(|at| flip(db, at))),
        ("gone", |db, _| std::fs::remove_file(db).unwrap()),
    ];
    for (what, damage) in damages {
        std::fs::write(&database, &whole).unwrap();
        damage(&database, whole.len() as u64);
        let said = site.fails();
        assert!(said.contains(site.path("data").to_str().unwrap()) && said.contains("journal: "), "{what}: {said}");
        std::fs::write(&database, &whole).unwrap();
        damage(&database, whole.len() as u64);
        let output = verify(&[], &site.path("data"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains(site.path("data").to_str().unwrap()), "{what}: {said}");
    }
}

#[test]
fn verify_says_where_the_chain_ends() {
    let site = with_records();
    let output = verify(&[], &site.path("data"));
    let said = String::from_utf8(output.stdout).unwrap();
    let hash = said.trim_end().strip_prefix("journal \"pact\": 21 records, the last has hash ");
    assert!(hash.is_some_and(|hash| hash.len() == 64), "{said}");
    let output = verify(&[], &site.path("nothing"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("nothing: the records are damaged: there is no journal")
    );
    let member = site.start();
    runtime().block_on(async {
        let (mut uplink, _) = Uplink::of(&site, member.address, &site.node("n1"), 7).await.unwrap();
        uplink.send(Raw::batch(spool("n1", 7, 21..=25))).await.unwrap();
        uplink.acknowledged(25).await.unwrap();
    });
    member.kill();
    // What was acknowledged is in the chain, or it is said that there is more.
    let output = verify(&[], &site.path("data"));
    let (said, noted) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let is_more = noted.contains(" of the log are not among these records");
    assert!(output.status.success() && is_more != said.starts_with("journal \"pact\": 27 "), "{said}{noted}");
    let member = site.start();
    let output = verify(&["--list"], &site.path("data"));
    assert!(String::from_utf8(output.stderr).unwrap().contains("in use by another process"));
    member.stop();
}

#[test]
fn what_the_configuration_names_must_be_right() {
    let site = Site::new();
    let certificate = std::fs::read_to_string(site.path("member.pem")).unwrap();
    let key = std::fs::read_to_string(site.path("member.key")).unwrap();
    let other = site.authority.member(2, &["localhost"]).unwrap();
    let node = site.node("n1");
    let wrongs: [Wrong<'_>; 7] = [
        ("member.pem", &other.certificate, "it is the certificate of pact://member/2, and this is pact://member/1"),
        ("member.pem", &node.certificate, "it is the certificate of pact://node/n1, and this is pact://member/1"),
        ("member.pem", "", "member.pem: it has no certificate in PEM"),
        ("member.key", &other.key, "certificate and key: "),
        ("member.key", &certificate, "member.key: it has no private key in PEM"),
        ("ca.pem", &key, "ca.pem: it has no certificate in PEM"),
        ("journal.toml", "member = 1\nlisten = \"127.0.0.1:0\"\nmembers = 3\n", "journal.toml: line 3: unknown field"),
    ];
    for (file, text, expected) in wrongs {
        let before = std::fs::read(site.path(file)).unwrap();
        std::fs::write(site.path(file), text).unwrap();
        let said = site.fails();
        assert!(said.starts_with("pact-journal: ") && said.contains(expected), "{file}: {said}");
        assert!(!said.contains("PRIVATE"), "{said}");
        std::fs::write(site.path(file), before).unwrap();
    }
    std::fs::set_permissions(site.path("member.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(site.fails().contains("member.key: others may read it, and it is a secret"));
    assert!(!site.path("data").exists(), "nothing was begun");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let site = Site::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = std::fs::read_to_string(site.path("journal.toml")).unwrap();
    std::fs::write(site.path("journal.toml"), text.replace("127.0.0.1:0", &address.to_string())).unwrap();
    let said = site.fails();
    assert!(said.contains(&format!("listen: {address}: ")), "{said}");
}

#[test]
fn another_journals_files_are_not_opened() {
    let site = with_records();
    site.configure("cluster = \"other\"\n");
    let said = site.fails();
    assert!(said.contains("data") && said.contains("cluster pact"), "{said}");
}

/// Nothing that it does needs root.
#[test]
fn it_runs_as_a_user_of_its_own() {
    let site = Site::new();
    std::fs::create_dir(site.path("data")).unwrap();
    for (name, mode) in [("", 0o755), ("data", 0o700), ("member.key", 0o600)] {
        std::fs::set_permissions(site.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    for name in ["data", "member.key"] {
        chown(site.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // A program that everybody may start, wherever this one was built.
    std::fs::copy(env!("CARGO_BIN_EXE_pact-journal"), site.path("pact-journal")).unwrap();
    let words = ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs"];
    let mut command = std::process::Command::new("setpriv");
    command.args(words).arg(site.path("pact-journal")).arg("--config").arg(site.path("journal.toml"));
    let mut member = Member::spawn(&mut command);
    member.listens().unwrap();
    runtime().block_on(async {
        let (mut uplink, _) = Uplink::of(&site, member.address, &site.node("n1"), 7).await.unwrap();
        uplink.send(Raw::batch(spool("n1", 7, 1..=3))).await.unwrap();
        uplink.acknowledged(3).await.unwrap();
    });
    member.stop();
    assert_eq!(site.records().len(), 3);
}

/// The disk refuses in mid-flight: nothing is acknowledged, and the member ends with the name of the file.
#[test]
fn a_disk_that_refuses_ends_the_member() {
    let site = with_records();
    let mut member = site.start();
    let blobs = site.path("data/sled/blobs");
    std::fs::remove_dir(&blobs).unwrap();
    runtime().block_on(async {
        // It may end before it has welcomed anybody.
        let Ok((mut uplink, next)) = Uplink::of(&site, member.address, &site.node("n1"), 7).await else { return };
        let _sent = uplink.send(Raw::batch(spool("n1", 7, [next]))).await;
        assert!(uplink.acknowledged(next).await.is_err(), "it was acknowledged");
    });
    let said = member.until(blobs.to_str().unwrap()).unwrap();
    assert!(said.starts_with("pact-journal: journal: "), "{said}");
    assert_eq!(member.ended().code(), Some(1));
    std::fs::create_dir(&blobs).unwrap();
    site.start().stop();
}
