//! `doctor`: what the launcher finds when it tries the sandbox and looks at the node's files, as one list.

use std::time::Duration;

use pact_proto::model::{Check, Finding, Severity};
use pact_proto::wire::host::{self, Findings};
use prost::Message;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

use crate::link::{Launcher, Report};

/// Whoever looks is killed before that.
const PATIENCE: Duration = Duration::from_secs(25);
/// Two hundred findings are not longer.
const LONGEST: u64 = 1 << 20;
/// What later kernels bound beside, by the layer's name, and since when.
const LATER: [(&str, &str); 3] = [
    ("landlock network", "Linux 6.7"),
    ("landlock device ioctl", "Linux 6.10"),
    ("landlock signals and abstract sockets", "Linux 6.12"),
];

/// Everything worth saying of this node, what is serious first; otherwise why nothing can be said.
pub(super) async fn examine(launcher: &Launcher) -> Result<Vec<Finding>, String> {
    let report = launcher.self_test().await.map_err(|error| format!("doctor: the launcher: {error}"))?;
    let mut findings = of_sandbox(&report);
    match of_files(launcher).await {
        Ok(found) => findings.extend(found),
        // What is wrong with the sandbox may be why: it is said all the same.
        Err(why) => findings.push(Finding {
            check: Check::Files,
            place: "/".to_owned(),
            what: why,
            fix: "mend what is said of kernel and sandbox first; else see whether a file system is away, and ask again"
                .to_owned(),
            severity: Severity::Serious,
        }),
    }
    findings.sort_by_key(|finding| (finding.severity, finding.check));
    Ok(findings)
}

/// What the self-test says, tried anew.
fn of_sandbox(report: &Report) -> Vec<Finding> {
    let finding = |check, severity, what: &str, fix: &str| Finding {
        check,
        place: "self-test".to_owned(),
        what: what.to_owned(),
        fix: fix.to_owned(),
        severity,
    };
    let failures = report.failures.iter().map(|what| {
        let fix = "no program starts on this node until its kernel gives what is missing: see README, What it needs";
        finding(Check::Sandbox, Severity::Serious, what, fix)
    });
    let degraded = report.degraded.iter().map(|what| {
        let fix = "give the agent's unit this controller: Delegate=yes, and mount control groups where none are";
        finding(Check::Sandbox, Severity::Note, what, fix)
    });
    let later = LATER.iter().filter(|(layer, _)| !report.layers.iter().any(|held| held == layer));
    let later = later.map(|(layer, since)| {
        let what = format!("this kernel has no {layer}");
        finding(Check::Kernel, Severity::Note, &what, &format!("{since} and later have it, and pact uses it"))
    });
    failures.chain(degraded).chain(later).collect()
}

/// What is found in files, by a process that may read them.
async fn of_files(launcher: &Launcher) -> Result<Vec<Finding>, String> {
    let busy = "others have this node looked at now";
    let pipe = launcher.examine().await.ok_or(busy)?;
    let pipe = Receiver::from_owned_fd(pipe).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, pipe.take(LONGEST).read_to_end(&mut bytes)).await;
    let incomplete = "the files of this node could not be looked at to the end";
    let (Ok(Ok(_)), Ok(Findings { findings, complete: true })) = (read, Findings::decode(bytes.as_slice())) else {
        return Err(incomplete.to_owned());
    };
    findings.into_iter().map(|found| of_wire(found).ok_or_else(|| incomplete.to_owned())).collect()
}

fn of_wire(found: host::Finding) -> Option<Finding> {
    let host::Finding { check, place, what, fix, severity } = found;
    Some(Finding { check: check.parse().ok()?, place, what, fix, severity: severity.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_self_test_says_is_found() {
        let report = Report {
            layers: vec!["landlock abi 5".to_owned(), "landlock network".to_owned()],
            failures: vec!["mount: it worked".to_owned()],
            degraded: vec!["memory is not bounded".to_owned()],
        };
        let found: Vec<_> = of_sandbox(&report).into_iter().map(|f| (f.check.name(), f.severity, f.what)).collect();
        let expected = [
            ("sandbox", Severity::Serious, "mount: it worked"),
            ("sandbox", Severity::Note, "memory is not bounded"),
            ("kernel", Severity::Note, "this kernel has no landlock device ioctl"),
            ("kernel", Severity::Note, "this kernel has no landlock signals and abstract sockets"),
        ];
        assert_eq!(found, expected.map(|(check, severity, what)| (check, severity, what.to_owned())));
    }
}
