//! Shared subscriptions (section 4.8.2): a message goes to one member of each group.
//!
//! Every shard knows all members of all groups. The shard that a message came to chooses the member, and
//! sends it there if the member is another shard's.

use std::cell::OnceCell;
use std::iter;
use std::mem;
use std::sync::Arc;

use colibri_codec::QoS;
use colibri_topics::{GroupId, SharedGroup};

use super::deliver::Terms;
use crate::message::{Extra, Inbound};
use crate::shard::Shard;
use crate::shard::parcel::Passage;
use crate::subscriber::{Options, Subscriber};
use crate::totals::Limit;

/// A member of a group that a message is for, with its options.
pub(crate) type Chosen = (Subscriber, Options);

/// A member that was chosen ahead of its time, and whose turn it was before that.
pub(crate) type Ahead = (Chosen, usize);

impl Shard {
    /// The member whose turn it is; those that are connected and have room come first.
    fn choose_member(&self, group: &SharedGroup<Subscriber, Options>) -> Option<Chosen> {
        let has_room = |member: &Subscriber| !self.routing.crowded || self.has_room(*member);
        let chosen = group
            .next_where(|member, options| !options.is_away() && has_room(member))
            .or_else(|| group.next(has_room))
            .or_else(|| group.next(|_| true));
        chosen.map(|(member, options)| (member, *options))
    }

    /// Chooses so many members of a group, for as many messages.
    pub(super) fn choose_members(&self, id: &GroupId, count: usize, chosen: &mut Vec<Ahead>) {
        let group = self.tree.group_by_id(id);
        let nobody = (Subscriber::NOBODY, Options::of_shard());
        let next = || {
            let turn = group.map_or(0, SharedGroup::turn);
            (group.and_then(|group| self.choose_member(group)).unwrap_or(nobody), turn)
        };
        chosen.extend(iter::repeat_with(next).take(count));
    }

    /// Chooses a member in the place of one that was chosen ahead.
    pub(super) fn choose_again(&self, id: &GroupId, (chosen, turn): Ahead) -> Chosen {
        let Some(group) = self.tree.group_by_id(id) else { return chosen };
        group.return_to(turn);
        self.choose_member(group).unwrap_or(chosen)
    }

    /// Forgets that a member was chosen, and all those behind it.
    pub(super) fn choose_no_more(&self, id: &GroupId, (_, turn): Ahead) {
        if let Some(group) = self.tree.group_by_id(id) {
            group.return_to(turn);
        }
    }

    /// Sends a message to a member of a group.
    pub(crate) fn route_to_group(&mut self, id: &GroupId, inbound: &mut Inbound<'_>) {
        let Some(group) = self.tree.group_by_id(id) else { return };
        if let Some(chosen) = self.choose_member(group) {
            self.send_to_chosen(chosen, id, inbound, &OnceCell::new());
        }
    }

    /// Sends a message to the member that was chosen, here or at another shard.
    pub(super) fn send_to_chosen(
        &mut self,
        (member, options): Chosen,
        id: &GroupId,
        inbound: &mut Inbound<'_>,
        extra: &OnceCell<Option<Arc<Extra>>>,
    ) {
        let Some(session) = member.session_number() else { return };
        if member.shard_number() == self.number {
            return self.send_to_member(session, options, id, inbound, extra);
        }
        let shard = member.shard_number();
        let joint = self.join_with(shard, inbound.qos);
        let passage = Passage { retained: None, joint, promised: self.is_promised(inbound.qos) };
        self.links.send_message(shard, inbound, passage, Some((session, id)));
    }

    /// The limit that leaves no room for a message to any member of a group, as far as is known here.
    pub(crate) fn full_for_group(&self, id: &GroupId) -> Option<Limit> {
        let group = self.tree.group_by_id(id)?;
        let mut full = None;
        for (member, options) in group.members() {
            if options.qos() == QoS::AtMostOnce {
                return None;
            }
            let limit = self.full_for_member(member)?;
            if member.session_number().is_some_and(|session| self.ends_at(session, limit)) {
                return None;
            }
            full = Some(limit);
        }
        full
    }

    /// Whether a member's queue has room, as far as is known here.
    fn has_room(&self, member: Subscriber) -> bool {
        self.full_for_member(member).is_none()
    }

    fn full_for_member(&self, member: Subscriber) -> Option<Limit> {
        let own = member.session_number().filter(|_| member.shard_number() == self.number);
        own.and_then(|session| self.full(session, false))
    }

    /// Takes a message in for a session here that was chosen among the members of a group.
    pub(crate) fn deliver_to_member(&mut self, session: u32, id: &GroupId, inbound: &mut Inbound<'_>) {
        let subscriber = Subscriber::session(self.number, session);
        let options = self.tree.group_by_id(id).and_then(|group| group.value_of(subscriber)).copied();
        match options {
            Some(options) => self.send_to_member(session, options, id, inbound, &OnceCell::new()),
            // The member has left since it was chosen: another one gets the message.
            None => self.route_to_group(id, inbound),
        }
    }

    /// Sends a message to a member of a group that is a session here.
    // [v5 MQTT-4.8.2-3]
    fn send_to_member(
        &mut self,
        session: u32,
        options: Options,
        id: &GroupId,
        inbound: &mut Inbound<'_>,
        extra: &OnceCell<Option<Arc<Extra>>>,
    ) {
        // It may have waited with another member, whose session has ended. [v5 MQTT-3.3.2-5]
        if inbound.expires.is_some_and(|at| self.now >= at) {
            self.metrics.dropped_expired += 1;
            return;
        }
        let qos = options.qos().min(inbound.qos);
        let retain = options.retain_as_published() && inbound.retain;
        let identifier = options.identifier();
        let mut shapes = mem::take(&mut self.routing.shapes);
        shapes.begin(inbound);
        let terms = Terms { qos, retain, identifiers: identifier.as_slice(), group: Some(id), extra };
        self.send_to_session(session, terms, inbound, &mut shapes);
        self.end_sharing();
        self.routing.shapes = shapes;
    }

    /// A session of another shard has become a member of a group, changed its options, or left.
    pub(crate) fn on_member(&mut self, group: &GroupId, member: Subscriber, options: Option<Options>) {
        let Ok(share) = colibri_codec::ShareName::new(group.share()) else { return };
        match options {
            Some(options) => self.tree.subscribe_shared(share, group.filter(), member, options),
            None => self.tree.unsubscribe_shared(share, group.filter(), member),
        };
    }
}
