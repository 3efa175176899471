//! Everything a connection can be told, with meanings, units and defaults.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use colibri_codec::{
    BinaryData, Connect, Frame, Malformed, OwnedTopicName, Property, QoS, TopicName, Utf8String, Version,
};
use colibri_protocol::Limits;

use crate::{Authenticator, Backoff, Endpoint, OwnedProperties};

/// What a connection is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the server is.
    pub endpoint: Endpoint,
    /// The version to speak. Default 5.0.
    pub version: Version,
    /// The key of the session. Default empty: the server chooses one.
    pub client_id: String,
    /// Clean Start in 5.0, Clean Session before. Default `true`: whatever session the server has is ended.
    pub clean_start: bool,
    /// How long the session outlives the connection, in seconds (5.0); `u32::MAX` is for ever. Default
    /// `None`, which is 0.
    pub session_expiry: Option<u32>,
    /// The longest silence of the client in seconds, after which it pings; 0 turns it off. Default 60.
    /// Higher: fewer packets. Lower: a dead connection is noticed sooner.
    pub keep_alive: u16,
    /// Who the client says it is.
    pub user_name: Option<String>,
    /// What proves it.
    pub password: Option<Vec<u8>>,
    /// Proves with challenges who the client is (5.0). Default none.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// What the server publishes when the client is lost.
    pub will: Option<Will>,
    /// Further properties of CONNECT, but for those of `limits` and `session_expiry`.
    pub properties: OwnedProperties,
    /// What this end accepts. The default accepts what the standard allows.
    pub limits: Limits,
    /// How many QoS 1 and 2 messages are sent before the first must be acknowledged; the server's Receive
    /// Maximum may be lower. Default 100. Higher: more throughput over long lines. Lower: less to send
    /// again after a loss.
    pub maximum_in_flight: NonZeroU16,
    /// How long a connection may take, from the name of the host to the CONNACK. Default 30 s.
    pub connect_timeout: Duration,
    /// How many requests wait between the handles and the task. Default 64.
    pub request_capacity: usize,
    /// How many incoming messages wait for the application before the task stops reading. Default 256.
    pub message_capacity: usize,
    /// Whether and how to connect again after a loss. Default `None`: the client ends. What was under way
    /// is sent again, and if the server has lost the session, what was subscribed is subscribed again.
    pub reconnect: Option<Backoff>,
    /// Sees each packet that is sent or comes. Default none.
    pub observer: Option<Observer>,
}

impl Options {
    /// The defaults, over TCP.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            endpoint: Endpoint::new(host, port),
            version: Version::V5,
            client_id: String::new(),
            clean_start: true,
            session_expiry: None,
            keep_alive: 60,
            user_name: None,
            password: None,
            authenticator: None,
            will: None,
            properties: OwnedProperties::new(),
            limits: Limits::default(),
            maximum_in_flight: NonZeroU16::new(100).unwrap_or(NonZeroU16::MAX),
            connect_timeout: Duration::from_secs(30),
            request_capacity: 64,
            message_capacity: 256,
            reconnect: None,
            observer: None,
        }
    }

    /// The CONNECT that says all this, handed to `then` as it borrows; `data` begins an authentication.
    pub(crate) fn with_connect<R>(
        &self,
        client_id: &str,
        clean_start: bool,
        data: Option<Property<'_>>,
        then: impl FnOnce(&Connect<'_>) -> R,
    ) -> Result<R, Malformed> {
        let mut properties = self.properties.clone();
        if let Some(seconds) = self.session_expiry {
            properties.push(Property::SessionExpiryInterval(seconds));
        }
        // [v5 MQTT-4.12.0-5]
        if let Some(authenticator) = &self.authenticator {
            properties.push(Property::AuthenticationMethod(Utf8String::new(authenticator.method())?));
            data.into_iter().for_each(|data| properties.push(data));
        }
        let connect = Connect {
            version: self.version,
            clean_start,
            keep_alive: self.keep_alive,
            properties: properties.checked(Connect::PROPERTIES)?,
            client_id: Utf8String::new(client_id)?,
            will: self.will.as_ref().map(Will::packet).transpose()?,
            user_name: self.user_name.as_deref().map(Utf8String::new).transpose()?,
            password: self.password.as_deref().map(BinaryData::new).transpose()?,
        };
        Ok(then(&connect))
    }
}

/// What the server publishes when the client is lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Will {
    topic: OwnedTopicName,
    /// What is published; at most 65,535 bytes.
    pub payload: Vec<u8>,
    /// The QoS it is published with.
    pub qos: QoS,
    /// Whether it is published with RETAIN.
    pub retain: bool,
    /// Will Delay Interval, Message Expiry Interval and what else a will may carry (5.0).
    pub properties: OwnedProperties,
}

impl Will {
    /// A will with QoS 0 and without properties.
    pub fn new(topic: TopicName<'_>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: OwnedProperties::new(),
        }
    }

    fn packet(&self) -> Result<colibri_codec::Will<'_>, Malformed> {
        Ok(colibri_codec::Will {
            topic: self.topic.name(),
            payload: BinaryData::new(&self.payload)?,
            qos: self.qos,
            retain: self.retain,
            properties: self.properties.checked(colibri_codec::Will::PROPERTIES)?,
        })
    }
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Sent,
    /// From the server.
    Received,
}

/// Sees each packet, in the task of the connection, so it must not wait.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(Direction, Frame<'_>) + Send + Sync>);

impl Observer {
    /// An observer that calls `see`.
    pub fn new(see: impl Fn(Direction, Frame<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(crate) fn see(&self, direction: Direction, frame: Frame<'_>) {
        (self.0)(direction, frame);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
