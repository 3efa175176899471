//! MQTT topic matching: who gets a message, and which retained messages a subscription gets.
//!
//! - [`matches`](fn@matches) is the rule of the standard's section 4.7 in twenty lines.
//! - [`SubscriptionTree`] finds the subscriptions that match a topic name, among millions.
//! - [`SharedGroup`] picks the member of a shared subscription who gets a message.
//! - [`RetainedTree`] finds the topic names that match a subscription.
//! - [`oracle`] has models for tests and fuzzers to compare the trees with.
//!
//! Nothing here names a clock, a thread or a random source: the seed of the hashes is handed in.
//!
//! ```
//! use colibri_codec::topic::{TopicError, TopicFilter, TopicName};
//! use colibri_topics::{Match, SubscriptionTree};
//!
//! let mut tree = SubscriptionTree::new(0x5EED);
//! tree.subscribe(TopicFilter::new("sport/tennis/+")?, 1_u32, "QoS 0");
//! tree.subscribe(TopicFilter::new("sport/#")?, 2, "QoS 1");
//! tree.subscribe(TopicFilter::new("$share/scores/sport/#")?, 3, "QoS 2");
//! tree.subscribe(TopicFilter::new("$share/scores/sport/#")?, 4, "QoS 2");
//!
//! let mut receivers = Vec::new();
//! tree.for_each_match(TopicName::new("sport/tennis/player1")?, |found| match found {
//!     Match::Subscriber(key, _options) => receivers.push(key),
//!     Match::Group(group) => receivers.extend(group.next(|_| true).map(|(key, _options)| key)),
//! });
//! receivers.sort();
//! assert_eq!(receivers, [1, 2, 3]);
//! # Ok::<(), TopicError>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod matches;
mod tree;

mod exact;
mod wildcard;

mod audience;
mod members;
mod shared;

mod retained;

mod arena;
mod label;
mod label_index;
mod levels;

pub mod oracle;

pub use matches::matches;
pub use retained::RetainedTree;
pub use shared::{GroupId, SharedGroup};
pub use tree::{Match, SubscriptionTree};
