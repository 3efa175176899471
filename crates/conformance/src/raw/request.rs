//! What a client says, as it came: CONNECT, SUBSCRIBE and UNSUBSCRIBE.

use super::property::{Cursor, Properties};

/// A CONNECT that came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standards")]
pub struct Hello {
    pub protocol_name: Vec<u8>,
    pub level: u8,
    pub flags: u8,
    pub keep_alive: u16,
    pub properties: Properties,
    pub client_id: Vec<u8>,
    pub will: Option<Testament>,
    pub user_name: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
}

impl Hello {
    /// Clean Session, or Clean Start.
    pub fn clean(&self) -> bool {
        self.flags & 0x02 != 0
    }

    /// The fields that the flags announce, in the order of the standards.
    pub(super) fn read(cursor: &mut Cursor<'_>, v5: bool) -> Option<Self> {
        let protocol_name = cursor.field()?.to_vec();
        let (level, flags, keep_alive) = (cursor.byte()?, cursor.byte()?, cursor.two()?);
        let mut properties = || if v5 { cursor.properties() } else { Some(Properties::default()) };
        let mine = properties()?;
        let client_id = cursor.field()?.to_vec();
        let will = if flags & 0x04 == 0 { None } else { Some(Testament::read(cursor, v5)?) };
        let mut login = |mask| -> Option<Option<Vec<u8>>> {
            if flags & mask == 0 { Some(None) } else { Some(Some(cursor.field()?.to_vec())) }
        };
        let (user_name, password) = (login(0x80)?, login(0x40)?);
        Some(Self {
            protocol_name,
            level,
            flags,
            keep_alive,
            properties: mine,
            client_id,
            will,
            user_name,
            password,
        })
    }
}

/// The will in a CONNECT that came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the standards")]
pub struct Testament {
    pub properties: Properties,
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Testament {
    fn read(cursor: &mut Cursor<'_>, v5: bool) -> Option<Self> {
        let properties = if v5 { cursor.properties()? } else { Properties::default() };
        Some(Self { properties, topic: cursor.field()?.to_vec(), payload: cursor.field()?.to_vec() })
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The Packet Identifier.
    pub id: u16,
    /// Empty in 3.1.1.
    pub properties: Properties,
    /// The filters with their options, which are 0 in an UNSUBSCRIBE.
    pub filters: Vec<(Vec<u8>, u8)>,
}

impl Request {
    pub(super) fn read(cursor: &mut Cursor<'_>, v5: bool, options: bool) -> Option<Self> {
        let id = cursor.two()?;
        let properties = if v5 { cursor.properties()? } else { Properties::default() };
        let mut filters = Vec::new();
        while !cursor.0.is_empty() {
            let filter = cursor.field()?.to_vec();
            filters.push((filter, if options { cursor.byte()? } else { 0 }));
        }
        Some(Self { id, properties, filters })
    }
}
