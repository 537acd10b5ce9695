//! One message a packet, with descriptors beside it, between agent, launcher and host.
//!
//! **Invariant:** a packet that does not fit, carries more descriptors than any message has, or cannot be decoded is
//! an error; descriptors that arrive are close-on-exec.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use prost::Message;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};

/// The largest packet: 256 words, each of them a long path.
const LARGEST: usize = 256 * 1024;
/// The most that one message carries: input, output and errors of a line.
const MOST_DESCRIPTORS: usize = 3;

/// Both ends of a connection whose packets keep their bounds; for small ones.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// The same, with room for the largest packet.
pub(crate) fn roomy_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = pair()?;
    for end in [&one, &other] {
        // A packet counts with its overhead, which may double it.
        sockopt::set_socket_send_buffer_size_force(end, 2 * LARGEST)
            .or_else(|_| sockopt::set_socket_send_buffer_size(end, 2 * LARGEST))?;
    }
    Ok((one, other))
}

/// Sends one message.
pub(crate) fn send(to: impl AsFd, message: &impl Message, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = message.encode_to_vec();
    if bytes.len() > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the line is too long once its patterns are words"));
    }
    if descriptors.is_empty() {
        // A stage that is bounded already may write, and nothing else that sends.
        rustix::io::write(to, &bytes)?;
        return Ok(());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one packet"));
    }
    sendmsg(to, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes one message; `None` when the other end is gone.
pub(crate) fn receive<M: Message + Default>(from: impl AsFd) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; LARGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        match recvmsg(&from, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            got => break got?,
        }
    };
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet is larger than any should be"));
    }
    let mut descriptors = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            descriptors.extend(received);
        }
    }
    if got.bytes == 0 && descriptors.is_empty() {
        return Ok(None);
    }
    let message = M::decode(&bytes[..got.bytes]).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some((message, descriptors)))
}

/// No message of this kind belongs here.
pub(crate) fn unexpected(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an unexpected message: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pact_proto::wire::host::{LauncherFailed, OpenSession};

    #[test]
    fn messages_keep_their_bounds_and_their_descriptors() {
        let (one, other) = roomy_pair().unwrap();
        let first = OpenSession { session_id: vec![1; 16] };
        let file = std::fs::File::open("/dev/null").unwrap();
        send(&one, &first, &[file.as_fd(), file.as_fd()]).unwrap();
        let reason = "x".repeat(200_000);
        send(&one, &LauncherFailed { session_id: Vec::new(), reason: reason.clone() }, &[]).unwrap();
        let (message, descriptors) = receive::<OpenSession>(&other).unwrap().unwrap();
        assert_eq!((message, descriptors.len()), (first, 2));
        assert_eq!(receive::<LauncherFailed>(&other).unwrap().unwrap().0.reason, reason);
        drop(one);
        assert!(receive::<OpenSession>(&other).unwrap().is_none());
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_sent() {
        let (one, _other) = pair().unwrap();
        let large = LauncherFailed { session_id: Vec::new(), reason: "x".repeat(LARGEST) };
        assert!(send(&one, &large, &[]).is_err());
    }
}
