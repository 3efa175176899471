//! A client subscribes and unsubscribes (sections 3.8.4 and 3.10.4).

use colibri_codec::{
    OwnedTopicFilter, ReasonCode, RetainHandling, Subscribe, Subscription, UnsubackReason, Unsubscribe,
    Version,
};
use colibri_topics::GroupId;

use super::Shard;
use super::inbox::Operation;
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
        let Some(client) = self.connections.get_mut(number) else { return };
        client.protocol.suback(subscribe.packet_id, &reasons, self.now, &mut client.output);
        for (filter, options) in replays {
            self.request_replay(session, filter, options);
        }
        // At once, so that they come before what the client's next packets bring about.
        self.advance_replays(number);
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
                ReasonCode::Success
            } else {
                ReasonCode::NoSubscriptionExisted
            };
            reasons.extend(UnsubackReason::new(reason).ok());
        }
        let Some(client) = self.connections.get_mut(number) else { return };
        client.protocol.unsuback(unsubscribe.packet_id, &reasons, self.now, &mut client.output);
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
        entry.subscriptions.insert(filter.into(), options);
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

    /// Takes a subscription out of the tree; the session's list is the caller's.
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

    fn announce_member(&mut self, group: &GroupId, member: Subscriber, options: Option<Options>) {
        self.links.send_all(|| Operation::Member { group: group.clone(), member, options });
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
