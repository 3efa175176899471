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
    /// Messages with QoS 1 and 2 that were sent and are not acknowledged.
    in_flight_messages
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
    /// Messages and connections that were refused because the store takes nothing at the moment.
    refused_storage
    /// Stored messages that could not be read back.
    unreadable_rows
    /// Waiting messages that are in the store alone.
    spilled_messages
    /// What these weigh in bytes.
    spilled_bytes
    /// The limits that [`Config`](crate::Config) sets: messages that may wait in memory.
    queued_messages_maximum
    /// Their bytes.
    queued_bytes_maximum
    /// Messages that may wait in the store alone.
    spilled_messages_maximum
    /// Their bytes.
    spilled_bytes_maximum
    /// What retained messages may weigh in bytes, all shards together.
    retained_bytes_maximum
    /// How the store is, as a number: see [`StoreState::from_metric`](crate::StoreState::from_metric).
    store_state
    /// Rows in the store, of all tables.
    store_rows
    /// Messages in the store that wait for a session or are under way to it.
    store_messages
    /// What the store takes on disk, in bytes; room for later rows included.
    store_bytes
    /// Batches that were committed.
    store_commits
    /// Batches and other moments for which the disk was waited for.
    store_syncs
    /// Messages that were written to the store for a session since the start.
    store_messages_total
    /// How many times the store ceased to take changes.
    store_failures
    /// How long the last sync took, in microseconds.
    store_sync_micros
    /// How long the slowest sync took in the last minute or two, in microseconds.
    store_sync_micros_maximum
    /// Bytes of changes that were handed in and are not on the disk yet.
    store_waiting_bytes
    /// Connections that the system could not hand over, for want of file descriptors for instance.
    accept_errors
    /// Connections that were closed because the client broke the protocol.
    violations
}
