//! Topic names and topic filters: borrowed text that was checked once and never needs to be again.

use core::fmt;

#[cfg(feature = "alloc")]
mod owned;
#[cfg(feature = "alloc")]
pub use owned::{OwnedTopicFilter, OwnedTopicName};

/// The longest topic name or filter in bytes; the two-byte length prefix can express no more.
const TOPIC_BYTES_MAX: usize = 65_535;

/// How the filter of a shared subscription begins.
const SHARE_PREFIX: &str = "$share/";

/// The topic a message is published to: 1 to 65,535 bytes without wildcards and without U+0000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks that `text` may be a topic name.
    ///
    /// # Errors
    ///
    /// [`TopicError::Empty`], [`TopicError::TooLong`], [`TopicError::Nul`] or
    /// [`TopicError::WildcardInName`], in this order.
    pub fn new(text: &'a str) -> Result<Self, TopicError> {
        check_length(text)?;
        // Every byte is looked at, with no early exit, so that the compiler uses wide registers;
        // the three bytes looked for are ASCII and never occur inside another UTF-8 character.
        let suspicious = text.bytes().fold(false, |seen, byte| seen | matches!(byte, b'+' | b'#' | 0));
        if !suspicious {
            return Ok(Self(text));
        }
        check_nul(text)?;
        // [v5 MQTT-4.7.0-1] [v3.1.1 MQTT-4.7.1-1]
        Err(TopicError::WildcardInName)
    }

    /// The name as it came over the wire, neither normalized nor changed.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels between the slashes, of which there is at least one; any of them may be empty.
    #[must_use]
    pub const fn levels(self) -> Levels<'a> {
        Levels { rest: Some(self.0) }
    }

    /// Whether the name begins with `$`, which hides it from filters that begin with a wildcard.
    #[must_use]
    pub fn is_dollar(self) -> bool {
        self.0.starts_with('$')
    }
}

/// What a client subscribes to: 1 to 65,535 bytes without U+0000, each wildcard in its place.
///
/// The filter of a shared subscription, `$share/NAME/FILTER`, is one too; [`share`](Self::share)
/// takes it apart. Version 3.1.1 is not aware of shared subscriptions; the same form means the same
/// there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks that `text` may be a topic filter, shared or not.
    ///
    /// # Errors
    ///
    /// Every [`TopicError`] but [`TopicError::WildcardInName`].
    pub fn new(text: &'a str) -> Result<Self, TopicError> {
        check_length(text)?;
        check_nul(text)?;
        match text.strip_prefix(SHARE_PREFIX) {
            Some(rest) => check_share(rest)?,
            None => check_wildcards(text)?,
        }
        Ok(Self(text))
    }

    /// The filter as it came over the wire, with the `$share/NAME/` of a shared subscription.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels between the slashes, of which there is at least one; any of them may be empty.
    ///
    /// For a shared subscription the first two are `$share` and the share name: take the filter
    /// from [`share`](Self::share) to have the levels that are matched.
    #[must_use]
    pub const fn levels(self) -> Levels<'a> {
        Levels { rest: Some(self.0) }
    }

    /// The share name and the filter behind it, or `None` for an ordinary subscription.
    ///
    /// The filter behind the share name is never itself a shared one.
    #[must_use]
    pub fn share(self) -> Option<(ShareName<'a>, Self)> {
        let (name, filter) = self.0.strip_prefix(SHARE_PREFIX)?.split_once('/')?;
        Some((ShareName(name), Self(filter)))
    }

    /// Whether there is a `+` or a `#` in it; without one the filter matches one name at most.
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        self.0.bytes().fold(false, |seen, byte| seen | matches!(byte, b'+' | b'#'))
    }

    /// Whether the first level is a wildcard, which does not match names that begin with `$`.
    ///
    /// For a shared subscription ask the filter from [`share`](Self::share).
    #[must_use]
    pub fn begins_with_wildcard(self) -> bool {
        self.0.starts_with(['+', '#'])
    }
}

/// The name of a group that shares a subscription: one byte or more, without `/`, `+` and `#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareName<'a>(&'a str);

