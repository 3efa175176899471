//! What a shard wants of the outside: sockets, and to be woken. `poller` does it with the operating
//! system; a simulation does it in memory.

use std::any::Any;
use std::io;
use std::net::SocketAddr;

/// The sockets of one shard. Each is named by the connection it belongs to.
pub trait Sockets {
    /// Takes the next connection that waits at a listener, names it `connection`, and says where it comes
    /// from; `None` if none waits.
    ///
    /// # Errors
    /// Whatever the operating system says; others may be waiting all the same.
    fn accept(&mut self, listener: usize, connection: u32) -> io::Result<Option<SocketAddr>>;

    /// Reads what has come, up to the length of `buffer`. 0 is the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing has come.
    fn read(&mut self, connection: u32, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes as much of `bytes` as fits.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing fits.
    fn write(&mut self, connection: u32, bytes: &[u8]) -> io::Result<usize>;

    /// Ends the writing half of a socket, after what was written; what comes can still be read.
    fn finish(&mut self, connection: u32);

    /// Closes a socket, after what was written.
    fn close(&mut self, connection: u32);

    /// Gives a socket away, to be adopted by another shard.
    fn detach(&mut self, connection: u32) -> Option<Detached>;

    /// Takes a socket of another shard in and names it `connection`.
    ///
    /// # Errors
    /// Whatever the operating system says; the socket is closed then.
    fn adopt(&mut self, connection: u32, socket: Detached) -> io::Result<()>;
}

/// A socket between two shards.
pub struct Detached(pub Box<dyn Any + Send>);

impl std::fmt::Debug for Detached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Detached")
    }
}

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A listener has connections waiting.
    Listener(usize),
    /// A connection can be read, written, or both.
    Connection {
        /// Its name.
        connection: u32,
        /// Bytes have come, or the end, or an error.
        readable: bool,
        /// Bytes fit again.
        writable: bool,
        /// The end has come, or an error, perhaps behind bytes: there is no other word of it, so the
        /// connection is to be read until it says so itself.
        ended: bool,
    },
}
