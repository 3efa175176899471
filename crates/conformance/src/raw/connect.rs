//! CONNECT in the making.

use colibri_codec::Version;

use super::{Encode, field, frame, properties};

/// A CONNECT in the making. Without further ado: a clean session, a keep alive of 30 s, no will, no login.
#[derive(Clone, Debug)]
pub struct Connect {
    client_id: Vec<u8>,
    clean: bool,
    keep_alive: u16,
    properties: Vec<u8>,
    will: Option<Will>,
    user_name: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    flags: Option<u8>,
    protocol_name: Vec<u8>,
    level: Option<u8>,
    tail: Vec<u8>,
}

impl Connect {
    /// A CONNECT with this Client Identifier.
    pub fn new(client_id: impl AsRef<[u8]>) -> Self {
        Self {
            client_id: client_id.as_ref().to_vec(),
            clean: true,
            keep_alive: 30,
            properties: Vec::new(),
            will: None,
            user_name: None,
            password: None,
            flags: None,
            protocol_name: b"MQTT".to_vec(),
            level: None,
            tail: Vec::new(),
        }
    }

    /// Clean Session or Clean Start 0.
    pub fn resuming(self) -> Self {
        Self { clean: false, ..self }
    }

    /// The Keep Alive in seconds.
    pub fn keep_alive(self, keep_alive: u16) -> Self {
        Self { keep_alive, ..self }
    }

    /// Adds a property.
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.extend(property);
        self
    }

    /// Sets the will.
    pub fn will(self, will: Will) -> Self {
        Self { will: Some(will), ..self }
    }

    /// Sets the User Name and its flag.
    pub fn user_name(self, name: impl AsRef<[u8]>) -> Self {
        Self { user_name: Some(name.as_ref().to_vec()), ..self }
    }

    /// Sets the Password and its flag.
    pub fn password(self, password: impl AsRef<[u8]>) -> Self {
        Self { password: Some(password.as_ref().to_vec()), ..self }
    }

    /// The connect flags byte, whatever the payload holds.
    pub fn flags(self, flags: u8) -> Self {
        Self { flags: Some(flags), ..self }
    }

    /// The Protocol Name instead of `MQTT`.
    pub fn protocol_name(self, name: impl AsRef<[u8]>) -> Self {
        Self { protocol_name: name.as_ref().to_vec(), ..self }
    }

    /// The Protocol Level or Version instead of the right one.
    pub fn level(self, level: u8) -> Self {
        Self { level: Some(level), ..self }
    }

    /// Bytes after the payload.
    pub fn tail(self, tail: impl AsRef<[u8]>) -> Self {
        Self { tail: tail.as_ref().to_vec(), ..self }
    }

    fn right_flags(&self) -> u8 {
        let bit = |set: bool, mask: u8| if set { mask } else { 0 };
        let will = self.will.as_ref().map_or(0, |will| 0x04 | will.qos << 3 | bit(will.retain, 0x20));
        bit(self.clean, 0x02)
            | will
            | bit(self.user_name.is_some(), 0x80)
            | bit(self.password.is_some(), 0x40)
    }

    /// Everything after the Remaining Length.
    pub fn body(&self, version: Version) -> Vec<u8> {
        let mut body = Vec::new();
        field(&mut body, &self.protocol_name);
        body.push(self.level.unwrap_or_else(|| version.level()));
        body.push(self.flags.unwrap_or_else(|| self.right_flags()));
        body.extend(self.keep_alive.to_be_bytes());
        properties(&mut body, &self.properties, version);
        field(&mut body, &self.client_id);
        if let Some(will) = &self.will {
            properties(&mut body, &will.properties, version);
            field(&mut body, &will.topic);
            field(&mut body, &will.payload);
        }
        for login in [&self.user_name, &self.password].into_iter().flatten() {
            field(&mut body, login);
        }
        body.extend(&self.tail);
        body
    }
}

impl Encode for Connect {
    fn encode(&self, version: Version) -> Vec<u8> {
        frame(0x10, &self.body(version))
    }
}

/// A will in the making: QoS 0 and not retained.
#[derive(Clone, Debug)]
pub struct Will {
    topic: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    properties: Vec<u8>,
}

impl Will {
    /// A will for this topic.
    pub fn new(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        let (topic, payload) = (topic.as_ref().to_vec(), payload.as_ref().to_vec());
        Self { topic, payload, qos: 0, retain: false, properties: Vec::new() }
    }

    /// The Will QoS, 3 too.
    pub fn qos(self, qos: u8) -> Self {
        Self { qos, ..self }
    }

    /// Will Retain 1.
    pub fn retained(self) -> Self {
        Self { retain: true, ..self }
    }

    /// Adds a property.
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.extend(property);
        self
    }
}
