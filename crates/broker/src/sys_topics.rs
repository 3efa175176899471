//! The `$SYS` topics: what the broker tells about itself, retained and renewed.

use std::mem;

use colibri_codec::{Properties, QoS, TopicName};
use colibri_protocol::Publication;

use crate::message::Inbound;
use crate::metrics::Metrics;
use crate::shard::Shard;
use crate::shard::inbox::Operation;
use crate::shard::timers::Timer;
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
    /// What this shard has counted.
    pub(crate) fn measure(&self) -> Metrics {
        let queued = self.queued.own();
        Metrics {
            connections: self.connections.len() as u64,
            sessions: self.sessions.len() as u64,
            subscriptions: self.sessions.subscriptions() as u64,
            retained_messages: self.retained.len() as u64,
            retained_bytes: self.retained.bytes() as u64,
            queued_messages: queued.memory.messages as u64,
            queued_bytes: queued.memory.bytes as u64,
            spilled_messages: queued.store.messages as u64,
            spilled_bytes: queued.store.bytes as u64,
            ..self.metrics
        }
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
        let dropped = sum.dropped_slow + sum.dropped_queue_full + sum.dropped_too_large;
        self.publish_sys("$SYS/broker/version", &format!("colibri {}", env!("CARGO_PKG_VERSION")));
        self.publish_sys("$SYS/broker/uptime", &format!("{uptime} seconds"));
        for (topic, value) in [
            ("$SYS/broker/clients/connected", sum.connections),
            ("$SYS/broker/clients/total", sum.sessions),
            ("$SYS/broker/clients/disconnected", sum.sessions.saturating_sub(sum.connections)),
            ("$SYS/broker/connections/total", sum.connections_total),
            ("$SYS/broker/connections/violations", sum.violations),
            ("$SYS/broker/connections/accept-errors", sum.accept_errors),
            ("$SYS/broker/subscriptions/count", sum.subscriptions),
            ("$SYS/broker/retained messages/count", sum.retained_messages),
            ("$SYS/broker/retained messages/bytes", sum.retained_bytes),
            ("$SYS/broker/publish/messages/received", sum.publishes_received),
            ("$SYS/broker/publish/messages/sent", sum.publishes_sent),
            ("$SYS/broker/publish/messages/dropped", dropped),
            ("$SYS/broker/publish/messages/refused", sum.refused_queue_full + sum.refused_retained),
            ("$SYS/broker/publish/messages/expired", sum.dropped_expired),
            ("$SYS/broker/bytes/received", sum.bytes_received),
            ("$SYS/broker/bytes/sent", sum.bytes_sent),
        ] {
            self.publish_sys(topic, &value.to_string());
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
        let mut route = mem::take(&mut self.routing.foreign);
        self.publish(&mut Inbound::new(&publication, Subscriber::NOBODY), &mut route);
        self.routing.foreign = route;
    }
}
