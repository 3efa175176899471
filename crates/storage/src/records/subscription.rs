//! [`Table::Subscriptions`]: the subscriptions of each session. The key is the session's number and the filter,
//! with `$share/name/` before it for a shared subscription.
//!
//! Value: version, the options as in SUBSCRIBE (5.0, section 3.8.3.1), the Subscription Identifier or 0.

use colibri_codec::{RetainHandling, SubscriptionOptions, TopicFilter, VARIABLE_BYTE_INTEGER_MAX};

use super::cursor::{Cursor, put_varint, qos};
use super::split_session;
use crate::{KEY_LENGTH_MAX, StoreError, Table};

/// A subscription of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionRecord {
    /// How messages are delivered.
    pub options: SubscriptionOptions,
    /// The Subscription Identifier, 1 to 268,435,455.
    pub identifier: Option<u32>,
}

const VERSION: u8 = 1;

const NO_LOCAL: u8 = 1 << 2;
const RETAIN_AS_PUBLISHED: u8 = 1 << 3;
const RETAIN_HANDLING: u8 = 4;

/// The longest filter of a stored session, in bytes: what the session's number leaves of the longest key.
pub const FILTER_LENGTH_MAX: usize = KEY_LENGTH_MAX - 8;

/// Appends the key of a subscription to `out`. A filter beyond [`FILTER_LENGTH_MAX`] makes a key that no
/// store takes.
pub fn subscription_key(session: u64, filter: TopicFilter<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&session.to_be_bytes());
    out.extend_from_slice(filter.as_str().as_bytes());
}

/// The session and the filter in a key of [`Table::Subscriptions`].
///
/// # Errors
/// When the key cannot be one.
pub fn parse_subscription_key(key: &[u8]) -> Result<(u64, TopicFilter<'_>), StoreError> {
    let (session, rest) = split_session(Table::Subscriptions, key)?;
    let wrong = |what: String| StoreError::corrupt_row(Table::Subscriptions, key, what);
    let text = core::str::from_utf8(rest).map_err(|_| wrong("the filter is not UTF-8".into()))?;
    let filter = TopicFilter::new(text).map_err(|error| wrong(format!("the filter: {error}")))?;
    Ok((session, filter))
}

impl SubscriptionRecord {
    /// Appends the value of the row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let options = self.options;
        let byte = options.qos.number()
            | if options.no_local { NO_LOCAL } else { 0 }
            | if options.retain_as_published { RETAIN_AS_PUBLISHED } else { 0 }
            | (options.retain_handling as u8) << RETAIN_HANDLING;
        out.extend_from_slice(&[VERSION, byte]);
        put_varint(out, self.identifier.unwrap_or(0).into());
    }

    /// Reads the value of a row.
    ///
    /// # Errors
    /// When it cannot be right, or is of a newer version.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let mut cursor = Cursor::open(Table::Subscriptions, key, value, VERSION)?;
        let byte = cursor.u8("options")?;
        let retain_handling = match byte >> RETAIN_HANDLING {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(cursor.wrong(format!("options are {byte:#04x}"))),
        };
        let options = SubscriptionOptions {
            qos: qos(&cursor, byte)?,
            no_local: byte & NO_LOCAL != 0,
            retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        };
        let identifier = match cursor.u32("subscription identifier")? {
            0 => None,
            number @ 1..=VARIABLE_BYTE_INTEGER_MAX => Some(number),
            number => return Err(cursor.wrong(format!("subscription identifier {number}"))),
        };
        cursor.end()?;
        Ok(Self { options, identifier })
    }
}
