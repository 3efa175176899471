//! Whether one filter matches one name: the readable rule that the trees are compared with.

use colibri_codec::topic::{TopicFilter, TopicName};

/// Whether `filter` matches `name`; for a shared subscription, whether the filter behind it does.
///
/// ```
/// # use colibri_codec::topic::{TopicError, TopicFilter, TopicName};
/// use colibri_topics::matches;
///
/// assert!(matches(TopicFilter::new("sport/#")?, TopicName::new("sport")?));
/// assert!(matches(TopicFilter::new("sport/+/player1")?, TopicName::new("sport/tennis/player1")?));
/// assert!(!matches(TopicFilter::new("#")?, TopicName::new("$SYS/uptime")?));
/// # Ok::<(), TopicError>(())
/// ```
#[must_use]
pub fn matches(filter: TopicFilter<'_>, name: TopicName<'_>) -> bool {
    let filter = filter.share().map_or(filter, |(_, behind)| behind);
    // [v5 MQTT-4.7.2-1] [v3.1.1 MQTT-4.7.2-1]
    if name.is_dollar() && filter.begins_with_wildcard() {
        return false;
    }
    let mut names = name.levels();
    for wanted in filter.levels() {
        // `#` also stands for the level above it, so it matches when no level is left.
        if wanted == "#" {
            return true;
        }
        // Bytes are compared as they are: [v5 MQTT-4.7.3-4] [v3.1.1 MQTT-4.7.3-4]
        match names.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            Some(_) | None => return false,
        }
    }
    names.next().is_none()
}
