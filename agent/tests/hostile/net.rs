//! Talking to anybody: TCP and its relatives, UDP, unix sockets by path and by abstract name, the odd families.

use crate::sys::{self, Answer, Errno, c, nr};
use crate::tries::Tries;
use crate::verdict::{Verdict, judge, judge_with, needed};
use crate::world::World;

const AF_UNIX: usize = 1;
const AF_INET: usize = 2;
const AF_INET6: usize = 10;
const STREAM: usize = 1;
const DGRAM: usize = 2;
const RAW: usize = 3;
const SEQPACKET: usize = 5;

/// A sandbox may say that there is no such family.
const NO_FAMILY: [Errno; 3] = [sys::EAFNOSUPPORT, sys::EPROTONOSUPPORT, sys::ESOCKTNOSUPPORT];
/// Somebody was asked, or would have been.
const ANSWERED: [Errno; 6] =
    [sys::ECONNREFUSED, sys::EINPROGRESS, sys::ENETUNREACH, sys::EPROTOTYPE, sys::EAGAIN, sys::ECONNRESET];
const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

pub fn add(tries: &mut Tries) {
    internet(tries);
    unix(tries);
    for (name, family, kind, protocol) in [
        ("netlink-route", 16, RAW, 0),
        ("netlink-audit", 16, RAW, 9),
        ("netlink-uevent", 16, RAW, 15),
        ("netlink-diag", 16, RAW, 4),
        ("packet", 17, RAW, 0),
        ("packet-dgram", 17, DGRAM, 0),
        ("raw", AF_INET, RAW, 1),
        ("raw6", AF_INET6, RAW, 58),
        ("ping", AF_INET, DGRAM, 1),
        ("udp", AF_INET, DGRAM, 0),
        ("udp6", AF_INET6, DGRAM, 0),
        ("mptcp", AF_INET, STREAM, 262),
        ("vsock", 40, STREAM, 0),
        ("alg", 38, SEQPACKET, 0),
        ("bluetooth", 31, RAW, 1),
        ("can", 29, RAW, 1),
        ("rds", 21, SEQPACKET, 0),
        ("tipc", 30, STREAM, 0),
        ("kcm", 41, DGRAM, 0),
        ("xdp", 44, RAW, 0),
    ] {
        tries.add(format!("net-socket-{name}"), move |_| {
            Ok(judge_with(sys::call(nr::SOCKET, &[family, kind, protocol]), &[], &NO_FAMILY, "socket"))
        });
    }
}

fn internet(tries: &mut Tries) {
    tries.add("net-tcp-connect", |world| {
        let socket = socket(AF_INET, STREAM, 0)?;
        Ok(connect(socket, &inet(port(world)?)))
    });
    tries.add("net-tcp6-connect", |world| {
        let socket = socket(AF_INET6, STREAM, 0)?;
        let mut address = vec![AF_INET6 as u8, 0];
        address.extend_from_slice(&port(world)?.to_be_bytes());
        address.extend_from_slice(&[0; 4]);
        // ::ffff:127.0.0.1, for whoever looks at families alone.
        address.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
        address.extend_from_slice(&LOOPBACK);
        address.extend_from_slice(&[0; 4]);
        Ok(connect(socket, &address))
    });
    tries.add("net-mptcp-connect", |world| {
        let socket = socket(AF_INET, STREAM, 262)?;
        Ok(connect(socket, &inet(port(world)?)))
    });
    tries.add("net-tcp-fast-open", |world| {
        const FASTOPEN: usize = 0x2000_0000;
        let socket = socket(AF_INET, STREAM, 0)?;
        Ok(send(socket, FASTOPEN, &inet(port(world)?)))
    });
    tries.add("net-tcp-bind", |_| {
        let socket = socket(AF_INET, STREAM, 0)?;
        needed(bind(socket, &inet(0)), &[], "bind")?;
        Ok(judge(sys::call(nr::LISTEN, &[socket, 1]), &[], "listen"))
    });
    tries.add("net-tcp-listen-unbound", |_| {
        let socket = socket(AF_INET, STREAM, 0)?;
        Ok(judge(sys::call(nr::LISTEN, &[socket, 1]), &[], "listen on some port"))
    });
    tries.add("net-udp-send", |world| {
        let socket = socket(AF_INET, DGRAM, 0)?;
        Ok(send(socket, 0, &inet(port(world)?)))
    });
    tries.add("net-udp-bind", |_| Ok(judge(bind(socket(AF_INET, DGRAM, 0)?, &inet(0)), &[], "bind")));
}