impl<'a> ShareName<'a> {
    /// Checks that `text` may be the share name of a subscription.
    ///
    /// # Errors
    ///
    /// [`TopicError::TooLong`], [`TopicError::Nul`] or [`TopicError::ShareNameInvalid`].
    pub fn new(text: &'a str) -> Result<Self, TopicError> {
        if text.len() > TOPIC_BYTES_MAX {
            return Err(TopicError::TooLong);
        }
        check_nul(text)?;
        // [v5 MQTT-4.8.2-1] [v5 MQTT-4.8.2-2]
        if text.is_empty() || text.contains(['/', '+', '#']) {
            return Err(TopicError::ShareNameInvalid);
        }
        Ok(Self(text))
    }

    /// The name as the client sent it.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// The levels of a name or filter from left to right; `"/a"` has two, the first of them empty.
#[derive(Clone, Debug)]
pub struct Levels<'a> {
    /// What is not handed out yet; `None` once the last level was.
    rest: Option<&'a str>,
}

impl<'a> Iterator for Levels<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        // Levels are a few bytes long: a plain search beats one that is set up for long text.
        let level = match rest.bytes().position(|byte| byte == b'/') {
            Some(slash) => {
                self.rest = rest.get(slash + 1..);
                rest.get(..slash)?
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(level)
    }
}

impl core::iter::FusedIterator for Levels<'_> {}

/// Why a text may not be a topic name or a topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicError {
    /// There is no character in it.
    Empty,
    /// It is longer than 65,535 bytes.
    TooLong,
    /// The character U+0000 is in it.
    Nul,
    /// A `+` or `#` is in a topic name, where both are forbidden.
    WildcardInName,
    /// A `#` in a filter is not the last level, or not alone in its level.
    MultiLevelWildcardMisplaced,
    /// A `+` in a filter is not alone in its level.
    SingleLevelWildcardMisplaced,
    /// The share name after `$share/` is empty or has a `+` or `#` in it.
    ShareNameInvalid,
    /// No filter follows the share name, or one that is itself shared.
    ShareFilterMissing,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a topic must have at least one character",
            Self::TooLong => "a topic must not be longer than 65,535 bytes",
            Self::Nul => "a topic must not contain the character U+0000",
            Self::WildcardInName => "a topic name must not contain the wildcards + and #",
            Self::MultiLevelWildcardMisplaced => "a # must be alone in the last level of a topic filter",
            Self::SingleLevelWildcardMisplaced => "a + must be alone in its level of a topic filter",
            Self::ShareNameInvalid => "a share name must have a character and no + or #",
            Self::ShareFilterMissing => {
                "a share name must be followed by / and a filter that is not itself shared"
            }
        })
    }
}

impl core::error::Error for TopicError {}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Display for ShareName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

fn check_length(text: &str) -> Result<(), TopicError> {
    match text.len() {
        // [v5 MQTT-4.7.3-1] [v3.1.1 MQTT-4.7.3-1]
        0 => Err(TopicError::Empty),
        1..=TOPIC_BYTES_MAX => Ok(()),
        // [v5 MQTT-4.7.3-3] [v3.1.1 MQTT-4.7.3-3]
        _ => Err(TopicError::TooLong),
    }
}

fn check_nul(text: &str) -> Result<(), TopicError> {
    // [v5 MQTT-4.7.3-2] [v3.1.1 MQTT-4.7.3-2]
    if text.bytes().fold(false, |seen, byte| seen | (byte == 0)) { Err(TopicError::Nul) } else { Ok(()) }
}

/// Checks what follows `$share/`.
fn check_share(rest: &str) -> Result<(), TopicError> {
    let (name, filter) = match rest.split_once('/') {
        Some((name, filter)) => (name, Some(filter)),
        None => (rest, None),
    };
    // [v5 MQTT-4.8.2-1] [v5 MQTT-4.8.2-2]
    ShareName::new(name)?;
    match filter {
        // A filter behind a share name means what it means in a subscription that is not shared,
        // so a second `$share/` cannot stand there.
        Some(filter) if !filter.is_empty() && !filter.starts_with(SHARE_PREFIX) => check_wildcards(filter),
        // [v5 MQTT-4.8.2-2]
        Some(_) | None => Err(TopicError::ShareFilterMissing),
    }
}

