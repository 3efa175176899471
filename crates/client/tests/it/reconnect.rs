//! Coming back after a loss.

use std::time::Duration;

use colibri_client::{
    Backoff, Client, Ending, Options, Publish, QoS, Status, SubscribeRequest, TopicFilter, TopicName,
};

use crate::mock::{CONNACK, CONNECT, Server, options};

const CONNECT_AGAIN: &str = "10 0f 0004'MQTT' 05 00 003c 00 0002'me'";
const RESUMED: &str = "20 03 01 00 00";

fn persistent() -> Options {
    let mut options = options();
    let backoff =
        Backoff { first: Duration::from_millis(1), maximum: Duration::from_millis(1), random: || 0.0 };
    options.reconnect = Some(backoff);
    options
}

fn message(payload: &str, qos: QoS) -> Publish {
    Publish::new(TopicName::new("t").unwrap(), payload).qos(qos)
}

#[tokio::test]
async fn what_was_under_way_is_sent_again_in_its_order() {
    let mut options = persistent();
    let server = Server::bind(&mut options).await;
    let first_connection = async {
        let mut peer = server.accept().await;
        peer.expect(CONNECT).await;
        peer.send(CONNACK).await;
        peer
    };
    let (connected, mut peer) = tokio::join!(Client::connect(options), first_connection);
    let (client, _messages) = connected.unwrap();
    let once = client.enqueue(message("a", QoS::AtLeastOnce)).await.unwrap();
    let exactly = client.enqueue(message("b", QoS::ExactlyOnce)).await.unwrap();
    let released = client.enqueue(message("c", QoS::ExactlyOnce)).await.unwrap();
    peer.expect("32 07 0001't' 0001 00 'a' 34 07 0001't' 0002 00 'b' 34 07 0001't' 0003 00 'c'").await;
    peer.send("50 02 0003").await;
    peer.expect("62 02 0003").await;
    drop(peer);
    let mut peer = server.accept().await;
    peer.expect(CONNECT_AGAIN).await;
    peer.send(RESUMED).await;
    peer.expect("62 02 0003 3a 07 0001't' 0001 00 'a' 3c 07 0001't' 0002 00 'b'").await;
    peer.send("70 02 0003 40 02 0001 50 02 0002").await;
    peer.expect("62 02 0002").await;
    peer.send("70 02 0002").await;
    for receipt in [once, exactly, released] {
        receipt.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_forgot_is_told_again() {
    let mut options = persistent();
    let server = Server::bind(&mut options).await;
    let first_connection = async {
        let mut peer = server.accept().await;
        peer.expect(CONNECT).await;
        peer.send(CONNACK).await;
        peer.expect("82 0b 0001 00 0001'a' 01 0001'b' 00").await;
        peer.send("90 05 0001 00 01 87").await;
        peer
    };
    let client = async {
        let (client, messages) = Client::connect(options).await.unwrap();
        let filter = |text| TopicFilter::new(text).unwrap();
        let request =
            SubscribeRequest::new(filter("a"), QoS::AtLeastOnce).and(filter("b"), Default::default());
        client.subscribe(request).await.unwrap();
        (client, messages)
    };
    let ((client, mut messages), peer) = tokio::join!(client, first_connection);
    let receipt = {
        let mut peer = peer;
        let receipt = client.enqueue(message("x", QoS::AtLeastOnce)).await.unwrap();
        peer.expect("32 07 0001't' 0002 00 'x'").await;
        receipt
    };
    let mut peer = server.accept().await;
    peer.expect(CONNECT_AGAIN).await;
    peer.send(CONNACK).await;
    // What is not known to have arrived is sent as new; only what was granted is subscribed again.
    peer.expect("82 07 0001 00 0001'a' 01 32 07 0001't' 0002 00 'x'").await;
    peer.send("90 04 0001 00 01 40 02 0002 30 05 0001'a' 00 'y'").await;
    receipt.await.unwrap();
    assert_eq!(messages.recv().await.unwrap().payload, b"y");
}

#[tokio::test]
async fn a_refusal_that_will_not_change_ends_it() {
    let mut options = persistent();
    let server = Server::bind(&mut options).await;
    let script = async {
        for (connect, connack) in
            [(CONNECT, CONNACK), (CONNECT_AGAIN, "20 03 00 88 00"), (CONNECT_AGAIN, "20 03 00 86 00")]
        {
            let mut peer = server.accept().await;
            peer.expect(connect).await;
            peer.send(connack).await;
        }
    };
    let client = async {
        let (client, mut messages) = Client::connect(options).await.unwrap();
        assert!(messages.recv().await.is_none());
        client
    };
    let (client, ()) = tokio::join!(client, script);
    let status = client.status();
    assert!(matches!(&*status.borrow(), Status::Ended(Ending::Refused(_))), "{status:?}");
}

#[tokio::test]
async fn a_client_whose_session_was_taken_over_stays_away() {
    let mut options = persistent();
    let server = Server::bind(&mut options).await;
    let script = async {
        let mut peer = server.accept().await;
        peer.expect(CONNECT).await;
        peer.send(CONNACK).await;
        peer.send("e0 01 8e").await;
    };
    let client = async {
        let (client, mut messages) = Client::connect(options).await.unwrap();
        assert!(messages.recv().await.is_none());
        client
    };
    let (client, ()) = tokio::join!(client, script);
    let status = client.status();
    assert!(matches!(&*status.borrow(), Status::Ended(Ending::ByServer { .. })), "{status:?}");
}
