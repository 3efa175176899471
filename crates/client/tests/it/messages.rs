//! Messages from the server, and subscriptions.

use colibri_client::{
    Client, OwnedProperties, QoS, ReasonCode, RequestError, SubscribeRequest, SubscriptionOptions,
    TopicFilter, Version,
};

use crate::mock::{Peer, connected, options};

#[tokio::test]
async fn a_message_comes_with_everything_it_has() {
    // [v5 MQTT-4.3.3-8] [v5 MQTT-4.3.3-10] [v5 MQTT-4.3.3-11]
    let (_client, mut messages, mut peer) = connected(options()).await;
    peer.send("3d 10 0001't' 0007 09 0b 05 26 0001'a' 0001'b' 'x'").await;
    let message = messages.recv().await.unwrap();
    assert_eq!((message.topic().as_str(), message.payload.as_slice()), ("t", &b"x"[..]));
    assert_eq!((message.qos, message.retain, message.dup), (QoS::ExactlyOnce, true, true));
    assert_eq!(message.packet_id.unwrap().get(), 7);
    assert_eq!(message.properties.view().subscription_identifier(), Some(5));
    peer.expect("50 02 0007").await;
    // Sent again it is not handed on again.
    peer.send("3d 10 0001't' 0007 09 0b 05 26 0001'a' 0001'b' 'x' 62 02 0007 30 05 0001't' 00 'y'").await;
    peer.expect("50 02 0007 70 02 0007").await;
    assert_eq!(messages.recv().await.unwrap().payload, b"y");
}

#[tokio::test]
async fn subscribe_gives_the_answer_to_each_filter() {
    let (client, _messages, mut peer) = connected(options()).await;
    let filter = |text| TopicFilter::new(text).unwrap();
    let request = SubscribeRequest::new(filter("a"), QoS::ExactlyOnce)
        .and(filter("b"), SubscriptionOptions { no_local: true, ..SubscriptionOptions::default() });
    let server = async {
        peer.expect("82 0b 0001 00 0001'a' 02 0001'b' 04").await;
        peer.send("90 05 0001 00 01 87").await;
        peer.expect("a2 06 0002 00 0001'a'").await;
        peer.send("b0 04 0002 00 11").await;
    };
    let requests = async {
        let granted = client.subscribe(request).await.unwrap();
        let gone = client.unsubscribe(&[filter("a")], OwnedProperties::new()).await.unwrap();
        (granted, gone)
    };
    let ((granted, gone), ()) = tokio::join!(requests, server);
    assert_eq!(granted, [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized]);
    assert_eq!(gone, [ReasonCode::NoSubscriptionExisted]);
}

#[tokio::test]
async fn a_request_that_is_not_answered_ends_with_the_connection() {
    let (client, _messages, mut peer) = connected(options()).await;
    let server = async {
        peer.expect("82 07 0001 00 0001'a' 00").await;
        drop(peer);
    };
    let request = SubscribeRequest::new(TopicFilter::new("a").unwrap(), QoS::AtMostOnce);
    let (answer, ()) = tokio::join!(client.subscribe(request), server);
    assert!(matches!(answer, Err(RequestError::Lost)), "{answer:?}");
}

#[tokio::test]
async fn messages_that_nobody_wants_are_acknowledged_all_the_same() {
    // [v5 MQTT-4.5.0-2] [v5 MQTT-3.3.4-1]
    let (_client, messages, mut peer) = connected(options()).await;
    drop(messages);
    peer.send("32 07 0001't' 0001 00 'x' 34 07 0001't' 0002 00 'y' 30 05 0001't' 00 'z'").await;
    peer.expect("40 02 0001 50 02 0002").await;
    peer.send("62 02 0002").await;
    peer.expect("70 02 0002").await;
}

#[tokio::test]
async fn before_5_0_messages_that_nobody_wants_are_acknowledged_all_the_same() {
    // [v3.1.1 MQTT-4.5.0-2] [v3.1.1 MQTT-3.3.4-1]
    let (near, far) = tokio::io::duplex(1024);
    let mut peer = Peer(far);
    peer.send("20 02 00 00").await;
    let mut options = options();
    options.version = Version::V3_1_1;
    let (_client, messages) = Client::connect_over(near, options).await.unwrap();
    peer.expect("10 0e 0004'MQTT' 04 02 003c 0002'me'").await;
    drop(messages);
    peer.send("32 06 0001't' 0001 'x' 34 06 0001't' 0002 'y' 62 02 0002").await;
    peer.expect("40 02 0001 50 02 0002 70 02 0002").await;
}
