//! MQTT 3.1, 3.1.1 and 5.0 control packets: bytes to packets and back.
//!
//! Decoding borrows from the input and allocates nothing. A byte stream is first cut into
//! [`Frame`]s, which enforces the maximum packet size before a body is buffered; a frame is then
//! decoded into a [`Packet`] for the [`Version`] of the connection:
//!
//! ```
//! use colibri_codec::{Frame, Packet, Split, Version};
//!
//! let input = [0x30, 0x06, 0x00, 0x03, b'a', b'/', b'b', b'!'];
//! let Split::Frame(frame, used) = Frame::split(&input, u32::MAX)? else { panic!("more bytes are needed") };
//! let Packet::Publish(publish) = Packet::decode(frame, Version::V3_1_1)? else { panic!("another packet") };
//! assert_eq!(publish.topic.unwrap().as_str(), "a/b");
//! assert_eq!(publish.payload, b"!");
//! assert_eq!(used, input.len());
//! # Ok::<(), colibri_codec::Malformed>(())
//! ```
//!
//! There is one code path for all protocol versions: [`Version`] is an argument. What a packet may
//! carry in one version only (properties, reason strings) is absent when decoded from another and
//! left out when encoded for it.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod error;
mod fixed_header;
mod frame;
pub mod packet;
mod primitive;
mod property;
mod qos;
mod reader;
mod reason;
mod run;
mod sequence;
mod statements;
pub mod topic;
mod version;
mod writer;

pub use error::{Blame, EncodeError, Malformed};
pub use fixed_header::{PacketType, REMAINING_LENGTH_MAX};
pub use frame::{Frame, Split};
pub use packet::{
    Auth, Connack, Connect, Delivery, Disconnect, Packet, Pingreq, Pingresp, Puback, Pubcomp, Publish,
    Pubrec, Pubrel, RetainHandling, Suback, Subscribe, Subscription, SubscriptionOptions, Unsuback,
    UnsubackReason, Unsubscribe, Will,
};
pub use primitive::{BinaryData, PacketId, Utf8String, VARIABLE_BYTE_INTEGER_MAX};
pub use property::{Properties, Property, PropertyId, PropertySet};
pub use qos::QoS;
pub use reason::{ConnectReturnCode, ReasonCode};
pub use run::{Alike, Likeness, plain_acks, put_plain_ack};
pub use sequence::{Element, Sequence};
#[cfg(feature = "alloc")]
pub use topic::{OwnedTopicFilter, OwnedTopicName};
pub use topic::{ShareName, TopicError, TopicFilter, TopicName};
pub use version::Version;
pub use writer::{Sink, SliceSink};
