//! The server's end of a connection, in bytes.

use colibri_client::{Client, Messages, Options};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const CONNECT: &str = "10 0f 0004'MQTT' 05 02 003c 00 0002'me'";
pub(crate) const CONNACK: &str = "20 03 00 00 00";

/// The server's end of one connection.
pub(crate) struct Peer<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Exactly these bytes must come.
    pub(crate) async fn expect(&mut self, text: &str) {
        let expected = bytes(text);
        let mut came = vec![0; expected.len()];
        self.0.read_exact(&mut came).await.unwrap();
        assert_eq!(came, expected, "expected {text}");
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(&bytes(text)).await.unwrap();
    }

    /// The client must close.
    pub(crate) async fn end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:02x?}");
    }
}

/// Options with the client id `me`.
pub(crate) fn options() -> Options {
    let mut options = Options::new("127.0.0.1", 1883);
    options.client_id = "me".to_owned();
    options
}

/// A client and its server in memory, connected.
pub(crate) async fn connected(options: Options) -> (Client, Messages, Peer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let mut peer = Peer(far);
    peer.send(CONNACK).await;
    let (client, messages) = Client::connect_over(near, options).await.unwrap();
    peer.expect(CONNECT).await;
    (client, messages, peer)
}

/// A server on a port of its own.
pub(crate) struct Server(TcpListener);

impl Server {
    pub(crate) async fn bind(options: &mut Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        options.endpoint.port = listener.local_addr().unwrap().port();
        Self(listener)
    }

    pub(crate) async fn accept(&self) -> Peer<TcpStream> {
        Peer(self.0.accept().await.unwrap().0)
    }
}

/// Bytes written as pairs of hexadecimal digits, which may stand together, and as 'text'.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend(part.bytes());
            continue;
        }
        let digits: String = part.split_whitespace().collect();
        let pairs = (0..digits.len()).step_by(2);
        bytes.extend(pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()));
    }
    bytes
}
