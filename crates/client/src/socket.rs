//! The socket: where it leads, how it is opened, and one turn of reading and writing on it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, lookup_host};

use crate::ConnectError;

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A host name or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The local address or host name to connect from. Default none: the system chooses.
    pub bind: Option<String>,
    /// Whether small packets leave at once (TCP_NODELAY). Default `true`: the task gathers what it has to
    /// say into one write anyway.
    pub nodelay: bool,
}

impl Endpoint {
    /// A host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, bind: None, nodelay: true }
    }

    /// Opens a socket to the first address that takes it.
    // [v5 MQTT-4.2.0-1] [v3.1.1 MQTT-7.1.2-1]
    pub(crate) async fn dial(&self) -> Result<Socket, ConnectError> {
        let unknown = |source| ConnectError::UnknownHost { host: self.host.clone(), source };
        let addresses: Vec<SocketAddr> =
            lookup_host((self.host.as_str(), self.port)).await.map_err(unknown)?.collect();
        let mut failure = unknown(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        for address in addresses {
            match self.dial_address(address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn dial_address(&self, address: SocketAddr) -> Result<Socket, ConnectError> {
        let unreachable = |source| ConnectError::Unreachable { address, source };
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(unreachable)?;
        if let Some(bind) = &self.bind {
            let failed = |source| ConnectError::Bind { address: bind.clone(), source };
            let mut local = lookup_host((bind.as_str(), 0)).await.map_err(failed)?;
            let Some(local) = local.find(|local| local.is_ipv4() == address.is_ipv4()) else {
                let text = "it is of another address family than the server's";
                return Err(failed(io::Error::new(io::ErrorKind::AddrNotAvailable, text)));
            };
            socket.bind(local).map_err(failed)?;
        }
        let stream = socket.connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(self.nodelay).map_err(unreachable)?;
        Ok(Socket::new(stream))
    }
}

/// What a connection can run over.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// How much is read at once, in bytes: a socket's usual receive buffer fits twice.
const CHUNK: usize = 64 * 1024;

/// An open transport with its read buffer.
pub(crate) struct Socket {
    transport: Box<dyn Transport>,
    chunk: Box<[u8]>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

/// What one turn on the socket brought.
#[derive(Debug)]
pub(crate) enum Moved {
    /// So many bytes were written.
    Out(usize),
    /// So many bytes came; 0 is the end.
    In(usize),
}

impl Socket {
    pub(crate) fn new(transport: impl Transport) -> Self {
        Self { transport: Box::new(transport), chunk: vec![0; CHUNK].into_boxed_slice() }
    }

    /// Writes some of `output` if it is not empty, or reads some bytes behind `input` if there is one,
    /// whichever can be done first. Nothing is lost when this is dropped halfway.
    pub(crate) async fn turn(&mut self, input: Option<&mut Vec<u8>>, output: &[u8]) -> io::Result<Moved> {
        let Self { transport, chunk } = self;
        let mut input = input;
        poll_fn(|context| {
            if !output.is_empty()
                && let Poll::Ready(written) = Pin::new(&mut *transport).poll_write(context, output)
            {
                return Poll::Ready(match written {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    other => other.map(Moved::Out),
                });
            }
            let Some(input) = input.as_deref_mut() else { return Poll::Pending };
            let mut buffer = ReadBuf::new(chunk);
            let read = std::task::ready!(Pin::new(&mut *transport).poll_read(context, &mut buffer));
            input.extend_from_slice(buffer.filled());
            Poll::Ready(read.map(|()| Moved::In(buffer.filled().len())))
        })
        .await
    }

    /// Writes all of `output`.
    pub(crate) async fn write_all(&mut self, output: &[u8]) -> io::Result<()> {
        self.transport.write_all(output).await?;
        self.transport.flush().await
    }

    /// Says that nothing more will be written, and waits until the peer has closed too: closing with
    /// unread bytes would take back what the peer has not read yet.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.transport.shutdown().await?;
        let mut unread = Vec::new();
        while let Moved::In(1..) = self.turn(Some(&mut unread), &[]).await? {
            unread.clear();
        }
        Ok(())
    }
}
