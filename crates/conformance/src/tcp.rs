//! Servers behind TCP, which go by the clock of the system.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::network::{Connection, Network, Received, Sent};

/// How late a server that looks at its clients only every few seconds may do what falls due: the statements say
/// when that is, not how fine a server's clock is.
const SLACK: Duration = Duration::from_secs(12);

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
        let stream = TcpStream::connect_timeout(&self.address, patience);
        let socket = stream.and_then(|stream| Socket::new(stream, patience));
        Ok(Box::new(socket.map_err(|error| format!("{}: {error}", self.address))?))
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

/// A connection, whichever end opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    start: Instant,
}

impl Socket {
    /// The other end is to read what is sent within `patience`.
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> std::io::Result<Self> {
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, start: Instant::now() })
    }
}

impl Connection for Socket {
    fn send(&mut self, bytes: &[u8]) -> Sent {
        match self.stream.write_all(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Sent::Stuck,
            Ok(()) | Err(_) => Sent::Gone,
        }
    }

    fn finish(&mut self) {
        // It fails if the other end has closed, which the next read finds.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    fn receive(&mut self, time: Duration) -> Received {
        let mut chunk = [0; 16_384];
        match self.stream.set_read_timeout(Some(time)).and_then(|()| self.stream.read(&mut chunk)) {
            Ok(0) => Received::Closed,
            Ok(count) => Received::Bytes(chunk.get(..count).unwrap_or_default().to_vec()),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Received::Nothing,
                // A reset is an end too.
                _ => Received::Closed,
            },
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}
