//! How cases reach the server and whose time they keep, so that a server can stand behind TCP or in memory.

use std::fmt::Debug;
use std::time::Duration;

/// The way to a server, and the clock that it goes by.
pub trait Network: Debug {
    /// A new connection, on which nothing was sent. It may take `patience` to come about.
    ///
    /// # Errors
    /// A sentence, if the server does not take it.
    fn connect(&self, patience: Duration) -> Result<Box<dyn Connection>, String>;

    /// The time since some moment that stays the same.
    fn now(&self) -> Duration;

    /// Lets time pass.
    fn wait(&self, time: Duration);

    /// How late a server may do what falls due: clocks are coarse, and machines busy.
    fn slack(&self) -> Duration;
}

/// The suite's end of a connection, which is closed when it is dropped.
pub trait Connection: Debug {
    /// Sends all of this. That the connection has ended is not told here but by what is received, since a
    /// server that is gone may have left a last word.
    fn send(&mut self, bytes: &[u8]) -> Sent;

    /// Ends what is sent. That the server was faster and has closed is no fault: its end is received.
    fn finish(&mut self);

    /// Waits for bytes, for at most this long.
    fn receive(&mut self, time: Duration) -> Received;

    /// The time since some moment that stays the same, by the clock of the other end.
    fn now(&self) -> Duration;
}

/// What became of bytes that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// They are on their way, or nobody is there any more.
    Gone,
    /// The server has not read them in the time that the connection came with.
    Stuck,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes, at least one.
    Bytes(Vec<u8>),
    /// The end of the connection.
    Closed,
    /// Nothing yet, perhaps before the time was over.
    Nothing,
}
