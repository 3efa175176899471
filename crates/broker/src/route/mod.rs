//! From a topic to its receivers: local sessions, shared groups, other shards.

mod deliver;
mod expiring;
pub(crate) mod interest;
mod queueing;
mod recorded;
pub(crate) mod retained;
pub(crate) mod run;
mod shared;

use std::cell::OnceCell;
use std::mem;
use std::time::Duration;

use colibri_codec::{OwnedTopicName, QoS, ReasonCode, TopicName};
use colibri_protocol::Time;
use colibri_topics::{GroupId, Match};

use crate::message::Inbound;
use crate::shard::Shard;
use crate::shard::journal::{Place, Shared};
use crate::shard::parcel::Passage;
use crate::subscriber::{Options, Subscriber};
use crate::totals::Limit;
use deliver::{Shapes, Terms};
use run::Run;

/// What became of a published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is on its way to somebody.
    Routed,
    /// Nobody has subscribed to its topic.
    NoSubscriber,
    /// It was not taken over, for this reason.
    Refused(ReasonCode),
}

/// The receivers of a topic, remembered for as long as the tree does not change.
#[derive(Debug, Default)]
pub(crate) struct Route {
    topic: String,
    /// The topic for messages that are kept, once there is one.
    kept_topic: OnceCell<OwnedTopicName>,
    /// For whom it was made: No Local leaves the publisher out.
    publisher: Option<Subscriber>,
    generation: u64,
    targets: Vec<Target>,
    /// The Subscription Identifiers of all targets, one after the other.
    identifiers: Vec<u32>,
    groups: Vec<GroupId>,
    /// A bit per shard that has receivers.
    shards: u64,
}

/// One local receiver: a session, with what its matching subscriptions come to.
#[derive(Clone, Copy, Debug)]
struct Target {
    session: u32,
    qos: QoS,
    retain_as_published: bool,
    /// Its part of [`Route::identifiers`].
    identifiers: (u32, u32),
}

/// What routing works with, kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    /// For messages that do not come from a connection of this shard.
    pub(crate) foreign: Option<Box<Route>>,
    found: Vec<(u32, Options)>,
    shapes: Shapes,
    /// The messages of a run, while they are dealt with.
    pub(crate) run: Run,
    /// Whether some session's queue was full when last looked at.
    crowded: bool,
    /// Whether the message is the broker's own, so that nobody would learn of a refusal.
    pub(crate) own: bool,
    /// Whether the message comes from another shard, which has acknowledged it or is about to: no limit drops it
    /// any more.
    pub(crate) promised: bool,
    /// When all queues were last looked at.
    looked: Time,
}

/// How long a queue that has room again may count as full, for messages that it is not concerned by: they
/// cost a look at their own receivers' queues, which is less than one at all.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl Route {
    fn is_for(&self, topic: TopicName<'_>, publisher: Subscriber, generation: u64) -> bool {
        self.is_current(publisher, generation) && self.topic == topic.as_str()
    }

    /// Whether it is what a message of this client to its topic would lead to.
    pub(crate) fn is_current(&self, publisher: Subscriber, generation: u64) -> bool {
        self.generation == generation && self.publisher == Some(publisher)
    }

    /// The topic that it was made for last.
    pub(crate) const fn topic(&self) -> &str {
        self.topic.as_str()
    }

    /// The same for messages that are kept; `None` if it was made for none.
    fn kept_topic(&self) -> Option<&OwnedTopicName> {
        if self.kept_topic.get().is_none()
            && let Ok(topic) = TopicName::new(&self.topic)
        {
            self.kept_topic.get_or_init(|| topic.into());
        }
        self.kept_topic.get()
    }

    fn identifiers_of(&self, target: &Target) -> &[u32] {
        let (from, to) = target.identifiers;
        self.identifiers.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Whether a message to this route has something that may have to be stored: its local receivers.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = u32> {
        self.targets.iter().filter(|target| target.qos > QoS::AtMostOnce).map(|target| target.session)
    }

    /// The shared groups that get one copy each.
    pub(crate) fn groups(&self) -> &[GroupId] {
        &self.groups
    }

    /// A bit per other shard that has receivers.
    pub(crate) const fn shards(&self) -> u64 {
        self.shards
    }

    /// Whether there are sessions and groups. A receiver may be both: it gets each message in both roles
    /// before the next, and what it is sent in one is not there for the other.
    fn has_both(&self) -> bool {
        !self.groups.is_empty() && !self.targets.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.groups.is_empty() && self.shards == 0
    }
}

