//! The client proves who it is, and checks who the server is (section 4.12).

use std::sync::Arc;

use colibri_client::{
    AuthenticateError, Authenticator, Client, ConnectError, Ending, Exchange, Options, Rejected, Status,
    Version,
};

use crate::mock::{Peer, connected, options};

/// Answers each challenge with its letters turned round, and wants `done` in the end.
#[derive(Debug)]
struct Mirror;

impl Authenticator for Mirror {
    fn method(&self) -> &str {
        "m"
    }

    fn begin(&self) -> Box<dyn Exchange> {
        Box::new(Turned)
    }
}

struct Turned;

impl Exchange for Turned {
    fn first(&mut self) -> Option<Vec<u8>> {
        Some(b"hi".to_vec())
    }

    fn answer(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, Rejected> {
        let challenge = challenge.ok_or_else(|| Rejected("there is no challenge".to_owned()))?;
        Ok(Some(challenge.iter().rev().copied().collect()))
    }

    fn finish(&mut self, proof: Option<&[u8]>) -> Result<(), Rejected> {
        if proof == Some(b"done") { Ok(()) } else { Err(Rejected("no proof".to_owned())) }
    }
}

const HELLO: &str = "10 18 0004'MQTT' 05 02 003c 09 15 0001'm' 16 0002'hi' 0002'me'";
const CHALLENGE: &str = "f0 0b 18 09 15 0001'm' 16 0002'ab'";
const ANSWER: &str = "f0 0b 18 09 15 0001'm' 16 0002'ba'";
const ACCEPTED: &str = "20 0e 00 00 0b 15 0001'm' 16 0004'done'";

fn mirror() -> Options {
    Options { authenticator: Some(Arc::new(Mirror)), ..options() }
}

/// A client and its server, which has accepted.
async fn authenticated() -> (Client, colibri_client::Messages, Peer<tokio::io::DuplexStream>) {
    let (near, far) = tokio::io::duplex(4096);
    let mut peer = Peer(far);
    peer.send(ACCEPTED).await;
    let (client, messages) = Client::connect_over(near, mirror()).await.unwrap();
    peer.expect(HELLO).await;
    (client, messages, peer)
}

async fn refused(answer: &str) -> ConnectError {
    let (near, far) = tokio::io::duplex(4096);
    let mut peer = Peer(far);
    peer.send(answer).await;
    Client::connect_over(near, mirror()).await.unwrap_err()
}

#[tokio::test]
async fn challenges_are_answered_until_the_server_accepts() {
    // [v5 MQTT-4.12.0-3] [v5 MQTT-4.12.0-5]
    let (near, far) = tokio::io::duplex(4096);
    let mut peer = Peer(far);
    let server = async {
        peer.expect(HELLO).await;
        for _ in 0..2 {
            peer.send(CHALLENGE).await;
            peer.expect(ANSWER).await;
        }
        peer.send(ACCEPTED).await;
    };
    let (connected, ()) = tokio::join!(Client::connect_over(near, mirror()), server);
    let (client, _messages) = connected.unwrap();
    assert!(matches!(*client.status().borrow(), Status::Connected(_)));
}

#[tokio::test]
async fn a_server_that_does_not_prove_itself_is_left() {
    let error = refused("20 07 00 00 04 15 0001'm'").await;
    assert!(matches!(&error, ConnectError::Authentication(Rejected(why)) if why == "no proof"), "{error}");
    let error = refused("f0 06 18 04 15 0001'm'").await;
    assert!(matches!(error, ConnectError::Authentication(_)), "{error}");
    // Without the method, or with another, it is no server of 5.0.
    for answer in ["20 03 00 00 00", "f0 06 18 04 15 0001'n'"] {
        let error = refused(answer).await;
        assert!(matches!(error, ConnectError::Violation(_)), "{error}");
    }
}

#[tokio::test]
async fn a_client_authenticates_again() {
    // [v5 MQTT-4.12.1-1]
    let (client, _messages, mut peer) = authenticated().await;
    for _ in 0..2 {
        let server = async {
            peer.expect("f0 0b 19 09 15 0001'm' 16 0002'hi'").await;
            peer.send(CHALLENGE).await;
            peer.expect(ANSWER).await;
            let busy = client.authenticate_again().await;
            assert_eq!(busy, Err(AuthenticateError::UnderWay));
            peer.send("f0 0d 00 0b 15 0001'm' 16 0004'done'").await;
        };
        let (done, ()) = tokio::join!(client.authenticate_again(), server);
        assert_eq!(done, Ok(()));
    }
}

#[tokio::test]
async fn a_failed_re_authentication_ends_the_connection() {
    // [v5 MQTT-4.12.1-2]
    let (client, _messages, mut peer) = authenticated().await;
    let server = async {
        peer.expect("f0 0b 19 09 15 0001'm' 16 0002'hi'").await;
        peer.send("f0 06 00 04 15 0001'm'").await;
        peer.expect("e0 01 87").await;
        peer.end().await;
    };
    let (done, ()) = tokio::join!(client.authenticate_again(), server);
    assert_eq!(done, Err(AuthenticateError::Lost));
    client.ended().await;
    let status = client.status();
    assert!(matches!(&*status.borrow(), Status::Ended(Ending::Authentication(_))));
    // The server says no.
    let (client, _messages, mut peer) = authenticated().await;
    let server = async {
        peer.expect("f0 0b 19 09 15 0001'm' 16 0002'hi'").await;
        peer.send("e0 01 87").await;
    };
    let (done, ()) = tokio::join!(client.authenticate_again(), server);
    assert_eq!(done, Err(AuthenticateError::Lost));
}

#[tokio::test]
async fn without_a_method_nothing_is_sent() {
    // [v5 MQTT-4.12.0-7]
    let (client, _messages, mut peer) = connected(options()).await;
    assert_eq!(client.authenticate_again().await, Err(AuthenticateError::NoMethod));
    drop(client);
    peer.expect("e0 00").await;
    // Before 5.0 there are no methods.
    let (near, far) = tokio::io::duplex(4096);
    let mut peer = Peer(far);
    peer.send("20 02 00 00").await;
    let older = Options { version: Version::V3_1_1, ..mirror() };
    let (client, _messages) = Client::connect_over(near, older).await.unwrap();
    peer.expect("10 0e 0004'MQTT' 04 02 003c 0002'me'").await;
    assert_eq!(client.authenticate_again().await, Err(AuthenticateError::NoMethod));
}
