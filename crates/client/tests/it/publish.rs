//! Messages to the server.

use colibri_client::{OwnedProperties, Publish, PublishError, QoS, ReasonCode, TopicName};

use crate::mock::{Peer, connected, options};

fn message(payload: &str, qos: QoS) -> Publish {
    Publish::new(TopicName::new("t").unwrap(), payload).qos(qos)
}

#[tokio::test]
async fn qos_2_ends_with_pubcomp() {
    // [v5 MQTT-4.3.3-2] [v5 MQTT-4.3.3-4]
    let (client, _messages, mut peer) = connected(options()).await;
    let server = async {
        peer.expect("34 07 0001't' 0001 00 'x'").await;
        peer.send("50 02 0001").await;
        peer.expect("62 02 0001").await;
        peer.send("70 02 0001").await;
    };
    let (delivery, ()) = tokio::join!(client.publish(message("x", QoS::ExactlyOnce)), server);
    let delivery = delivery.unwrap();
    assert_eq!((delivery.packet_id.unwrap().get(), delivery.reason), (1, ReasonCode::Success));
}

#[tokio::test]
async fn a_refused_message_says_why() {
    // [v5 MQTT-4.3.3-4] [v5 MQTT-4.4.0-2]
    let (client, _messages, mut peer) = connected(options()).await;
    let server = async {
        peer.expect("34 07 0001't' 0001 00 'x'").await;
        peer.send("50 0b 0001 97 07 1f 0004'full'").await;
    };
    let (delivery, ()) = tokio::join!(client.publish(message("x", QoS::ExactlyOnce)), server);
    let Err(PublishError::Refused { reason, properties, .. }) = delivery else { panic!("{delivery:?}") };
    assert_eq!(reason, ReasonCode::QuotaExceeded);
    assert_eq!(properties.view().reason_string().unwrap().as_str(), "full");
}

#[tokio::test]
async fn the_receive_maximum_of_the_server_is_kept() {
    // [v5 MQTT-3.3.4-7] [v5 MQTT-4.9.0-2]
    let (near, far) = tokio::io::duplex(1024);
    let mut peer = Peer(far);
    peer.send("20 06 00 00 03 21 0001").await;
    let (client, _messages) = colibri_client::Client::connect_over(near, options()).await.unwrap();
    peer.expect(crate::mock::CONNECT).await;
    let first = client.enqueue(message("a", QoS::AtLeastOnce)).await.unwrap();
    let second = client.enqueue(message("b", QoS::AtLeastOnce)).await.unwrap();
    peer.expect("32 07 0001't' 0001 00 'a'").await;
    peer.send("40 02 0001").await;
    assert!(first.await.is_ok());
    peer.expect("32 07 0001't' 0002 00 'b'").await;
    peer.send("40 02 0002").await;
    assert!(second.await.is_ok());
}

#[tokio::test]
async fn disconnect_comes_behind_what_was_handed_over() {
    // [v5 MQTT-3.14.4-1] [v5 MQTT-3.14.4-2]
    let (client, _messages, mut peer) = connected(options()).await;
    for payload in ["a", "b"] {
        drop(client.enqueue(message(payload, QoS::AtMostOnce)).await.unwrap());
    }
    let server = async {
        peer.expect("30 05 0001't' 00 'a' 30 05 0001't' 00 'b' e0 01 04").await;
        peer.end().await;
        drop(peer);
    };
    let farewell = client.disconnect(ReasonCode::DisconnectWithWillMessage, OwnedProperties::new());
    tokio::join!(farewell, server);
    assert!(matches!(client.publish(message("c", QoS::AtMostOnce)).await, Err(PublishError::Ended)));
}

#[tokio::test]
async fn a_lost_connection_ends_what_is_under_way() {
    let (client, mut messages, mut peer) = connected(options()).await;
    let receipt = client.enqueue(message("x", QoS::AtLeastOnce)).await.unwrap();
    peer.expect("32 07 0001't' 0001 00 'x'").await;
    drop(peer);
    assert!(matches!(receipt.await, Err(PublishError::Ended)));
    assert!(messages.recv().await.is_none());
}
