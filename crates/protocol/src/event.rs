//! What the driver learns from a packet.

use colibri_codec::{
    Auth, Connack, Connect, Disconnect, OwnedTopicName, PacketId, Properties, Publish, ReasonCode, Suback,
    Subscribe, TopicName, Unsuback, Unsubscribe,
};

/// What a packet means to the driver, borrowing from the packet.
#[derive(Debug)]
pub enum Event<'a, M> {
    /// Nothing to do: the connection dealt with the packet.
    Handled,
    /// Server: a client wants to connect. Answer with `accept` or `refuse`, and keep back until then what
    /// the client has sent behind it, save AUTH and DISCONNECT.
    Connect(Connect<'a>),
    /// Client: the server has answered. If it accepted, the connection is open.
    Connack(Connack<'a>),
    /// A message came. With QoS 1 and 2 answer with `acknowledge`, at once or, after `hold`, later.
    Publish(Received<'a>),
    /// The sender of a QoS 2 message has let go of it. Answer with `complete`.
    Release(PacketId),
    /// A message that this end sent has arrived, or was refused.
    Delivered(Delivered<'a, M>),
    /// Server: answer with `suback`.
    Subscribe(Subscribe<'a>),
    /// Server: answer with `unsuback`.
    Unsubscribe(Unsubscribe<'a>),
    /// Client: the answer to a SUBSCRIBE.
    Suback(Suback<'a>),
    /// Client: the answer to an UNSUBSCRIBE.
    Unsuback(Unsuback<'a>),
    /// The peer ends the connection; it is closed.
    Disconnect(Disconnect<'a>),
    /// A step of an extended authentication.
    Auth(Auth<'a>),
}

/// A message that came.
#[derive(Debug)]
pub struct Received<'a> {
    /// The packet as it came.
    pub publish: Publish<'a>,
    /// Its topic, also where an alias stands for it.
    pub topic: Topic<'a>,
}

/// The topic of a message that came.
#[derive(Clone, Debug)]
pub enum Topic<'a> {
    /// It stood in the packet.
    Named(TopicName<'a>),
    /// An alias stood for it.
    Aliased(OwnedTopicName),
}

impl Topic<'_> {
    /// The name.
    pub fn name(&self) -> TopicName<'_> {
        match self {
            Self::Named(name) => *name,
            Self::Aliased(name) => name.name(),
        }
    }
}

/// The end of an exchange for a message that this end sent.
#[derive(Debug)]
pub struct Delivered<'a, M> {
    /// The identifier, which is free again.
    pub packet_id: PacketId,
    /// What the receiver said; before 5.0 always success. Packet Identifier not found is no failure: the
    /// receiver had finished a QoS 2 message before the connection was lost (section 3.7.2.1).
    pub reason: ReasonCode,
    /// What the receiver added.
    pub properties: Properties<'a>,
    /// What was kept of the message.
    pub kept: Option<M>,
}
