//! One TCP connection: a thread reads packets from it, the session writes to it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use colibri_codec::{Frame, Malformed, Split};

use super::session::Event;

/// How long a server may take to accept a connection, or to take what is sent to it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest packet taken in, in bytes: far more than one looks at, far less than the memory.
const RECEIVE_MAX: u32 = 64 * 1024 * 1024;

/// How much is read from the socket at once, in bytes.
const READ_SIZE: usize = 16 * 1024;

/// Something that came over a connection.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// A whole packet, well-formed or not.
    Packet(Vec<u8>),
    /// Bytes that cannot be cut into packets; nothing behind them can be read.
    NoPacket(Vec<u8>, Malformed),
    /// The end, with the beginning of a packet if it came inside one.
    Closed(Vec<u8>, Option<io::Error>),
}

/// An open TCP connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    /// Tells its events from those of earlier connections.
    pub(super) number: u64,
}

impl Link {
    /// Opens a connection and starts its reader.
    pub(super) fn open(host: &str, port: u16, number: u64, events: SyncSender<Event>) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    let reader = stream.try_clone()?;
                    std::thread::spawn(move || read(reader, number, &events));
                    return Ok(Self { stream, number });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Sends bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent; the other end can still send.
    pub(super) fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Also ends the reader. A connection that is closed already is as well.
        drop(self.stream.shutdown(Shutdown::Both));
    }
}

/// Cuts what comes into packets until the connection ends or the session is gone.
fn read(mut stream: TcpStream, number: u64, events: &SyncSender<Event>) {
    let mut buffer = Vec::new();
    let mut chunk = [0; READ_SIZE];
    let send = |event| events.send(Event::Link(number, event)).is_ok();
    loop {
        let error = match stream.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
                match cut(&mut buffer, send) {
                    Ok(true) => continue,
                    Ok(false) => return,
                    Err(error) => {
                        send(LinkEvent::NoPacket(buffer, error));
                        return;
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Some(error),
        };
        send(LinkEvent::Closed(buffer, error));
        return;
    }
}

/// Sends on every whole packet at the front of the buffer; `false` if nobody takes them.
fn cut(buffer: &mut Vec<u8>, send: impl Fn(LinkEvent) -> bool) -> Result<bool, Malformed> {
    while let Split::Frame(_, used) = Frame::split(buffer, RECEIVE_MAX)? {
        let rest = buffer.split_off(used);
        if !send(LinkEvent::Packet(std::mem::replace(buffer, rest))) {
            return Ok(false);
        }
    }
    Ok(true)
}
