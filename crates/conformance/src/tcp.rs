//! Servers behind TCP, which go by the clock of the system.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::network::{Connection, Network, Received, Sent};

/// How late a server with a clock of whole seconds, on a busy machine, may do what falls due.
const SLACK: Duration = Duration::from_secs(3);

/// A server's address.
#[derive(Debug)]
pub(crate) struct Tcp {
    address: SocketAddr,
    start: Instant,
}

impl Tcp {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, start: Instant::now() }
    }
}

impl Network for Tcp {
    fn connect(&self, patience: Duration) -> Result<Box<dyn Connection>, String> {
        let open = || {
            let stream = TcpStream::connect_timeout(&self.address, patience)?;
            stream.set_write_timeout(Some(patience))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = open().map_err(|error: std::io::Error| format!("{}: {error}", self.address))?;
        Ok(Box::new(stream))
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }

    fn slack(&self) -> Duration {
        SLACK
    }
}

impl Connection for TcpStream {
    fn send(&mut self, bytes: &[u8]) -> Sent {
        match self.write_all(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Sent::Stuck,
            Ok(()) | Err(_) => Sent::Gone,
        }
    }

    fn receive(&mut self, time: Duration) -> Received {
        let mut chunk = [0; 16_384];
        match self.set_read_timeout(Some(time)).and_then(|()| self.read(&mut chunk)) {
            Ok(0) => Received::Closed,
            Ok(count) => Received::Bytes(chunk.get(..count).unwrap_or_default().to_vec()),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Received::Nothing,
                // A reset is an end too.
                _ => Received::Closed,
            },
        }
    }
}
