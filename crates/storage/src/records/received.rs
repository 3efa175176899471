//! [`Table::Received`]: Packet Identifiers of QoS 2 messages that were taken over and not yet released, so
//! that a repeated PUBLISH is not taken over again. The value is empty.

use colibri_codec::PacketId;

use super::split_session;
use crate::{StoreError, Table};

/// The key for a Packet Identifier of a session.
#[must_use]
pub fn received_key(session: u64, packet_id: PacketId) -> [u8; 10] {
    let mut key = [0; 10];
    let (number, rest) = key.split_at_mut(8);
    number.copy_from_slice(&session.to_be_bytes());
    rest.copy_from_slice(&packet_id.get().to_be_bytes());
    key
}

/// The session and the Packet Identifier in a key of [`Table::Received`].
///
/// # Errors
/// When the key cannot be one.
pub fn parse_received_key(key: &[u8]) -> Result<(u64, PacketId), StoreError> {
    let (session, rest) = split_session(Table::Received, key)?;
    let packet_id = <[u8; 2]>::try_from(rest).ok().and_then(|bytes| PacketId::new(u16::from_be_bytes(bytes)));
    match packet_id {
        Some(packet_id) => Ok((session, packet_id)),
        None => Err(StoreError::corrupt_row(
            Table::Received,
            key,
            "the key does not end with a packet identifier",
        )),
    }
}
