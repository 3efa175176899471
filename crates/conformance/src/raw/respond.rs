//! What a server says, in the making: CONNACK, SUBACK and UNSUBACK.

use colibri_codec::Version;

use super::{Encode, frame, properties};

/// PINGRESP.
pub const PINGRESP: [u8; 2] = [0xD0, 0x00];

/// The first byte of UNSUBACK.
const UNSUBACK: u8 = 0xB0;

/// A CONNACK, SUBACK or UNSUBACK in the making.
#[derive(Clone, Debug)]
pub struct Response {
    first: u8,
    head: [u8; 2],
    properties: Vec<u8>,
    codes: Vec<u8>,
}

impl Response {
    /// Adds a property.
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.extend(property);
        self
    }
}

impl Encode for Response {
    fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = self.head.to_vec();
        properties(&mut body, &self.properties, version);
        // An UNSUBACK of 3.1.1 has no payload.
        if self.first != UNSUBACK || version == Version::V5 {
            body.extend(&self.codes);
        }
        frame(self.first, &body)
    }
}

/// A CONNACK with these acknowledge flags, of which Session Present is bit 0, and this code.
pub fn connack(flags: u8, code: u8) -> Response {
    Response { first: 0x20, head: [flags, code], properties: Vec::new(), codes: Vec::new() }
}

/// A SUBACK with a code for each filter.
pub fn suback(id: u16, codes: &[u8]) -> Response {
    Response { first: 0x90, head: id.to_be_bytes(), properties: Vec::new(), codes: codes.to_vec() }
}

/// An UNSUBACK with a code for each filter; in 3.1.1 they are left out.
pub fn unsuback(id: u16, codes: &[u8]) -> Response {
    Response { first: UNSUBACK, head: id.to_be_bytes(), properties: Vec::new(), codes: codes.to_vec() }
}