fn check_wildcards(filter: &str) -> Result<(), TopicError> {
    let mut levels = Levels { rest: Some(filter) };
    while let Some(level) = levels.next() {
        // [v5 MQTT-4.7.1-1] [v3.1.1 MQTT-4.7.1-2]
        if level.contains('#') && (level != "#" || levels.rest.is_some()) {
            return Err(TopicError::MultiLevelWildcardMisplaced);
        }
        // [v5 MQTT-4.7.1-2] [v3.1.1 MQTT-4.7.1-3]
        if level.contains('+') && level != "+" {
            return Err(TopicError::SingleLevelWildcardMisplaced);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ShareName, TopicError, TopicFilter, TopicName};

    #[test]
    fn a_name_is_refused_for_the_rule_it_breaks() {
        let long = [b'a'; 65_536];
        let long = core::str::from_utf8(&long).unwrap();
        let table = [
            ("", TopicError::Empty),
            (long, TopicError::TooLong),
            ("a\0b", TopicError::Nul),
            ("+\0", TopicError::Nul),
            ("a/+/b", TopicError::WildcardInName),
            ("a#", TopicError::WildcardInName),
        ];
        for (text, error) in table {
            assert_eq!(TopicName::new(text), Err(error), "{text:.20}");
        }
        for text in ["/", "//", "a", "$SYS/x", "Accounts payable", "\u{feff}", "é/ü", &long[1..]] {
            assert_eq!(TopicName::new(text).map(TopicName::as_str), Ok(text));
        }
    }

    #[test]
    fn a_filter_is_refused_for_the_rule_it_breaks() {
        use TopicError::{
            Empty, MultiLevelWildcardMisplaced, Nul, ShareFilterMissing, ShareNameInvalid,
            SingleLevelWildcardMisplaced,
        };
        let table = [
            ("", Empty),
            ("\0", Nul),
            ("sport/tennis#", MultiLevelWildcardMisplaced),
            ("sport/tennis/#/ranking", MultiLevelWildcardMisplaced),
            ("#/", MultiLevelWildcardMisplaced),
            ("##", MultiLevelWildcardMisplaced),
            ("+#", MultiLevelWildcardMisplaced),
            ("sport+", SingleLevelWildcardMisplaced),
            ("a/b+/c", SingleLevelWildcardMisplaced),
            ("++", SingleLevelWildcardMisplaced),
            ("$share/", ShareNameInvalid),
            ("$share//t", ShareNameInvalid),
            ("$share/+/t", ShareNameInvalid),
            ("$share/g#/t", ShareNameInvalid),
            ("$share/#", ShareNameInvalid),
            ("$share/g", ShareFilterMissing),
            ("$share/g/", ShareFilterMissing),
            ("$share/g/$share/h/t", ShareFilterMissing),
            ("$share/g/a#", MultiLevelWildcardMisplaced),
            ("$share/g/\0", Nul),
        ];
        for (text, error) in table {
            assert_eq!(TopicFilter::new(text), Err(error), "{text}");
        }
        for text in ["#", "+", "/", "+/+", "/+", "sport/#", "+/tennis/#", "$share", "$SYS/#", "a/$share/+"] {
            assert_eq!(TopicFilter::new(text).map(TopicFilter::as_str), Ok(text));
        }
    }

    #[test]
    fn a_shared_filter_comes_apart_into_its_share_name_and_filter() {
        let shared = TopicFilter::new("$share/consumer//finance/#").unwrap();
        let (name, filter) = shared.share().unwrap();
        assert_eq!((name.as_str(), filter.as_str()), ("consumer", "/finance/#"));
        assert_eq!(ShareName::new("consumer"), Ok(name));
        assert_eq!(filter.share(), None);
        assert_eq!(TopicFilter::new("$share").unwrap().share(), None);
        assert_eq!(TopicFilter::new("$shared/g/t").unwrap().share(), None);
    }

    #[test]
    fn empty_levels_count_as_levels() {
        let count = |text| TopicName::new(text).unwrap().levels().count();
        assert_eq!((count("a"), count("/"), count("a/"), count("/a/b")), (1, 2, 2, 3));
        let levels = TopicFilter::new("/a/+//#").unwrap().levels();
        assert!(levels.eq(["", "a", "+", "", "#"]));
    }

    #[test]
    fn only_a_leading_dollar_sign_is_special() {
        assert!(TopicName::new("$SYS").unwrap().is_dollar());
        assert!(!TopicName::new("a/$SYS").unwrap().is_dollar());
    }
}
