//! A packet that came: cut from the stream and read as far as the cases need it.

use colibri_codec::Version;

use super::property::{Cursor, Properties};
use super::request::{Hello, Request};

/// The control packets by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standards")]
pub enum Kind {
    Reserved,
    Connect,
    Connack,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Suback,
    Unsubscribe,
    Unsuback,
    Pingreq,
    Pingresp,
    Disconnect,
    Auth,
}

impl Kind {
    /// All of them, by number.
    pub const ALL: [Self; 16] = [
        Self::Reserved,
        Self::Connect,
        Self::Connack,
        Self::Publish,
        Self::Puback,
        Self::Pubrec,
        Self::Pubrel,
        Self::Pubcomp,
        Self::Subscribe,
        Self::Suback,
        Self::Unsubscribe,
        Self::Unsuback,
        Self::Pingreq,
        Self::Pingresp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The kind that the first byte names.
    pub fn of(first: u8) -> Self {
        Self::ALL.get(usize::from(first >> 4)).copied().unwrap_or(Self::Reserved)
    }

    /// The name in the standards.
    pub fn name(self) -> String {
        format!("{self:?}").to_uppercase()
    }
}

/// A packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// All of it, fixed header included.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub content: Content,
}

impl Packet {
    /// The first byte.
    pub fn first(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    /// The kind that the first byte names.
    pub fn kind(&self) -> Kind {
        Kind::of(self.first())
    }

    /// The CONNECT it is, if it is one.
    pub fn connect(&self) -> Option<&Hello> {
        if let Content::Connect(hello) = &self.content { Some(hello) } else { None }
    }

    /// The SUBSCRIBE or UNSUBSCRIBE it is, if it is one.
    pub fn request(&self) -> Option<&Request> {
        if let Content::Request(request) = &self.content { Some(request) } else { None }
    }

    /// The PUBLISH it is, if it is one.
    pub fn publish(&self) -> Option<&Publication> {
        if let Content::Publish(publish) = &self.content { Some(publish) } else { None }
    }
}

/// What is in a packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// CONNACK.
    Connack(Connack),
    /// PUBLISH.
    Publish(Publication),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Ack),
    /// SUBACK or UNSUBACK.
    Answer(Answer),
    /// DISCONNECT or AUTH: the code and the properties.
    Reason(u8, Properties),
    /// CONNECT.
    Connect(Box<Hello>),
    /// SUBSCRIBE or UNSUBSCRIBE.
    Request(Request),
    /// Nothing.
    Other,
    /// A field reaches beyond the end, bytes are left over, or a property is unknown.
    Unreadable,
}

/// A CONNACK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connack {
    /// The acknowledge flags; Session Present is bit 0.
    pub flags: u8,
    /// The return code or Reason Code.
    pub code: u8,
    /// Empty in 3.1.1.
    pub properties: Properties,
}

/// A PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standards")]
pub struct Publication {
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
    pub topic: Vec<u8>,
    pub id: Option<u16>,
    pub properties: Properties,
    pub payload: Vec<u8>,
}

/// A PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The Packet Identifier.
    pub id: u16,
    /// The Reason Code, 0x00 where it was left out.
    pub code: u8,
    /// Empty where they were left out.
    pub properties: Properties,
}

/// A SUBACK or UNSUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The Packet Identifier.
    pub id: u16,
    /// One for each filter; none in an UNSUBACK of 3.1.1.
    pub codes: Vec<u8>,
    /// Empty in 3.1.1.
    pub properties: Properties,
}

/// The size of the first packet of `input`, fixed header included, whether or not all of it is there; `None`
/// before the end of its Remaining Length, an error if that is none.
pub fn length(input: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut cursor = Cursor(input.get(1..).unwrap_or_default());
    let Some(length) = cursor.variable() else {
        return if input.len() >= 5 { Err("a Remaining Length of more than four bytes") } else { Ok(None) };
    };
    let header = input.len() - cursor.0.len();
    Ok(usize::try_from(length).ok().and_then(|length| length.checked_add(header)))
}

/// Cuts the first packet off `input`; `None` while it is not whole, an error if its length is none.
pub fn split(input: &[u8], version: Version) -> Result<Option<Packet>, &'static str> {
    let whole = length(input)?.and_then(|size| input.get(..size));
    let (Some(bytes), mut cursor) = (whole, Cursor(whole.unwrap_or_default())) else { return Ok(None) };
    let (Some(first), Some(_)) = (cursor.byte(), cursor.variable()) else { return Ok(None) };
    let content = content(first, cursor.0, version).unwrap_or(Content::Unreadable);
    Ok(Some(Packet { bytes: bytes.to_vec(), content }))
}

fn content(first: u8, body: &[u8], version: Version) -> Option<Content> {
    let v5 = version == Version::V5;
    let mut cursor = Cursor(body);
    let content = match Kind::of(first) {
        Kind::Connack => {
            let (flags, code) = (cursor.byte()?, cursor.byte()?);
            let properties = later(&mut cursor, v5)?;
            Content::Connack(Connack { flags, code, properties })
        }
        Kind::Publish => Content::Publish(publication(first, &mut cursor, v5)?),
        Kind::Puback | Kind::Pubrec | Kind::Pubrel | Kind::Pubcomp => {
            let id = cursor.two()?;
            let code = if v5 && !cursor.0.is_empty() { cursor.byte()? } else { 0 };
            let properties = later(&mut cursor, v5 && body.len() > 3)?;
            Content::Ack(Ack { id, code, properties })
        }
        Kind::Suback | Kind::Unsuback => {
            let id = cursor.two()?;
            let properties = later(&mut cursor, v5)?;
            let rest = if v5 || Kind::of(first) == Kind::Suback { cursor.0.len() } else { 0 };
            Content::Answer(Answer { id, properties, codes: cursor.take(rest)?.to_vec() })
        }
        Kind::Disconnect | Kind::Auth => {
            let code = if v5 && !cursor.0.is_empty() { cursor.byte()? } else { 0 };
            Content::Reason(code, later(&mut cursor, v5 && body.len() > 1)?)
        }
        Kind::Connect => Content::Connect(Box::new(Hello::read(&mut cursor, v5)?)),
        Kind::Subscribe => Content::Request(Request::read(&mut cursor, v5, true)?),
        Kind::Unsubscribe => Content::Request(Request::read(&mut cursor, v5, false)?),
        Kind::Pingreq | Kind::Pingresp => Content::Other,
        Kind::Reserved => return Some(Content::Other),
    };
    cursor.0.is_empty().then_some(content)
}

/// Properties, where there are some.
fn later(cursor: &mut Cursor<'_>, there: bool) -> Option<Properties> {
    if there { cursor.properties() } else { Some(Properties::default()) }
}

fn publication(first: u8, cursor: &mut Cursor<'_>, v5: bool) -> Option<Publication> {
    let qos = first >> 1 & 3;
    let topic = cursor.field()?.to_vec();
    let id = if qos == 0 { None } else { Some(cursor.two()?) };
    let properties = later(cursor, v5)?;
    let payload = cursor.take(cursor.0.len())?.to_vec();
    Some(Publication { dup: first & 8 != 0, qos, retain: first & 1 != 0, topic, id, properties, payload })
}
