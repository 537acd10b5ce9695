//! A wire between two ports of this machine that can be cut: what is on its way is lost then, and both sides are told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The wire. Its threads end with the test's process.
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    /// Both ends of what is open.
    open: Mutex<Vec<TcpStream>>,
    is_down: AtomicBool,
    /// Each connection is cut after so many bytes.
    cut_after: AtomicU64,
    connections: AtomicU64,
    /// How many connections came while it was down.
    tries: AtomicU64,
}

/// A port that nobody has; whoever takes it at once gets it.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Wire {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            open: Mutex::default(),
            is_down: AtomicBool::new(false),
            cut_after: AtomicU64::new(u64::MAX),
            connections: AtomicU64::new(0),
            tries: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let mut open = shared.open.lock().unwrap();
                if shared.is_down.load(Ordering::SeqCst) {
                    shared.tries.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let left = Arc::new(AtomicU64::new(shared.cut_after.load(Ordering::SeqCst)));
                open.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                pass(near, far, Arc::clone(&left));
                pass(far_too, near_too, left);
            }
        });
        Self { port: own, state }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many came while it was down.
    pub(crate) fn tries(&self) -> u64 {
        self.state.tries.load(Ordering::SeqCst)
    }

    /// From the next connection on.
    pub(crate) fn cuts_after(&self, bytes: u64) {
        self.state.cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Cuts what is open.
    pub(crate) fn cut(&self) {
        for end in self.state.open.lock().unwrap().drain(..) {
            let _gone = end.shutdown(Shutdown::Both);
        }
    }

    /// Cuts what is open, and lets nobody through.
    pub(crate) fn goes_down(&self) {
        self.state.is_down.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(crate) fn is_up_again(&self) {
        self.state.is_down.store(false, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: Arc<AtomicU64>) {
    thread::spawn(move || {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let read = length as u64;
            let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| Some(left.saturating_sub(read)));
            let passes = before.unwrap().min(read);
            if to.write_all(&bytes[..usize::try_from(passes).unwrap()]).is_err() || passes < read {
                break;
            }
        }
        let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
