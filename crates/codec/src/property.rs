//! The table of the 27 properties (5.0, section 2.2.2.2): identifier, type, bounds.
//!
//! Which packet may carry which property stands in that packet's file.

mod kind;
mod wire;

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use kind::Kind;
use wire::Wire;

use crate::primitive::{BinaryData, Utf8String};
use crate::reader::Reader;
use crate::writer::{Sink, put_variable_byte_integer, variable_byte_integer_length};
use crate::{EncodeError, Malformed, TopicName};

/// The Rust type of each wire type's values.
macro_rules! value {
    (Flag $a:lifetime) => { bool };
    (U16 $a:lifetime) => { u16 };
    (U32 $a:lifetime) => { u32 };
    (VarInt $a:lifetime) => { u32 };
    (NonZeroTwo $a:lifetime) => { NonZeroU16 };
    (NonZeroFour $a:lifetime) => { NonZeroU32 };
    (Alias $a:lifetime) => { NonZeroU16 };
    (Text $a:lifetime) => { Utf8String<$a> };
    (Topic $a:lifetime) => { TopicName<$a> };
    (Binary $a:lifetime) => { BinaryData<$a> };
    (Pair $a:lifetime) => { (Utf8String<$a>, Utf8String<$a>) };
}

/// One row per property: identifier, name, wire type, getter, doc, name in the standard's words.
macro_rules! properties {
    ($($id:literal $name:ident $kind:ident $getter:ident $doc:literal $text:literal)+) => {
        /// The identifier of a property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum PropertyId {
            $(#[doc = concat!(stringify!($id), ": ", $text, ".")] $name = $id,)+
        }

        impl PropertyId {
            /// All properties in ascending order of their identifiers.
            pub const ALL: [Self; 27] = [$(Self::$name),+];

            /// The property for a number, or `None` if the standard names none.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($id => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The name in the standard's words.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }

        /// One property with its value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Property<'a> {
            $(#[doc = $doc] $name(value!($kind 'a)),)+
        }

        impl<'a> Property<'a> {
            /// Which property this is.
            pub const fn id(&self) -> PropertyId {
                match self {
                    $(Self::$name(_) => PropertyId::$name,)+
                }
            }

            #[inline]
            fn read(reader: &mut Reader<'a>, id: PropertyId) -> Result<Self, Malformed> {
                match id {
                    $(PropertyId::$name => Ok(Self::$name(kind::$kind::read(reader, id)?)),)+
                }
            }

            /// Checks a property that came, without making anything of it.
            #[inline]
            fn verify(reader: &mut Reader<'_>, id: PropertyId) -> Result<(), Malformed> {
                match id {
                    $(PropertyId::$name => kind::$kind::verify(reader, id),)+
                }
            }

            /// Goes past a property that was checked.
            #[inline(always)]
            fn skip(reader: &mut Reader<'_>, id: PropertyId) -> Result<(), Malformed> {
                match id {
                    $(PropertyId::$name => kind::$kind::skip(reader),)+
                }
            }

            fn check(&self) -> Result<(), Malformed> {
                match self {
                    $(Self::$name(value) => kind::$kind::check(*value, PropertyId::$name),)+
                }
            }

            fn value_length(&self) -> usize {
                match self {
                    $(Self::$name(value) => kind::$kind::length(*value),)+
                }
            }

            /// Writes identifier and value, as they stand behind the Property Length.
            pub fn encode(&self, out: &mut impl Sink) {
                out.put_u8(self.id() as u8);
                match self {
                    $(Self::$name(value) => kind::$kind::write(*value, out),)+
                }
            }
        }

        impl<'a> Properties<'a> {
            $(
                #[doc = concat!("The first ", $text, ", if there is one.")]
                #[inline]
                pub fn $getter(&self) -> Option<value!($kind 'a)> {
                    let listed = self.list.iter().find_map(|property| match property {
                        Property::$name(value) => Some(*value),
                        _ => None,
                    });
                    listed.or_else(|| {
                        let mut reader = self.wire.find(PropertyId::$name)?;
                        kind::$kind::read(&mut reader, PropertyId::$name).ok()
                    })
                }
            )+
        }
    };
}

properties! {
    0x01 PayloadFormatIndicator Flag payload_format_indicator "Whether the payload is UTF-8 text (section 3.3.2.3.2)." "Payload Format Indicator"
    0x02 MessageExpiryInterval U32 message_expiry_interval "How long the message is worth delivering, in seconds (section 3.3.2.3.3)." "Message Expiry Interval"
    0x03 ContentType Text content_type "What the payload is (section 3.3.2.3.9)." "Content Type"
    0x08 ResponseTopic Topic response_topic "Where an answer is awaited (section 3.3.2.3.5)." "Response Topic"
    0x09 CorrelationData Binary correlation_data "What tells the requester which request is answered (section 3.3.2.3.6)." "Correlation Data"
    0x0B SubscriptionIdentifier VarInt subscription_identifier "The number a client gave a subscription, 1 to 268,435,455 (section 3.8.2.1.2)." "Subscription Identifier"
    0x11 SessionExpiryInterval U32 session_expiry_interval "How long the session outlives its connection, in seconds; 0xFFFF_FFFF is for ever (section 3.1.2.11.2)." "Session Expiry Interval"
    0x12 AssignedClientIdentifier Text assigned_client_identifier "The client identifier the server chose (section 3.2.2.3.7)." "Assigned Client Identifier"
    0x13 ServerKeepAlive U16 server_keep_alive "The keep alive the server wants, in seconds (section 3.2.2.3.14)." "Server Keep Alive"
    0x15 AuthenticationMethod Text authentication_method "The name of the extended authentication (section 3.1.2.11.9)." "Authentication Method"
    0x16 AuthenticationData Binary authentication_data "A step of the extended authentication (section 3.1.2.11.10)." "Authentication Data"
    0x17 RequestProblemInformation Flag request_problem_information "Whether reason strings and user properties are welcome on any packet (section 3.1.2.11.7)." "Request Problem Information"
    0x18 WillDelayInterval U32 will_delay_interval "How long the will waits, in seconds (section 3.1.3.2.2)." "Will Delay Interval"
    0x19 RequestResponseInformation Flag request_response_information "Whether Response Information is wanted (section 3.1.2.11.6)." "Request Response Information"
    0x1A ResponseInformation Text response_information "The basis for a response topic (section 3.2.2.3.15)." "Response Information"
    0x1C ServerReference Text server_reference "Another server to use (section 3.2.2.3.16)." "Server Reference"
    0x1F ReasonString Text reason_string "What happened, for people (section 3.2.2.3.9)." "Reason String"
    0x21 ReceiveMaximum NonZeroTwo receive_maximum "How many QoS 1 and 2 messages may be on their way at once, 1 to 65,535 (section 3.1.2.11.3)." "Receive Maximum"
    0x22 TopicAliasMaximum U16 topic_alias_maximum "The highest topic alias accepted; 0 is none (section 3.1.2.11.5)." "Topic Alias Maximum"
    0x23 TopicAlias Alias topic_alias "A number in place of the topic name, 1 to 65,535 (section 3.3.2.3.4)." "Topic Alias"
    0x24 MaximumQos Flag maximum_qos "The highest QoS the server takes: `false` is 0, `true` is 1 (section 3.2.2.3.4)." "Maximum QoS"
    0x25 RetainAvailable Flag retain_available "Whether the server keeps retained messages (section 3.2.2.3.5)." "Retain Available"
    0x26 UserProperty Pair user_property "A name and a value of the user's own (section 3.1.2.11.8)." "User Property"
    0x27 MaximumPacketSize NonZeroFour maximum_packet_size "The largest packet accepted, in bytes, above 0 (section 3.1.2.11.4)." "Maximum Packet Size"
    0x28 WildcardSubscriptionAvailable Flag wildcard_subscription_available "Whether filters may have wildcards (section 3.2.2.3.11)." "Wildcard Subscription Available"
    0x29 SubscriptionIdentifierAvailable Flag subscription_identifier_available "Whether subscription identifiers are supported (section 3.2.2.3.12)." "Subscription Identifier Available"
    0x2A SharedSubscriptionAvailable Flag shared_subscription_available "Whether shared subscriptions are supported (section 3.2.2.3.13)." "Shared Subscription Available"
}

impl PropertyId {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its place in a set. The lowest bit is no property's.
    const fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

impl fmt::Display for PropertyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which properties a packet may carry, and whether Subscription Identifier may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertySet {
    bits: u64,
    repeatable: u64,
}

impl PropertySet {
    /// No property.
    pub const NONE: Self = Self::of(&[]);

    /// These properties, each at most once, save User Property, which may repeat in every packet.
    pub const fn of(ids: &[PropertyId]) -> Self {
        let mut bits = 0;
        let mut rest = ids;
        while let [id, tail @ ..] = rest {
            bits |= id.bit();
            rest = tail;
        }
        Self { bits, repeatable: PropertyId::UserProperty.bit() }
    }

    /// The same, and this property may repeat.
    #[must_use]
    pub const fn repeating(mut self, id: PropertyId) -> Self {
        self.repeatable |= id.bit();
        self
    }

    /// Whether the packet may carry the property.
    pub const fn contains(self, id: PropertyId) -> bool {
        self.bits & id.bit() != 0
    }

    /// Notes one more property in `seen` and says whether it may stand there.
    #[inline]
    fn admit(self, seen: &mut u64, id: PropertyId) -> Result<(), Malformed> {
        let bit = id.bit();
        if self.bits & bit == 0 {
            return Err(Malformed::PropertyNotAllowed(id));
        }
        if *seen & bit & !self.repeatable != 0 {
            return Err(Malformed::PropertyTwice(id));
        }
        wire::note(seen, id);
        Ok(())
    }
}

/// The properties of a packet in their order: a caller's list, then checked bytes of a packet.
///
/// Bytes that came with one packet can so be passed on in another without being taken apart.
#[derive(Clone, Copy, Default)]
pub struct Properties<'a> {
    list: &'a [Property<'a>],
    wire: Wire<'a>,
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self { list: &[], wire: Wire::EMPTY };

    /// The properties in a caller's list.
    pub const fn new(list: &'a [Property<'a>]) -> Self {
        Self { list, wire: Wire::EMPTY }
    }

    /// Properties that [`Properties::wire`] gave, perhaps stored meanwhile.
    ///
    /// # Errors
    /// As for decoding, when the bytes are not properties of that set.
    pub fn from_wire(wire: &'a [u8], allowed: PropertySet) -> Result<Self, Malformed> {
        Ok(Self { list: &[], wire: Wire::check(wire, allowed)? })
    }

    /// Properties that [`Properties::wire`] gave, kept unchanged since: identifiers and lengths are looked
    /// at, values are not checked again.
    ///
    /// Of other bytes what stands before the first that cannot belong to a property is kept. A value that
    /// is wrong is none to the getters, ends the iteration, and is written as it is.
    #[must_use]
    pub fn from_checked(wire: &'a [u8]) -> Self {
        Self { list: &[], wire: Wire::scan(wire) }
    }

    /// These properties behind those of `list`; replaces an earlier list.
    #[must_use]
    pub const fn with_list(self, list: &'a [Property<'a>]) -> Self {
        Self { list, wire: self.wire }
    }

    /// The bytes that came with a packet, without the Property Length.
    pub const fn wire(&self) -> &'a [u8] {
        self.wire.bytes()
    }

    /// The caller's list, which stands before [`Properties::wire`].
    pub const fn list(&self) -> &'a [Property<'a>] {
        self.list
    }

    /// Whether there is no property.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty() && self.wire.bytes().is_empty()
    }

    /// Whether there is such a property.
    #[inline]
    pub fn contains(&self, id: PropertyId) -> bool {
        self.wire.contains(id) || self.list.iter().any(|property| property.id() == id)
    }

    /// Whether all properties are of a set, however often.
    #[inline]
    pub fn is_within(&self, set: PropertySet) -> bool {
        self.wire.is_within(set) && self.list.iter().all(|property| set.contains(property.id()))
    }

    /// Writes those that are of a set behind what is in `out`, in their order, and gives them.
    ///
    /// A value in a list that must not be written, a Subscription Identifier of 0 or more than
    /// 268,435,455, is left out.
    #[cfg(feature = "alloc")]
    pub fn copy_within<'c>(&self, set: PropertySet, out: &'c mut alloc::vec::Vec<u8>) -> Properties<'c> {
        let start = out.len();
        let mut listed = 0;
        for property in self.list {
            if set.contains(property.id()) && property.check().is_ok() {
                wire::note(&mut listed, property.id());
                property.encode(out);
            }
        }
        let present = self.wire.copy_within(set, listed, out);
        Properties { list: &[], wire: Wire::known(out.get(start..).unwrap_or_default(), present) }
    }

    /// All properties in order.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        self.list.iter().copied().chain(self.wire.iter())
    }

    /// All User Properties in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (Utf8String<'a>, Utf8String<'a>)> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(pair) => Some(pair),
            _ => None,
        })
    }

    /// All Subscription Identifiers in order.
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        })
    }

    /// Reads the Property Length and checks the properties behind it.
    #[inline]
    pub(crate) fn decode(reader: &mut Reader<'a>, allowed: PropertySet) -> Result<Self, Malformed> {
        let length = reader.variable_byte_integer().map_err(|error| match error {
            Malformed::Truncated => Malformed::PropertyLength,
            other => other,
        })?;
        if length == 0 {
            return Ok(Self::EMPTY);
        }
        let wire = reader.take(length as usize).map_err(|_| Malformed::PropertyLength)?;
        Self::from_wire(wire, allowed)
    }

    /// Checks what a caller put together, before it is written.
    #[inline]
    pub(crate) fn check(&self, allowed: PropertySet) -> Result<(), EncodeError> {
        let listed = if self.list.is_empty() { 0 } else { self.check_list(allowed)? };
        Ok(self.wire.admit(allowed, listed)?)
    }

    /// Checks the list, and gives the bits of what is in it.
    fn check_list(&self, allowed: PropertySet) -> Result<u64, Malformed> {
        let mut seen = 0;
        for property in self.list {
            allowed.admit(&mut seen, property.id())?;
            property.check()?;
        }
        Ok(seen)
    }

    /// The length of all properties in bytes, without the Property Length.
    fn length(&self) -> usize {
        self.wire.bytes().len() + self.list.iter().map(|property| 1 + property.value_length()).sum::<usize>()
    }

    /// The length of the Property Length and the properties in bytes.
    pub(crate) fn encoded_length(&self) -> usize {
        let length = self.length();
        let prefix = u32::try_from(length).map_or(4, variable_byte_integer_length);
        length + prefix as usize
    }

    /// Writes the Property Length and the properties. [v5 MQTT-2.2.2-1]
    pub(crate) fn encode(&self, out: &mut impl Sink) {
        // A longer section makes the packet too large, which is checked before anything is written.
        put_variable_byte_integer(out, u32::try_from(self.length()).unwrap_or(u32::MAX));
        self.list.iter().for_each(|property| property.encode(out));
        out.put(self.wire.bytes());
    }
}

impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
