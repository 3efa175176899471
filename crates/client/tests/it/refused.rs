//! What cannot be said is refused where it is made, and nothing of it reaches the server.

use colibri_client::{
    Client, OwnedProperties, Property, Publish, PublishError, RequestError, TopicFilter, TopicName, Will,
};

use crate::mock::{connected, options};

#[test]
fn a_topic_name_that_cannot_be_is_none() {
    // [v5 MQTT-3.3.2-2] [v5 MQTT-4.7.0-1] [v5 MQTT-4.7.3-1] [v5 MQTT-4.7.3-2] [v5 MQTT-4.7.3-3]
    // [v3.1.1 MQTT-3.3.2-2] [v3.1.1 MQTT-4.7.1-1] [v3.1.1 MQTT-4.7.3-1] [v3.1.1 MQTT-4.7.3-2]
    // [v3.1.1 MQTT-4.7.3-3]
    for name in ["a/+", "a/#", "#", "+", "", "a\0b", &"x".repeat(65_536)] {
        assert!(TopicName::new(name).is_err(), "{:.9}", name);
    }
    // A message and a will take nothing but a name.
    let name = TopicName::new(&"x".repeat(65_535)).map(|name| name.as_str().len());
    assert_eq!(name, Ok(65_535));
    let name = TopicName::new("a").unwrap();
    drop((Publish::new(name, "x"), Will::new(name, "x")));
}

#[test]
fn a_topic_filter_that_cannot_be_is_none() {
    // [v5 MQTT-4.7.1-1] [v5 MQTT-4.7.1-2] [v5 MQTT-4.7.3-1] [v5 MQTT-4.7.3-2] [v5 MQTT-4.7.3-3]
    // [v5 MQTT-4.8.2-1] [v5 MQTT-4.8.2-2]
    // [v3.1.1 MQTT-4.7.1-2] [v3.1.1 MQTT-4.7.1-3] [v3.1.1 MQTT-4.7.3-1] [v3.1.1 MQTT-4.7.3-2]
    // [v3.1.1 MQTT-4.7.3-3]
    let shared = ["$share//t", "$share/g", "$share/g/", "$share/g+/t", "$share/#/t"];
    let plain = ["a#", "#/a", "a/b#", "a/#/c", "a+", "a/b+", "+a/b", "", "a\0b", &"x".repeat(65_536)];
    for filter in shared.iter().chain(&plain) {
        assert!(TopicFilter::new(filter).is_err(), "{filter:.9}");
    }
    for filter in ["#", "a/#", "+", "+/a/+", "$share/g/#", &"x".repeat(65_535)] {
        assert!(TopicFilter::new(filter).is_ok(), "{filter:.9}");
    }
}

#[tokio::test]
async fn a_message_takes_no_property_that_is_not_its_own() {
    // [v5 MQTT-3.3.4-6]
    let (client, _messages, mut peer) = connected(options()).await;
    let properties: OwnedProperties = [Property::SubscriptionIdentifier(7)].into_iter().collect();
    let message = Publish::new(TopicName::new("t").unwrap(), "x").properties(properties);
    assert!(matches!(client.publish(message).await, Err(PublishError::Invalid(_))));
    drop(client);
    peer.expect("e0 00").await;
    peer.end().await;
}

#[tokio::test]
async fn an_unsubscribe_without_a_filter_is_not_sent() {
    // [v5 MQTT-3.10.3-2]
    let (client, _messages, mut peer) = connected(options()).await;
    let answer = client.unsubscribe(&[], OwnedProperties::new()).await;
    assert!(matches!(answer, Err(RequestError::Invalid(_))), "{answer:?}");
    drop(client);
    peer.expect("e0 00").await;
    peer.end().await;
}

#[tokio::test]
async fn a_client_identifier_that_is_no_string_of_mqtt_is_not_sent() {
    // [v5 MQTT-3.1.3-4] [v5 MQTT-1.5.4-2]
    let (near, far) = tokio::io::duplex(1024);
    let mut options = options();
    options.client_id = "m\0e".to_owned();
    let error = Client::connect_over(near, options).await.unwrap_err();
    assert!(matches!(error, colibri_client::ConnectError::Invalid(_)), "{error:?}");
    crate::mock::Peer(far).end().await;
}