impl Shard {
    /// Takes a message of a client over and sends it to all receivers.
    // [v5 MQTT-4.5.0-1] [v3.1.1 MQTT-4.5.0-1]
    pub(crate) fn route(&mut self, inbound: &mut Inbound<'_>, route: &mut Route) -> Outcome {
        self.find_route(inbound.topic, inbound.publisher, route);
        if inbound.qos > QoS::AtMostOnce
            && let Some(limit) = self.must_refuse(route)
        {
            self.note_refused(limit);
            return Outcome::Refused(ReasonCode::QuotaExceeded);
        }
        if self.journal.is_on() && inbound.qos > QoS::AtMostOnce && !self.begin_record(inbound, route) {
            self.metrics.refused_storage += 1;
            return Outcome::Refused(ReasonCode::QuotaExceeded);
        }
        // [v5 MQTT-3.3.1-5] [v5 MQTT-3.3.1-8] [v3.1.1 MQTT-3.3.1-5] [v3.1.1 MQTT-3.3.1-12]
        if inbound.retain
            && let Err(reason) = self.store_retained(inbound)
        {
            self.metrics.refused_retained += 1;
            // Who publishes with QoS 0 is not told, and those who are there lose nothing.
            if inbound.qos > QoS::AtMostOnce {
                return Outcome::Refused(reason);
            }
        }
        if route.is_empty() {
            return Outcome::NoSubscriber;
        }
        self.send_to_targets(inbound, route);
        self.send_elsewhere(inbound, route);
        Outcome::Routed
    }

    /// Sends a message to what is not a session here: shared groups, other shards.
    fn send_elsewhere(&mut self, inbound: &mut Inbound<'_>, route: &Route) {
        for group in &route.groups {
            self.route_to_group(group, inbound);
        }
        self.send_to_shards(inbound, route);
    }

    /// Sends a message to the other shards that have subscribers of it.
    fn send_to_shards(&mut self, inbound: &mut Inbound<'_>, route: &Route) {
        if route.shards == 0 {
            return;
        }
        for shard in (0..self.links.count()).filter(|shard| route.shards >> shard & 1 != 0) {
            let retained = inbound.retained.map(|(_, number)| number);
            let joint = self.join_with(shard, inbound.qos);
            let promised = self.is_promised(inbound.qos);
            self.links.send_message(shard, inbound, Passage { retained, joint, promised }, None);
        }
    }

    /// Whether the publisher of the message that is being routed is told that it was taken over.
    pub(super) const fn is_promised(&self, qos: QoS) -> bool {
        !matches!(qos, QoS::AtMostOnce) && !self.routing.own
    }

    /// Publishes a message that comes from no connection: a will, or one of the broker's own.
    pub(crate) fn publish(&mut self, inbound: &mut Inbound<'_>, route: &mut Route) {
        let policy = mem::replace(&mut self.routing.crowded, false);
        self.routing.own = true;
        self.route(inbound, route);
        self.routing.own = false;
        self.journal.set_place(Place::Main);
        self.routing.crowded |= policy;
    }

    /// Sends a message of another shard to the receivers here. Its shared groups were dealt with there.
    pub(crate) fn route_here(&mut self, inbound: &mut Inbound<'_>, route: &mut Route) {
        self.find_route(inbound.topic, inbound.publisher, route);
        self.send_to_targets(inbound, route);
    }

    fn send_to_targets(&mut self, inbound: &mut Inbound<'_>, route: &Route) {
        if inbound.expires.is_some_and(|at| self.now >= at) {
            self.metrics.dropped_expired += route.targets.len() as u64;
            return;
        }
        self.send_to_each(route.targets.iter(), inbound, route);
    }

