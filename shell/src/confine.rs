//! `pact` gives up everything that a terminal does not need, before it shows a prompt.
//!
//! **Invariant:** called while there is one thread, after the socket is connected and the history is open; from then on
//! nothing can be opened, started or traced, and nothing connected but TCP to the ports of a session with another machine,
//! which must be reached again when its connection breaks. Where the kernel cannot bound that (before Linux 6.7), nothing
//! is connected again either. Anything else missing on the kernel is an error, never less.
//! **Why:** who finds a hole in `pact` holds a terminal and a session that judges every line, and nothing else.

mod filter;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// A layer that this kernel does not give.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    /// A core dump would hold what was typed.
    #[error("confinement: the process stays open to core dumps and tracing")]
    Dumpable(#[source] rustix::io::Errno),
    /// Linux 6.2 has what is asked for.
    #[error("confinement: landlock of Linux 6.2 or later is needed, and this kernel does not have it")]
    Landlock(#[source] RulesetError),
    /// The kernel took the rules and does not hold all of them.
    #[error("confinement: landlock is enforced in part only")]
    Partly,
    /// The filter of system calls.
    #[error("confinement: the seccomp filter cannot be installed")]
    Seccomp(#[source] seccompiler::Error),
    /// The filter cannot be made for this machine.
    #[error("confinement: there is no seccomp filter for this machine")]
    Filter(#[source] seccompiler::BackendError),
}

/// What kernels know, newest first; Linux 6.2 is the floor.
const KNOWN: [ABI; 8] = [ABI::V10, ABI::V9, ABI::V8, ABI::V7, ABI::V6, ABI::V5, ABI::V4, ABI::V3];

/// Confines this process for good. Of the network it keeps TCP to these ports, and where there are none nothing.
pub(crate) fn confine(ports: &[u16]) -> Result<(), ConfineError> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(ConfineError::Dumpable)?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(ConfineError::Dumpable)?;
    let network = close_files(ports)?;
    // Last, because it refuses the calls that the layers before it are made with.
    let program = filter::program(network).map_err(ConfineError::Filter)?;
    seccompiler::apply_filter(&program).map_err(ConfineError::Seccomp)?;
    #[cfg(feature = "failpoints")]
    crate::injected::try_everything();
    Ok(())
}

/// What is left of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Nothing,
    /// TCP to where landlock lets it.
    Bounded,
}

/// Landlock with every right that the kernel knows, and no rule but for the ports: all else is refused. It sets
/// no_new_privs too.
fn close_files(ports: &[u16]) -> Result<Network, ConfineError> {
    let mut refused = None;
    for abi in KNOWN {
        match close_files_of(abi, ports) {
            Ok(RulesetStatus::FullyEnforced) if ports.is_empty() || !is_network_bounded(abi) => {
                return Ok(Network::Nothing);
            }
            Ok(RulesetStatus::FullyEnforced) => return Ok(Network::Bounded),
            Ok(RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced) => return Err(ConfineError::Partly),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or(ConfineError::Partly, ConfineError::Landlock))
}

fn is_network_bounded(abi: ABI) -> bool {
    !AccessNet::from_all(abi).is_empty()
}

fn close_files_of(abi: ABI, ports: &[u16]) -> Result<RulesetStatus, RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
    if is_network_bounded(abi) {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    let scope = Scope::from_all(abi);
    if !scope.is_empty() {
        ruleset = ruleset.scope(scope)?;
    }
    let mut created = ruleset.create()?;
    if is_network_bounded(abi) {
        for port in ports {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    Ok(created.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::Command;

    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketType, ipproto, socket};

    use super::confine;

    /// Landlock and seccomp hold for a thread and those that it starts, so a thread of its own is confined.
    #[test]
    fn what_is_confined_opens_starts_and_connects_nothing_and_goes_on_with_what_it_has() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let mut kept = File::options().read(true).append(true).create(true).open(place.path().join("kept")).unwrap();
        let confined = std::thread::spawn(move || {
            confine(&[]).unwrap();
            assert!(File::open("/etc/passwd").is_err(), "a file was opened");
            assert!(File::create("/tmp/pact-confined").is_err(), "a file was made");
            assert!(Command::new("/bin/true").spawn().is_err(), "a program was started");
            assert!(UnixStream::connect(&socket).is_err(), "a socket was connected");
            assert!(
                std::net::TcpStream::connect("127.0.0.1:9").is_err_and(|e| is_unknown(&e)),
                "a network socket was made"
            );
            assert!(
                std::net::UdpSocket::bind("127.0.0.1:0").is_err_and(|e| is_unknown(&e)),
                "a network socket was made"
            );
            assert!(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).is_err());
            kept.write_all(b"a line\n").unwrap();
            kept.set_len(2).unwrap();
            let (mut one, mut other) = UnixStream::pair().unwrap();
            one.write_all(b"woken").unwrap();
            let mut read = [0; 5];
            other.read_exact(&mut read).unwrap();
            std::thread::spawn(|| ()).join().unwrap();
        });
        confined.join().unwrap();
        assert_eq!(std::fs::read(place.path().join("kept")).unwrap(), b"a ");
    }

    #[test]
    fn what_is_to_be_reached_again_is_reached_and_nothing_else() {
        let (again, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (port, far) = (again.local_addr().unwrap().port(), other.local_addr().unwrap());
        let confined = std::thread::spawn(move || {
            confine(&[port]).unwrap();
            let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_nodelay(true).unwrap();
            assert_eq!(std::net::TcpStream::connect(far).unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
            assert!(TcpListener::bind("127.0.0.1:0").is_err(), "somebody could connect");
            assert!(
                std::net::UdpSocket::bind("127.0.0.1:0").is_err_and(|e| is_unknown(&e)),
                "a datagram could be sent"
            );
            assert!(
                UnixStream::connect("/run/pact/agent.sock").is_err_and(|e| is_unknown(&e)),
                "a local socket was made"
            );
            assert!(stream.set_ttl(1).is_err(), "an option was set");
            for protocol in [ipproto::MPTCP, ipproto::SCTP] {
                let other = socket(AddressFamily::INET, SocketType::STREAM, Some(protocol));
                assert_eq!(other.err(), Some(Errno::NOSYS), "another protocol is bounded by nothing");
            }
        });
        confined.join().unwrap();
    }

    fn is_unknown(error: &std::io::Error) -> bool {
        error.raw_os_error() == Some(libc::ENOSYS)
    }
}
