//! A client subscribes and unsubscribes (sections 3.8.4 and 3.10.4).

use colibri_codec::{
    OwnedTopicFilter, PacketId, Properties, Property, ReasonCode, RetainHandling, Sequence, Suback,
    Subscribe, Subscription, Unsuback, UnsubackReason, Unsubscribe, Utf8String, Version,
};
use colibri_topics::GroupId;

use super::Shard;
use super::asking::{HeldSuback, Pending};
use super::inbox::Operation;
use super::socket::Sockets;
use crate::subscriber::{Options, Subscriber};

impl Shard {
    // [v5 MQTT-3.8.4-5] [v5 MQTT-3.8.4-6] [v5 MQTT-3.8.4-7] [v5 MQTT-3.9.3-1] [v3.1.1 MQTT-3.8.4-4]
    // [v3.1.1 MQTT-3.8.4-5] [v3.1.1 MQTT-3.9.3-1]
    pub(crate) fn on_subscribe(&mut self, number: u32, subscribe: &Subscribe<'_>) {
        let Some(client) = self.connections.get(number) else { return };
        let Some(session) = client.session else { return };
        let version = client.protocol.version();
        let identifier = subscribe.properties.subscription_identifier();
        let mut reasons = Vec::new();
        let mut replays = Vec::new();
        for subscription in subscribe.subscriptions.iter() {
            let options = Options::new(subscription.options, identifier);
            match self.add_subscription(session, &subscription, options) {
                Ok(is_new) => {
                    reasons.push(granted(&subscription));
                    if wants_retained(&subscription, is_new, version) {
                        replays.push((OwnedTopicFilter::from(subscription.filter), options));
                    }
                }
                Err(reason) => reasons.push(reason),
            }
        }
        for (filter, options) in replays {
            self.request_replay(session, filter, options);
        }
        // At once, so that they come before what the client's next packets bring about.
        self.advance_replays(number);
        let packet_id = subscribe.packet_id;
        if !self.awaits_retained(session) {
            return self.send_suback(number, packet_id, &reasons);
        }
        // Whoever learns of the SUBACK is to find later messages behind what was retained before.
        let Some(client) = self.connections.get_mut(number) else { return };
        client.pending = Some(Box::new(Pending::Subscribe(HeldSuback { packet_id, reasons })));
    }

    /// Answers a SUBSCRIBE that waited for other shards, if all that can be awaited now has come.
    pub(crate) fn answer_held_subscribe(&mut self, number: u32, sockets: &mut dyn Sockets) {
        self.advance_replays(number);
        let Some(client) = self.connections.get_mut(number) else { return };
        let Some(Pending::Subscribe(_)) = client.pending.as_deref() else { return };
        let session = client.session;
        if session.is_some_and(|session| self.awaits_retained(session)) {
            return;
        }
        let Some(client) = self.connections.get_mut(number) else { return };
        let Some(Pending::Subscribe(held)) = client.pending.take().map(|pending| *pending) else { return };
        self.send_suback(number, held.packet_id, &held.reasons);
        self.go_on(number, sockets);
    }

    fn send_suback(&mut self, number: u32, packet_id: PacketId, reasons: &[ReasonCode]) {
        let words = why(reasons).and_then(|words| Utf8String::new(words).ok()).map(Property::ReasonString);
        let properties = Properties::new(words.as_slice());
        let suback = Suback { packet_id, properties, reasons: Sequence::new(reasons) };
        let (after, now) = (self.pending_for(number), self.now);
        self.write_after(number, after, |protocol, out| protocol.suback(&suback, now, out));
        self.close_if_ended(number);
    }

    // [v5 MQTT-3.10.4-1] [v5 MQTT-3.10.4-2] [v5 MQTT-3.10.4-6] [v5 MQTT-3.11.3-1] [v5 MQTT-3.11.3-2]
    // [v3.1.1 MQTT-3.10.4-1] [v3.1.1 MQTT-3.10.4-2] [v3.1.1 MQTT-3.10.4-6]
    pub(crate) fn on_unsubscribe(&mut self, number: u32, unsubscribe: &Unsubscribe<'_>) {
        let Some(session) = self.connections.get(number).and_then(|client| client.session) else { return };
        let mut reasons = Vec::new();
        for filter in unsubscribe.filters.iter() {
            let Some(entry) = self.sessions.get_mut(session) else { return };
            let filter = OwnedTopicFilter::from(filter);
            let reason = if entry.subscriptions.remove(&filter) {
                self.remove_subscription(session, &filter);
                self.forget_subscription(session, &filter);
                ReasonCode::Success
            } else {
                ReasonCode::NoSubscriptionExisted
            };
            reasons.extend(UnsubackReason::new(reason).ok());
        }
        let unsuback = Unsuback {
            packet_id: unsubscribe.packet_id,
            properties: Properties::EMPTY,
            reasons: Sequence::new(&reasons),
        };
        let (after, now) = (self.pending_for(number), self.now);
        self.write_after(number, after, |protocol, out| protocol.unsuback(&unsuback, now, out));
        self.close_if_ended(number);
    }

