//! What a client says in CONNECT.

use std::num::{NonZeroU16, NonZeroU32};

use colibri_codec::{
    BinaryData, Connect, Properties, Property, QoS, TopicName, Utf8String, Version, Will as WillPart,
};

/// A CONNECT in the making.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    pub(crate) keep_alive: u16,
    properties: Vec<Property<'static>>,
    will: Option<Testament>,
    credentials: Option<(String, String)>,
}

/// A will in the making.
#[derive(Clone, Debug)]
pub(crate) struct Testament {
    topic: String,
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
    properties: Vec<Property<'static>>,
}

impl Hello {
    /// A new session that ends with its connection, without a keep alive.
    pub(crate) fn new(version: Version, client_id: &str) -> Self {
        let client_id = client_id.into();
        Self {
            version,
            client_id,
            clean: true,
            keep_alive: 0,
            properties: Vec::new(),
            will: None,
            credentials: None,
        }
    }

    /// The session that is there, kept for a day, in any version.
    pub(crate) fn resume(version: Version, client_id: &str) -> Self {
        let hello = Self::new(version, client_id).clean(false);
        if version == Version::V5 { hello.expiry(86_400) } else { hello }
    }

    pub(crate) fn clean(mut self, clean: bool) -> Self {
        self.clean = clean;
        self
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    pub(crate) fn expiry(self, seconds: u32) -> Self {
        self.with(Property::SessionExpiryInterval(seconds))
    }

    pub(crate) fn receive_maximum(self, messages: u16) -> Self {
        self.with(Property::ReceiveMaximum(NonZeroU16::new(messages).unwrap()))
    }

    pub(crate) fn packet_size(self, bytes: u32) -> Self {
        self.with(Property::MaximumPacketSize(NonZeroU32::new(bytes).unwrap()))
    }

    pub(crate) fn aliases(self, maximum: u16) -> Self {
        self.with(Property::TopicAliasMaximum(maximum))
    }

    /// With one more property, or in place of the one of its kind.
    pub(crate) fn with(mut self, property: Property<'static>) -> Self {
        self.properties.retain(|other| other.id() != property.id());
        self.properties.push(property);
        self
    }

    pub(crate) fn will(mut self, will: Testament) -> Self {
        self.will = Some(will);
        self
    }

    pub(crate) fn credentials(mut self, user_name: &str, password: &str) -> Self {
        self.credentials = Some((user_name.into(), password.into()));
        self
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let connect = Connect {
            version: self.version,
            clean_start: self.clean,
            keep_alive: self.keep_alive,
            properties: Properties::new(&self.properties),
            client_id: Utf8String::new(&self.client_id).unwrap(),
            will: self.will.as_ref().map(Testament::part),
            user_name: self.credentials.as_ref().map(|(name, _)| Utf8String::new(name).unwrap()),
            password: self.credentials.as_ref().map(|(_, word)| BinaryData::new(word.as_bytes()).unwrap()),
        };
        let mut bytes = Vec::new();
        connect.encode(&mut bytes).unwrap();
        bytes
    }
}

impl Testament {
    pub(crate) fn new(topic: &str, payload: &[u8]) -> Self {
        let (topic, payload) = (topic.into(), payload.into());
        Self { topic, payload, qos: QoS::AtMostOnce, retain: false, properties: Vec::new() }
    }

    pub(crate) fn qos(mut self, qos: u8) -> Self {
        self.qos = QoS::from_number(qos).unwrap();
        self
    }

    pub(crate) fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    pub(crate) fn delay(self, seconds: u32) -> Self {
        self.with(Property::WillDelayInterval(seconds))
    }

    pub(crate) fn with(mut self, property: Property<'static>) -> Self {
        self.properties.push(property);
        self
    }

    fn part(&self) -> WillPart<'_> {
        WillPart {
            topic: TopicName::new(&self.topic).unwrap(),
            payload: BinaryData::new(&self.payload).unwrap(),
            qos: self.qos,
            retain: self.retain,
            properties: Properties::new(&self.properties),
        }
    }
}
