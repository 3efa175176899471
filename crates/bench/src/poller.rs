//! The sockets of one thread; the only file here that names `mio`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

/// Events taken from the system per wait.
const EVENTS: usize = 1024;
/// What the system says when a connection is being opened: Linux, and the BSDs with macOS.
const IN_PROGRESS: [i32; 2] = [115, 36];

/// Sockets by number, watched with edge-triggered readiness.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
    sockets: Vec<Option<TcpStream>>,
}

/// A socket that may be read or written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) socket: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The server sends nothing more.
    pub(crate) ended: bool,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(EVENTS), sockets: Vec::new() })
    }

    /// Begins to open a connection; it is open when it becomes writable and [`Poller::error`] has nothing.
    pub(crate) fn connect(
        &mut self,
        socket: usize,
        server: SocketAddr,
        from: Option<IpAddr>,
    ) -> io::Result<()> {
        let mut stream = match from {
            None => TcpStream::connect(server)?,
            Some(address) => connect_from(address, server)?,
        };
        stream.set_nodelay(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(socket), interest)?;
        if self.sockets.len() <= socket {
            self.sockets.resize_with(socket + 1, || None);
        }
        if let Some(slot) = self.sockets.get_mut(socket) {
            *slot = Some(stream);
        }
        Ok(())
    }

    /// Waits until something is ready or the time is over.
    pub(crate) fn wait(&mut self, timeout: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        ready.extend(self.events.iter().map(|event| Ready {
            socket: event.token().0,
            readable: event.is_readable() || event.is_read_closed() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
            ended: event.is_read_closed() || event.is_error(),
        }));
        Ok(())
    }

    #[inline]
    pub(crate) fn read(&mut self, socket: usize, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket(socket)?.read(buffer)
    }

    #[inline]
    pub(crate) fn write(&mut self, socket: usize, bytes: &[u8]) -> io::Result<usize> {
        self.socket(socket)?.write(bytes)
    }

    /// What went wrong with a socket, if anything.
    pub(crate) fn error(&mut self, socket: usize) -> Option<io::Error> {
        self.socket(socket).and_then(|stream| stream.take_error()).unwrap_or_else(Some)
    }

    pub(crate) fn close(&mut self, socket: usize) {
        if let Some(slot) = self.sockets.get_mut(socket) {
            *slot = None;
        }
    }

    fn socket(&mut self, socket: usize) -> io::Result<&mut TcpStream> {
        self.sockets
            .get_mut(socket)
            .and_then(Option::as_mut)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Begins to open a connection from one of the addresses of this machine.
fn connect_from(address: IpAddr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(address, 0).into())?;
    match socket.connect(&server.into()) {
        Err(error) if !in_progress(&error) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

fn in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error().is_some_and(|code| IN_PROGRESS.contains(&code))
}
