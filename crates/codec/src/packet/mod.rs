//! The fifteen control packets (section 3), one file each, for all versions.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod pingreq;
mod pingresp;
mod puback;
mod pubcomp;
mod publish;
mod pubrec;
mod pubrel;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;

pub use auth::Auth;
pub use connack::Connack;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use pingreq::Pingreq;
pub use pingresp::Pingresp;
pub use puback::Puback;
pub use pubcomp::Pubcomp;
pub use publish::{Delivery, Publish};
pub use pubrec::Pubrec;
pub use pubrel::Pubrel;
pub use suback::Suback;
pub use subscribe::{RetainHandling, Subscribe, Subscription, SubscriptionOptions};
pub use unsuback::{Unsuback, UnsubackReason};
pub use unsubscribe::Unsubscribe;

use crate::{EncodeError, Frame, Malformed, PacketType, Sink, Version};

/// A decoded control packet of any type, borrowing from the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are the standard's own")]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    Connack(Connack<'a>),
    Publish(Publish<'a>),
    Puback(Puback<'a>),
    Pubrec(Pubrec<'a>),
    Pubrel(Pubrel<'a>),
    Pubcomp(Pubcomp<'a>),
    Subscribe(Subscribe<'a>),
    Suback(Suback<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Unsuback(Unsuback<'a>),
    Pingreq(Pingreq),
    Pingresp(Pingresp),
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Decodes one packet of a connection that speaks `version`. A CONNECT says itself which version it
    /// speaks; for it `version` does not matter.
    ///
    /// # Errors
    /// The first broken rule, in the order of the standard.
    #[inline]
    pub fn decode(frame: Frame<'a>, version: Version) -> Result<Self, Malformed> {
        Ok(match frame.packet_type(version)? {
            PacketType::Connect => Self::Connect(Connect::decode(frame.body())?),
            PacketType::Connack => Self::Connack(Connack::decode(frame.body(), version)?),
            PacketType::Publish => Self::Publish(Publish::decode(frame, version)?),
            PacketType::Puback => Self::Puback(Puback::decode(frame.body(), version)?),
            PacketType::Pubrec => Self::Pubrec(Pubrec::decode(frame.body(), version)?),
            PacketType::Pubrel => Self::Pubrel(Pubrel::decode(frame.body(), version)?),
            PacketType::Pubcomp => Self::Pubcomp(Pubcomp::decode(frame.body(), version)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(frame.body(), version)?),
            PacketType::Suback => Self::Suback(Suback::decode(frame.body(), version)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(frame.body(), version)?),
            PacketType::Unsuback => Self::Unsuback(Unsuback::decode(frame.body(), version)?),
            PacketType::Pingreq => Self::Pingreq(Pingreq::decode(frame.body())?),
            PacketType::Pingresp => Self::Pingresp(Pingresp::decode(frame.body())?),
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(frame.body(), version)?),
            PacketType::Auth => Self::Auth(Auth::decode(frame.body(), version)?),
        })
    }

    /// Writes the packet for a connection that speaks `version`; a CONNECT for its own.
    ///
    /// # Errors
    /// [`EncodeError`] before anything is written, when the packet would be too large or break a rule.
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        match self {
            Self::Connect(packet) => packet.encode(out),
            Self::Connack(packet) => packet.encode(version, out),
            Self::Publish(packet) => packet.encode(version, out),
            Self::Puback(packet) => packet.encode(version, out),
            Self::Pubrec(packet) => packet.encode(version, out),
            Self::Pubrel(packet) => packet.encode(version, out),
            Self::Pubcomp(packet) => packet.encode(version, out),
            Self::Subscribe(packet) => packet.encode(version, out),
            Self::Suback(packet) => packet.encode(version, out),
            Self::Unsubscribe(packet) => packet.encode(version, out),
            Self::Unsuback(packet) => packet.encode(version, out),
            Self::Pingreq(packet) => {
                packet.encode(out);
                Ok(())
            }
            Self::Pingresp(packet) => {
                packet.encode(out);
                Ok(())
            }
            Self::Disconnect(packet) => packet.encode(version, out),
            Self::Auth(packet) => packet.encode(version, out),
        }
    }

    /// The packet's type.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq(_) => PacketType::Pingreq,
            Self::Pingresp(_) => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}
