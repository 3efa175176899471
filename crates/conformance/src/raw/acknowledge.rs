//! The short packets in the making: acknowledgements, DISCONNECT and AUTH.

use colibri_codec::Version;

use super::{Encode, frame, properties};

/// The first byte of PUBACK.
pub const PUBACK: u8 = 0x40;
/// The first byte of PUBREC.
pub const PUBREC: u8 = 0x50;
/// The first byte of PUBREL.
pub const PUBREL: u8 = 0x62;
/// The first byte of PUBCOMP.
pub const PUBCOMP: u8 = 0x70;
/// The first byte of DISCONNECT.
pub const DISCONNECT: u8 = 0xE0;
/// The first byte of AUTH.
pub const AUTH: u8 = 0xF0;

/// A PUBACK, PUBREC, PUBREL or PUBCOMP in the making, in its shortest form unless a code is set.
#[derive(Clone, Debug)]
pub struct Acknowledge {
    first: u8,
    id: u16,
    reason: Reason,
}

impl Acknowledge {
    /// A Reason Code, left out in 3.1.1.
    pub fn code(mut self, code: u8) -> Self {
        self.reason.code = Some(code);
        self
    }

    /// Adds a property; without a code, 0x00 is written.
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.reason = self.reason.property(property);
        self
    }
}

impl Encode for Acknowledge {
    fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = self.id.to_be_bytes().to_vec();
        body.extend(self.reason.body(version));
        frame(self.first, &body)
    }
}

/// A PUBACK.
pub fn puback(id: u16) -> Acknowledge {
    Acknowledge { first: PUBACK, id, reason: Reason::new(PUBACK) }
}

/// A PUBREC.
pub fn pubrec(id: u16) -> Acknowledge {
    Acknowledge { first: PUBREC, id, reason: Reason::new(PUBREC) }
}

/// A PUBREL.
pub fn pubrel(id: u16) -> Acknowledge {
    Acknowledge { first: PUBREL, id, reason: Reason::new(PUBREL) }
}

/// A PUBCOMP.
pub fn pubcomp(id: u16) -> Acknowledge {
    Acknowledge { first: PUBCOMP, id, reason: Reason::new(PUBCOMP) }
}

/// A DISCONNECT, which is `E0 00` unless a code is set.
pub fn disconnect() -> Reason {
    Reason::new(DISCONNECT)
}

/// An AUTH with this code.
pub fn auth(code: u8) -> Reason {
    Reason::new(AUTH).code(code)
}

/// A DISCONNECT or AUTH in the making: a Reason Code and properties.
#[derive(Clone, Debug)]
pub struct Reason {
    first: u8,
    code: Option<u8>,
    properties: Vec<u8>,
}

impl Reason {
    fn new(first: u8) -> Self {
        Self { first, code: None, properties: Vec::new() }
    }

    /// A Reason Code, left out in 3.1.1.
    pub fn code(self, code: u8) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Adds a property; without a code, 0x00 is written.
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.code = self.code.or(Some(0));
        self.properties.extend(property);
        self
    }

    /// The code and the properties, which are left out when there are none.
    fn body(&self, version: Version) -> Vec<u8> {
        let mut body = Vec::new();
        if version == Version::V5 {
            body.extend(self.code);
            if !self.properties.is_empty() {
                properties(&mut body, &self.properties, version);
            }
        }
        body
    }
}

impl Encode for Reason {
    fn encode(&self, version: Version) -> Vec<u8> {
        frame(self.first, &self.body(version))
    }
}
