//! What a shard counts. Plain numbers: each shard has its own and hands out copies.

use std::ops::AddAssign;

macro_rules! metrics {
    ($($(#[$doc:meta])+ $name:ident)+) => {
        /// Counters and levels of one shard, or the sum of several.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Metrics {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl AddAssign for Metrics {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

metrics! {
    /// Connections that are open now and were accepted.
    connections
    /// Connections that were accepted since the start.
    connections_total
    /// Sessions, connected and not.
    sessions
    /// Subscriptions of all sessions.
    subscriptions
    /// Messages that are retained.
    retained_messages
    /// What the retained messages weigh, in bytes.
    retained_bytes
    /// PUBLISH packets that came from clients.
    publishes_received
    /// PUBLISH packets that went to clients for the first time.
    publishes_sent
    /// Bytes that came.
    bytes_received
    /// Bytes that went.
    bytes_sent
    /// QoS 0 messages that were not sent because their receiver reads too slowly.
    dropped_slow
    /// Messages that wait in memory for their receivers.
    queued_messages
    /// What these weigh in bytes.
    queued_bytes
    /// Messages that were not kept because their receiver's queue was full.
    dropped_queue_full
    /// Messages that were refused because a receiver's queue was full.
    refused_queue_full
    /// Messages that were not kept because too many wait in memory for all receivers together.
    dropped_queued_total
    /// Messages that were refused for the same reason.
    refused_queued_total
    /// Messages that were not kept because too many wait in the store alone for all receivers together.
    dropped_stored_total
    /// Messages that were refused for the same reason.
    refused_stored_total
    /// Messages that were not retained because those that are weigh too much.
    refused_retained
    /// Messages that were not sent because their receiver takes no packet of that size.
    dropped_too_large
    /// Messages that were not sent because they had expired.
    dropped_expired
    /// Messages that were refused because the store takes nothing at the moment.
    refused_storage
    /// Stored messages that could not be read back.
    unreadable_rows
    /// Waiting messages that are in the store alone.
    spilled_messages
    /// What these weigh in bytes.
    spilled_bytes
    /// Connections that the system could not hand over, for want of file descriptors for instance.
    accept_errors
    /// Connections that were closed because the client broke the protocol.
    violations
}