    /// Adds or replaces a subscription; says whether it is new.
    // [v5 MQTT-3.8.4-3] [v5 MQTT-3.8.4-4] [v3.1.1 MQTT-3.8.4-3]
    fn add_subscription(
        &mut self,
        session: u32,
        subscription: &Subscription<'_>,
        options: Options,
    ) -> Result<bool, ReasonCode> {
        let filter = subscription.filter;
        if !self.levels_are_few(filter.as_str()) {
            return Err(ReasonCode::TopicFilterInvalid);
        }
        let subscriber = Subscriber::session(self.number, session);
        let is_new = self.tree.get(filter, subscriber).is_none();
        let entry = self.sessions.get_mut(session).ok_or(ReasonCode::UnspecifiedError)?;
        if is_new && entry.subscriptions.len() >= self.config.subscriptions_maximum {
            return Err(ReasonCode::QuotaExceeded);
        }
        let is_stored = entry.storage != 0;
        if is_stored && !self.journal.is_healthy() {
            return Err(ReasonCode::QuotaExceeded);
        }
        entry.subscriptions.insert(filter.into(), options);
        if is_stored {
            self.record_subscription(session, filter, subscription.options, options.identifier());
        }
        self.tree.subscribe(filter, subscriber, options);
        match filter.share() {
            Some((share, filter)) => {
                self.announce_member(&GroupId::new(share, filter), subscriber, Some(options))
            }
            None if is_new => self.gain_interest(filter),
            None => {}
        }
        Ok(is_new)
    }

    /// Takes a subscription out of the tree; the session's list is the caller's. What is under way because
    /// of it stays under way. [v5 MQTT-3.10.4-3] [v3.1.1 MQTT-3.10.4-3]
    pub(crate) fn remove_subscription(&mut self, session: u32, filter: &OwnedTopicFilter) {
        let filter = filter.filter();
        let subscriber = Subscriber::session(self.number, session);
        if self.tree.unsubscribe(filter, subscriber).is_none() {
            return;
        }
        match filter.share() {
            Some((share, filter)) => self.announce_member(&GroupId::new(share, filter), subscriber, None),
            None => self.lose_interest(filter),
        }
    }

    /// Notes at all members of shared groups that a session is, whether its client is away, so that
    /// connected members come first.
    pub(crate) fn set_away(&mut self, session: u32, away: bool) {
        let subscriber = Subscriber::session(self.number, session);
        let Some(entry) = self.sessions.get_mut(session) else { return };
        let mut groups = Vec::new();
        for (filter, options) in entry.subscriptions.iter_mut() {
            if let Some((share, behind)) = filter.filter().share()
                && options.is_away() != away
            {
                *options = options.with_away(away);
                groups.push((GroupId::new(share, behind), filter.clone(), *options));
            }
        }
        for (group, filter, options) in groups {
            self.tree.subscribe(filter.filter(), subscriber, options);
            self.announce_member(&group, subscriber, Some(options));
        }
    }

    pub(super) fn announce_member(&mut self, group: &GroupId, member: Subscriber, options: Option<Options>) {
        self.links.send_all(|| Operation::Member { group: group.clone(), member, options });
    }
}

/// Why subscriptions were refused, in the words of the first.
fn why(reasons: &[ReasonCode]) -> Option<&'static str> {
    match reasons.iter().find(|reason| reason.is_failure())? {
        ReasonCode::TopicFilterInvalid => Some("a topic filter has more levels than this server allows"),
        ReasonCode::QuotaExceeded => Some("the session has as many subscriptions as this server allows"),
        other => Some(other.name()),
    }
}

const fn granted(subscription: &Subscription<'_>) -> ReasonCode {
    match subscription.options.qos {
        colibri_codec::QoS::AtMostOnce => ReasonCode::Success,
        colibri_codec::QoS::AtLeastOnce => ReasonCode::GrantedQos1,
        colibri_codec::QoS::ExactlyOnce => ReasonCode::GrantedQos2,
    }
}

/// Whether a subscription brings the retained messages. Shared ones never do (section 4.8.2).
// [v5 MQTT-3.3.1-9] [v5 MQTT-3.3.1-10] [v5 MQTT-3.3.1-11] [v3.1.1 MQTT-3.3.1-6]
fn wants_retained(subscription: &Subscription<'_>, is_new: bool, version: Version) -> bool {
    if subscription.filter.share().is_some() {
        return false;
    }
    match subscription.options.retain_handling {
        RetainHandling::Send => true,
        RetainHandling::SendIfNew => is_new || !version.has_properties(),
        RetainHandling::DoNotSend => false,
    }
}
