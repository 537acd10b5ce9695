//! A long way on loopback: what comes in goes out at the other end after a fixed time, byte for byte, and is counted.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::error::Result;

/// A port that leads to another one.
pub(super) struct Delay {
    pub(super) port: u16,
    /// Bytes that came back.
    back: Arc<AtomicU64>,
}

impl Delay {
    /// `each_way` is how long a byte takes. It ends with this process.
    pub(super) fn to(port: u16, each_way: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let delay = Self { port: listener.local_addr()?.port(), back: Arc::default() };
        let back = Arc::clone(&delay.back);
        spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let _fast = near.set_nodelay(true).and_then(|()| far.set_nodelay(true));
                let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
                pass(near, far, each_way, Arc::default());
                pass(far_too, near_too, each_way, Arc::clone(&back));
            }
        });
        Ok(delay)
    }

    /// How many bytes came back so far.
    pub(super) fn came_back(&self) -> u64 {
        self.back.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, time: Duration, counted: Arc<AtomicU64>) {
    let (put, taken) = channel::<(Instant, Vec<u8>)>();
    spawn(move || {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if put.send((Instant::now() + time, bytes[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    spawn(move || {
        for (due, bytes) in taken {
            sleep(due.saturating_duration_since(Instant::now()));
            counted.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _gone = to.shutdown(Shutdown::Write);
    });
}
