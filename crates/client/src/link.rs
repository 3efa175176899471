//! One connection on one socket: the state machine with its input and output buffers.

use std::io;
use std::time::Duration;

use colibri_codec::{Frame, Split};
use colibri_protocol::{Connection, Time};
use tokio::time::{Instant, timeout};

use crate::options::{Direction, Observer};
use crate::publish::InFlight;
use crate::socket::{Moved, Socket};

/// How long the last bytes of a connection may take, from the DISCONNECT to the peer's own close.
const FAREWELL: Duration = Duration::from_millis(500);

/// The state machine with its buffers.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Socket,
    pub(crate) connection: Connection<InFlight>,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    /// How much at the front of `output` has been written.
    written: usize,
    /// How much at the front of `output` the observer has seen.
    seen: usize,
    pub(crate) observer: Option<Observer>,
}

impl Link {
    /// A link whose CONNECT is in `output`.
    pub(crate) const fn new(
        socket: Socket,
        connection: Connection<InFlight>,
        output: Vec<u8>,
        observer: Option<Observer>,
    ) -> Self {
        Self { socket, connection, input: Vec::new(), output, written: 0, seen: 0, observer }
    }

    /// How many bytes wait to be written.
    pub(crate) const fn unwritten(&self) -> usize {
        self.output.len() - self.written
    }

    /// Shows the observer what was put into the output.
    pub(crate) fn show_output(&mut self) {
        if let Some(observer) = &self.observer {
            let mut rest = self.output.get(self.seen..).unwrap_or_default();
            while let Ok(Split::Frame(frame, used)) = Frame::split(rest, u32::MAX) {
                observer.see(Direction::Sent, frame);
                rest = rest.get(used..).unwrap_or_default();
            }
        }
        self.seen = self.output.len();
    }

    /// Writes some of the output, or reads some input if that is wanted. May be dropped at any time.
    pub(crate) async fn turn(&mut self, read: bool) -> io::Result<Moved> {
        self.show_output();
        let output = self.output.get(self.written..).unwrap_or_default();
        let moved = self.socket.turn(read.then_some(&mut self.input), output).await?;
        if let Moved::Out(bytes) = moved {
            self.written += bytes;
            if self.written >= self.output.len() {
                self.output.clear();
                self.written = 0;
                self.seen = 0;
            }
        }
        Ok(moved)
    }

    /// Writes all of the output and closes, as far as that succeeds within half a second: the connection has
    /// ended already, so nobody is left to be told of a failure.
    pub(crate) async fn close(&mut self) {
        self.show_output();
        let output = self.output.get(self.written..).unwrap_or_default();
        let farewell = async {
            self.socket.write_all(output).await?;
            self.socket.finish().await
        };
        drop(timeout(FAREWELL, farewell).await);
    }
}

/// The task's clock, which the state machine is handed the time of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(self) -> Time {
        Time::from_millis(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When the runtime's clock shows that time.
    pub(crate) fn instant(self, time: Time) -> Instant {
        self.origin + Duration::from_millis(time.as_millis())
    }
}