    /// Sends a message to some of the targets of a route.
    fn send_to_each<'t>(
        &mut self,
        targets: impl Iterator<Item = &'t Target>,
        inbound: &mut Inbound<'_>,
        route: &Route,
    ) {
        let mut shapes = mem::take(&mut self.routing.shapes);
        shapes.begin(inbound);
        self.journal.shared = if route.targets.len() > 1 { Shared::Wanted } else { Shared::Inline };
        for target in targets {
            // [v5 MQTT-3.8.4-8] [v3.1.1 MQTT-3.8.4-6]
            let qos = target.qos.min(inbound.qos);
            // [v5 MQTT-3.3.1-12] [v5 MQTT-3.3.1-13] [v3.1.1 MQTT-3.3.1-9]
            let retain = target.retain_as_published && inbound.retain;
            let identifiers = route.identifiers_of(target);
            let terms = Terms { qos, retain, identifiers, group: None, extra: &OnceCell::new() };
            self.send_to_session(target.session, terms, inbound, &mut shapes);
        }
        self.end_sharing();
        self.routing.shapes = shapes;
    }

    /// Brings a route up to date.
    // [v5 MQTT-3.3.2-3] [v5 MQTT-4.7.1-1] [v3.1.1 MQTT-3.3.2-3]
    pub(crate) fn find_route(&mut self, topic: TopicName<'_>, publisher: Subscriber, route: &mut Route) {
        let generation = self.tree.generation();
        if route.is_for(topic, publisher, generation) {
            return;
        }
        if route.topic != topic.as_str() {
            route.topic.clear();
            route.topic.push_str(topic.as_str());
            route.kept_topic.take();
        }
        route.publisher = Some(publisher);
        route.generation = generation;
        route.targets.clear();
        route.identifiers.clear();
        route.groups.clear();
        route.shards = 0;
        let own = self.number;
        let found = &mut self.routing.found;
        found.clear();
        self.tree.for_each_match(topic, |found_match| match found_match {
            Match::Group(group) => route.groups.push(group.id().clone()),
            Match::Subscriber(subscriber, options) => match subscriber.session_number() {
                // [v5 MQTT-3.8.3-3]
                Some(_) if options.no_local() && subscriber == publisher => {}
                Some(session) => found.push((session, *options)),
                None => {
                    debug_assert_ne!(subscriber.shard_number(), own);
                    route.shards |= 1 << subscriber.shard_number();
                }
            },
        });
        found.sort_unstable_by_key(|(session, _)| *session);
        merge(found, route);
    }

    /// The limit for which the message has to be refused, because a receiver has no room.
    fn must_refuse(&mut self, route: &Route) -> Option<Limit> {
        if !self.routing.crowded || !self.config.queue_full.may_refuse() {
            return None;
        }
        let full = self.full_for(route);
        let full = full.or_else(|| route.groups.iter().find_map(|group| self.full_for_group(group)));
        if full.is_none() {
            self.look_for_full_queues();
        }
        full
    }

    /// The limit that leaves no room for a message to some local receiver of a route.
    pub(crate) fn full_for(&mut self, route: &Route) -> Option<Limit> {
        route.sessions().find_map(|session| {
            let limit = self.full_after_expiry(session, true)?;
            (!self.ends_at(session, limit)).then_some(limit)
        })
    }

    /// Looks whether there is still a full queue, if it has not just been done.
    pub(crate) fn look_for_full_queues(&mut self) {
        if self.now.since(self.routing.looked) >= LOOK_INTERVAL {
            self.routing.looked = self.now;
            self.routing.crowded = self.any_queue_is_full();
            self.links.set_crowded(self.routing.crowded);
        }
    }
}

/// Makes one target of all matching subscriptions of a session: the highest QoS, and all identifiers.
// [v5 MQTT-3.3.4-2] [v5 MQTT-3.3.4-3] [v5 MQTT-3.3.4-4] [v3.1.1 MQTT-3.3.5-1]
fn merge(found: &[(u32, Options)], route: &mut Route) {
    for subscriptions in found.chunk_by(|one, other| one.0 == other.0) {
        let Some(&(session, _)) = subscriptions.first() else { continue };
        let from = route.identifiers.len();
        route.identifiers.extend(subscriptions.iter().filter_map(|(_, options)| options.identifier()));
        let range = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        route.targets.push(Target {
            session,
            qos: subscriptions.iter().map(|(_, options)| options.qos()).max().unwrap_or_default(),
            retain_as_published: subscriptions.iter().any(|(_, options)| options.retain_as_published()),
            identifiers: (range(from), range(route.identifiers.len())),
        });
    }
}
