//! Messages from the server, and subscriptions.

use colibri_client::{
    OwnedProperties, QoS, ReasonCode, RequestError, SubscribeRequest, SubscriptionOptions, TopicFilter,
};

use crate::mock::{connected, options};

#[tokio::test]
async fn a_message_comes_with_everything_it_has() {
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
