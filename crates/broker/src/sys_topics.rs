//! The `$SYS` topics: what the broker tells about itself, retained and renewed.

use colibri_codec::{Properties, QoS, TopicName};
use colibri_protocol::Publication;

use crate::message::Inbound;
use crate::metrics::Metrics;
use crate::shard::Shard;
use crate::shard::inbox::Operation;
use crate::shard::timers::Timer;
use crate::store_gauge::StoreState;
use crate::subscriber::Subscriber;

/// What shard 0 gathers before it publishes.
#[derive(Debug)]
pub(crate) struct SysTopics {
    shards: u8,
    outstanding: u8,
    sum: Metrics,
}

impl SysTopics {
    pub(crate) fn new(shards: u8) -> Self {
        Self { shards, outstanding: 0, sum: Metrics::default() }
    }
}

impl Shard {
    /// What this shard has counted. What concerns all shards is told by the first alone, so that a sum has it
    /// once.
    pub(crate) fn measure(&self) -> Metrics {
        let queued = self.queued.own();
        let mut metrics = Metrics {
            connections: self.connections.len() as u64,
            sessions: self.sessions.len() as u64,
            subscriptions: self.sessions.subscriptions() as u64,
            retained_messages: self.retained.len() as u64,
            retained_bytes: self.retained.bytes() as u64,
            retained_bytes_maximum: self.config.retained_bytes_maximum as u64,
            in_flight_messages: self.in_flight() as u64,
            queued_messages: queued.memory.messages as u64,
            queued_bytes: queued.memory.bytes as u64,
            spilled_messages: queued.store.messages as u64,
            spilled_bytes: queued.store.bytes as u64,
            store_waiting_bytes: self.journal.waiting_bytes() as u64,
            ..self.metrics
        };
        if self.number == 0 {
            metrics.queued_messages_maximum = self.config.queued_messages_total_maximum as u64;
            metrics.queued_bytes_maximum = self.config.queued_bytes_total_maximum as u64;
            metrics.spilled_messages_maximum = self.config.stored_messages_total_maximum as u64;
            metrics.spilled_bytes_maximum = self.config.stored_bytes_total_maximum as u64;
            if let Some(gauge) = self.journal.gauge() {
                gauge.add_to(&mut metrics, self.now);
            }
        }
        metrics
    }

    /// How many messages were sent and are not acknowledged.
    fn in_flight(&self) -> usize {
        let queues = self.sessions.numbers().filter_map(|number| self.queue_of(number));
        queues.map(colibri_protocol::Session::in_flight).sum()
    }

    /// Asks all shards for their counts; when all have answered the topics are published.
    pub(crate) fn on_sys_topics(&mut self) {
        self.timers.set(self.now + self.config.sys_interval, Timer::SysTopics);
        self.sys_topics.sum = self.measure();
        self.sys_topics.outstanding = self.sys_topics.shards - 1;
        if self.sys_topics.outstanding == 0 {
            return self.publish_sys_topics();
        }
        self.links.send_all(|| Operation::MetricsQuery);
    }

    pub(crate) fn on_metrics(&mut self, metrics: Metrics) {
        if self.sys_topics.outstanding == 0 {
            return;
        }
        self.sys_topics.sum += metrics;
        self.sys_topics.outstanding -= 1;
        if self.sys_topics.outstanding == 0 {
            self.publish_sys_topics();
        }
    }

    fn publish_sys_topics(&mut self) {
        let sum = self.sys_topics.sum;
        let uptime = self.now.since(self.started).as_secs();
        self.publish_sys("$SYS/broker/version", &format!("colibri {}", env!("CARGO_PKG_VERSION")));
        self.publish_sys("$SYS/broker/uptime", &format!("{uptime} seconds"));
        for (topic, value) in traffic(&sum).into_iter().chain(limits(&sum)) {
            self.publish_sys(
                topic,
                &if value == u64::MAX { "unlimited".to_owned() } else { value.to_string() },
            );
        }
        let state = StoreState::from_metric(sum.store_state);
        self.publish_sys("$SYS/broker/store/state", state.name());
        if state != StoreState::None {
            for (topic, value) in store(&sum) {
                self.publish_sys(topic, &value.to_string());
            }
        }
    }

    fn publish_sys(&mut self, topic: &'static str, value: &str) {
        let Ok(topic) = TopicName::new(topic) else { return };
        let publication = Publication {
            topic,
            qos: QoS::AtMostOnce,
            retain: true,
            expires: None,
            subscription_identifiers: &[],
            properties: Properties::EMPTY,
            payload: value.as_bytes(),
        };
        let mut route = self.routing.foreign.take().unwrap_or_default();
        self.publish(&mut Inbound::new(&publication, Subscriber::NOBODY), &mut route);
        self.routing.foreign = Some(route);
    }
}