fn unix(tries: &mut Tries) {
    for (key, name) in [("socket", "path"), ("agentsocket", "agent")] {
        tries.add(format!("net-unix-{name}"), move |world| {
            let socket = socket(AF_UNIX, STREAM, 0)?;
            Ok(connect(socket, &unix_address(world.text(key)?.as_bytes())))
        });
    }
    tries.add("net-unix-path-dgram", |world| {
        let socket = socket(AF_UNIX, DGRAM, 0)?;
        Ok(connect(socket, &unix_address(world.text("socket")?.as_bytes())))
    });
    tries.add("net-unix-path-seqpacket", |world| {
        let socket = socket(AF_UNIX, SEQPACKET, 0)?;
        Ok(connect(socket, &unix_address(world.text("socket")?.as_bytes())))
    });
    for (kind, name) in [(STREAM, "abstract"), (DGRAM, "abstract-dgram"), (SEQPACKET, "abstract-seqpacket")] {
        tries.add(format!("net-unix-{name}"), move |world| {
            let socket = socket(AF_UNIX, kind, 0)?;
            Ok(connect(socket, &unix_address(&abstract_name(world.text("abstract")?))))
        });
    }
    tries.add("net-unix-bind", |world| {
        let socket = socket(AF_UNIX, STREAM, 0)?;
        let path = format!("{}/.{}", world.text("writable")?, sys::fresh_name());
        let bound = bind(socket, &unix_address(path.as_bytes()));
        let _gone = sys::call(nr::UNLINK, &[sys::at(&c(&path))]);
        Ok(judge(bound, &[], "bind"))
    });
    tries.add("net-unix-bind-abstract", |_| {
        let socket = socket(AF_UNIX, STREAM, 0)?;
        let name = abstract_name(&sys::fresh_name());
        Ok(judge(bind(socket, &unix_address(&name)), &[], "bind"))
    });
}

fn socket(family: usize, kind: usize, protocol: usize) -> Result<usize, Verdict> {
    const NONBLOCK: usize = 0o4000;
    needed(sys::call(nr::SOCKET, &[family, kind | NONBLOCK, protocol]), &NO_FAMILY, "socket")
}

fn connect(socket: usize, address: &[u8]) -> Verdict {
    let answer = sys::call(nr::CONNECT, &[socket, address.as_ptr() as usize, address.len()]);
    // A path that is not there: the caller knows that it is, outside.
    judge_with(answer, &ANSWERED, &[sys::ENOENT], "connect")
}

fn send(socket: usize, flags: usize, address: &[u8]) -> Verdict {
    let text = b"hostile";
    let (text, length) = (text.as_ptr() as usize, text.len());
    let answer = sys::call(nr::SENDTO, &[socket, text, length, flags, address.as_ptr() as usize, address.len()]);
    judge(answer, &ANSWERED, "send")
}

fn bind(socket: usize, address: &[u8]) -> Answer {
    sys::call(nr::BIND, &[socket, address.as_ptr() as usize, address.len()])
}

fn port(world: &World) -> Result<u16, Verdict> {
    world.text("port")?.parse().map_err(|_| Verdict::Unclear("port= is no port".to_owned()))
}

fn inet(port: u16) -> Vec<u8> {
    let mut address = vec![AF_INET as u8, 0];
    address.extend_from_slice(&port.to_be_bytes());
    address.extend_from_slice(&LOOPBACK);
    address.extend_from_slice(&[0; 8]);
    address
}

fn abstract_name(name: &str) -> Vec<u8> {
    [&[0], name.as_bytes()].concat()
}

fn unix_address(path: &[u8]) -> Vec<u8> {
    [&[AF_UNIX as u8, 0], path].concat()
}
