//! Keep Alive on a paused clock.

use std::time::Duration;

use colibri_client::{Ending, QoS, Status, SubscribeRequest, TopicFilter, Violation};
use tokio::time::Instant;

use crate::mock::{connected, options};

#[tokio::test(start_paused = true)]
async fn a_silent_client_pings_and_an_answer_keeps_it() {
    // [v5 MQTT-3.1.2-20]
    let (client, _messages, mut peer) = connected(options()).await;
    let start = Instant::now();
    for round in 1..=3 {
        peer.expect("c0 00").await;
        assert_eq!(start.elapsed().as_secs(), 60 * round);
        peer.send("d0 00").await;
    }
    drop(client);
    peer.expect("e0 00").await;
    peer.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up() {
    let (client, mut messages, mut peer) = connected(options()).await;
    let start = Instant::now();
    peer.expect("c0 00").await;
    assert!(messages.recv().await.is_none());
    assert_eq!(start.elapsed().as_secs(), 120);
    let status = client.status();
    let Status::Ended(Ending::Violation(violation)) = &*status.borrow() else { panic!("{status:?}") };
    assert_eq!(*violation, Violation::KeepAliveTimeout);
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_keeps_its_connection() {
    let mut options = options();
    options.message_capacity = 1;
    let (client, mut messages, mut peer) = connected(options).await;
    // The second message does not fit, and the answers to the pings lie behind it.
    peer.send("30 05 0001't' 00 'a' 30 05 0001't' 00 'b'").await;
    for _ in 0..3 {
        peer.expect("c0 00").await;
        peer.send("d0 00").await;
    }
    assert_eq!(messages.recv().await.unwrap().payload, b"a");
    assert_eq!(messages.recv().await.unwrap().payload, b"b");
    let filter = TopicFilter::new("t").unwrap();
    let asked = client.subscribe(SubscribeRequest::new(filter, QoS::AtMostOnce));
    let answered = async {
        peer.expect("82 07 0001 00 0001't' 00").await;
        peer.send("90 04 0001 00 00").await;
    };
    assert!(tokio::join!(asked, answered).0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_connect_times_out() {
    let (near, _far) = tokio::io::duplex(1024);
    let error = colibri_client::Client::connect_over(near, options()).await.unwrap_err();
    let colibri_client::ConnectError::TimedOut(limit) = error else { panic!("{error}") };
    assert_eq!(limit, Duration::from_secs(30));
}