/// Who is connected, and what goes through. Names that mosquitto has too mean what they mean there.
const fn traffic(sum: &Metrics) -> [(&'static str, u64); 19] {
    let dropped = sum.dropped_slow
        + sum.dropped_queue_full
        + sum.dropped_queued_total
        + sum.dropped_stored_total
        + sum.dropped_too_large;
    let refused = sum.refused_queue_full
        + sum.refused_queued_total
        + sum.refused_stored_total
        + sum.refused_retained
        + sum.refused_storage;
    // Those that wait count for each session, and so do their bytes.
    let kept = sum.queued_messages + sum.spilled_messages + sum.retained_messages;
    let kept_bytes = sum.queued_bytes + sum.spilled_bytes + sum.retained_bytes;
    [
        ("$SYS/broker/clients/connected", sum.connections),
        ("$SYS/broker/clients/total", sum.sessions),
        ("$SYS/broker/clients/disconnected", sum.sessions.saturating_sub(sum.connections)),
        ("$SYS/broker/connections/total", sum.connections_total),
        ("$SYS/broker/connections/violations", sum.violations),
        ("$SYS/broker/connections/accept-errors", sum.accept_errors),
        ("$SYS/broker/subscriptions/count", sum.subscriptions),
        ("$SYS/broker/retained messages/count", sum.retained_messages),
        ("$SYS/broker/retained messages/bytes", sum.retained_bytes),
        ("$SYS/broker/messages/inflight", sum.in_flight_messages),
        ("$SYS/broker/store/messages/count", kept),
        ("$SYS/broker/store/messages/bytes", kept_bytes),
        ("$SYS/broker/publish/messages/received", sum.publishes_received),
        ("$SYS/broker/publish/messages/sent", sum.publishes_sent),
        ("$SYS/broker/publish/messages/dropped", dropped),
        ("$SYS/broker/publish/messages/refused", refused),
        ("$SYS/broker/publish/messages/expired", sum.dropped_expired),
        ("$SYS/broker/bytes/received", sum.bytes_received),
        ("$SYS/broker/bytes/sent", sum.bytes_sent),
    ]
}

/// Each limit over all sessions: how much there is, how much may be, how often it bit.
const fn limits(sum: &Metrics) -> [(&'static str, u64); 18] {
    [
        ("$SYS/broker/queued/messages", sum.queued_messages),
        ("$SYS/broker/queued/messages/maximum", sum.queued_messages_maximum),
        ("$SYS/broker/queued/bytes", sum.queued_bytes),
        ("$SYS/broker/queued/bytes/maximum", sum.queued_bytes_maximum),
        ("$SYS/broker/queued/refused", sum.refused_queued_total),
        ("$SYS/broker/queued/dropped", sum.dropped_queued_total),
        ("$SYS/broker/stored/messages", sum.spilled_messages),
        ("$SYS/broker/stored/messages/maximum", sum.spilled_messages_maximum),
        ("$SYS/broker/stored/bytes", sum.spilled_bytes),
        ("$SYS/broker/stored/bytes/maximum", sum.spilled_bytes_maximum),
        ("$SYS/broker/stored/refused", sum.refused_stored_total),
        ("$SYS/broker/stored/dropped", sum.dropped_stored_total),
        ("$SYS/broker/session queues/refused", sum.refused_queue_full),
        ("$SYS/broker/session queues/dropped", sum.dropped_queue_full),
        ("$SYS/broker/retained messages/bytes/maximum", sum.retained_bytes_maximum),
        ("$SYS/broker/retained messages/refused", sum.refused_retained),
        ("$SYS/broker/output/dropped", sum.dropped_slow),
        ("$SYS/broker/publish/messages/too-large", sum.dropped_too_large),
    ]
}

/// The store on disk.
const fn store(sum: &Metrics) -> [(&'static str, u64); 12] {
    [
        ("$SYS/broker/store/rows", sum.store_rows),
        ("$SYS/broker/store/queue/rows", sum.store_messages),
        ("$SYS/broker/store/bytes", sum.store_bytes),
        ("$SYS/broker/store/batches", sum.store_commits),
        ("$SYS/broker/store/syncs", sum.store_syncs),
        ("$SYS/broker/store/messages/written", sum.store_messages_total),
        ("$SYS/broker/store/failures", sum.store_failures),
        ("$SYS/broker/store/sync/microseconds", sum.store_sync_micros),
        ("$SYS/broker/store/sync/microseconds/maximum", sum.store_sync_micros_maximum),
        ("$SYS/broker/store/waiting/bytes", sum.store_waiting_bytes),
        ("$SYS/broker/store/refused", sum.refused_storage),
        ("$SYS/broker/store/unreadable", sum.unreadable_rows),
    ]
}
