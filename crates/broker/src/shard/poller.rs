//! Sockets of the operating system; the only file that names `mio`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};

use super::socket::{Detached, Ready, Sockets};

/// Events taken from the system per wait. Chosen so that a busy turn fills a few hundred kilobytes of
/// buffers, not more.
const EVENTS: usize = 1024;

/// How many connections may wait to be accepted. The standard library has 128; measured with 200 clients
/// that connect at once, the rest waited a second each for the repetition of their first packet.
const BACKLOG: i32 = 4096;

/// The token of the waker.
const WAKER: Token = Token(usize::MAX);
/// Listener n has the token `LISTENERS - n`; connections count up from 0.
const LISTENERS: usize = usize::MAX - 1;
/// Tokens above this are listeners.
const CONNECTIONS_END: usize = u32::MAX as usize;

/// The sockets of one shard, watched with edge-triggered readiness.
#[derive(Debug)]
pub struct Poller {
    poll: Poll,
    events: Events,
    listeners: Vec<TcpListener>,
    sockets: Vec<Option<TcpStream>>,
}

/// Wakes a [`Poller`] from another thread.
#[derive(Clone, Debug)]
pub struct Wake(Arc<Waker>);

impl Wake {
    /// Ends the wait of the poller, now or the next one.
    pub fn wake(&self) {
        if let Err(error) = self.0.wake() {
            // Only a full pipe can cause this, and then the poller is awake.
            debug_assert!(false, "{error}");
        }
    }
}

impl Poller {
    /// A poller and what wakes it.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn new() -> io::Result<(Self, Wake)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let poller =
            Self { poll, events: Events::with_capacity(EVENTS), listeners: Vec::new(), sockets: Vec::new() };
        Ok((poller, Wake(Arc::new(waker))))
    }

    /// Accepts connections at an address; says which it is where the system chose the port.
    ///
    /// # Errors
    /// Whatever the operating system says.
    // [v5 MQTT-4.2.0-1] [v3.1.1 MQTT-7.1.1-1]
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A server that starts again gets its port although old connections linger on it.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Small packets are the rule, and each turn writes once: waiting for more would only delay them.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        let token = Token(LISTENERS - self.listeners.len());
        self.poll.registry().register(&mut listener, token, Interest::READABLE)?;
        let address = listener.local_addr()?;
        self.listeners.push(listener);
        Ok(address)
    }

    /// Waits until something is ready or the time is over.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &self.events {
            let Token(token) = event.token();
            if event.token() == WAKER {
                continue;
            }
            match u32::try_from(token) {
                Ok(connection) => ready.push(Ready::Connection {
                    connection,
                    readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                    writable: event.is_writable() || event.is_error(),
                    ended: event.is_read_closed() || event.is_error(),
                }),
                Err(_) => {
                    debug_assert!(token > CONNECTIONS_END);
                    ready.push(Ready::Listener(LISTENERS - token));
                }
            }
        }
        Ok(())
    }

    fn register(&mut self, connection: u32, mut socket: TcpStream) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(connection as usize), interest)?;
        let index = connection as usize;
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.sockets.get_mut(index) {
            *slot = Some(socket);
        }
        Ok(())
    }

    fn socket(&mut self, connection: u32) -> io::Result<&mut TcpStream> {
        self.sockets
            .get_mut(connection as usize)
            .and_then(Option::as_mut)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn take(&mut self, connection: u32) -> Option<TcpStream> {
        self.sockets.get_mut(connection as usize)?.take()
    }
}

impl Sockets for Poller {
    fn accept(&mut self, listener: usize, connection: u32) -> io::Result<Option<SocketAddr>> {
        let Some(listener) = self.listeners.get(listener) else { return Ok(None) };
        let (socket, address) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        // Linux has it from the listener, and a system call less per connection.
        if !cfg!(target_os = "linux") {
            socket.set_nodelay(true)?;
        }
        self.register(connection, socket)?;
        Ok(Some(address))
    }

    #[inline]
    fn read(&mut self, connection: u32, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket(connection)?.read(buffer)
    }

    #[inline]
    fn write(&mut self, connection: u32, bytes: &[u8]) -> io::Result<usize> {
        self.socket(connection)?.write(bytes)
    }

    fn finish(&mut self, connection: u32) {
        if let Ok(socket) = self.socket(connection)
            && let Err(error) = socket.shutdown(Shutdown::Write)
        {
            // The peer was first, and its end will be read.
            debug_assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        }
    }

    fn close(&mut self, connection: u32) {
        drop(self.take(connection));
    }

    fn detach(&mut self, connection: u32) -> Option<Detached> {
        let mut socket = self.take(connection)?;
        self.poll.registry().deregister(&mut socket).ok()?;
        Some(Detached(Box::new(socket)))
    }

    fn adopt(&mut self, connection: u32, socket: Detached) -> io::Result<()> {
        match socket.0.downcast::<TcpStream>() {
            Ok(socket) => self.register(connection, *socket),
            Err(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}
