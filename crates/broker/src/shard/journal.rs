//! What a shard makes durable: the changes of a turn, which go to the store together, and the tickets that
//! say when they are there.
//!
//! Each turn that has something to store has a *ticket*. An acknowledgement that depends on it waits in
//! the gate of its connection (`gate.rs`) until the ticket is complete.
//!
//! A message that other shards store too makes a *joint*, which is committed when the parts of all these
//! shards have come, and the ticket waits for it. What a QoS 2 message changes is in the parts, so that it
//! is either known under its Packet Identifier and in all queues, or nowhere; and what a will changes, so
//! that it is either in the record of its session or in all queues and retained. All else is in the main
//! batches, which are handed in before the parts. What a shard hands in is committed in this order, so all
//! that comes behind a part waits with it: it may change rows of the part again, as when a message that had
//! to wait is sent.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use colibri_storage::{Batch, Table};

use crate::scribe::{Request, Requests};
use crate::store_gauge::StoreGauge;

/// The number of a turn that has something to store; counts up in each shard.
pub(crate) type Ticket = u64;

/// How many tickets may be open before a shard reads nothing more from its clients. Each holds what one
/// turn had to store, so this bounds how long what comes last waits for a slow disk.
const OPEN_MAX: usize = 512;
/// The same while the store takes nothing, as when the disk is full. Then there is nothing to be in time for:
/// what needs the store is refused, and clients that need it no more than to be forgotten are still served.
/// Some tens of bytes each.
const OPEN_MAX_UNHEALTHY: usize = 1 << 16;
/// How many bytes of changes may wait for the store before a shard reads nothing more. Chosen as some
/// tenths of a second of a fast disk.
const OPEN_BYTES_MAX: usize = 64 << 20;

/// Which rows a shard wants to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchRequest {
    /// The session in its shard.
    pub(crate) session: u32,
    /// Its number in the store.
    pub(crate) number: u64,
    /// The rows, in order.
    pub(crate) rows: Vec<u64>,
}

/// Rows of a session's queue, as far as they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The session in its shard.
    pub(crate) session: u32,
    /// Its number in the store.
    pub(crate) number: u64,
    /// The rows that were asked for: the value of each, and that of its body if it has one of its own;
    /// `None` for one that is not there or cannot be read.
    pub(crate) rows: Vec<(u64, Option<FetchedRow>)>,
}

/// A row of a queue, and the body it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchedRow {
    /// The value of the row.
    pub(crate) row: Vec<u8>,
    /// The value of its body, if that is not in the row.
    pub(crate) body: Option<Vec<u8>>,
}

/// The store as one shard sees it.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    requests: Option<Arc<Requests>>,
    shard: u8,
    /// What this turn changes.
    main: Batch,
    /// What this turn changes for messages that other shards store too.
    joint: Batch,
    /// The shards that have a part in it, a bit each.
    partners: u64,
    /// What messages of other shards change here, by shard, until all of the turn there has come.
    parts: BTreeMap<u8, Batch>,
    /// What is deleted that may be put in a joint or a part of this turn, and so comes behind these.
    late: Batch,
    /// Where changes go at the moment.
    place: Place,
    /// Rows with names that are in the joint or in parts, and where they were changed last.
    named: HashMap<(Table, Box<[u8]>), Place>,
    /// The ticket of this turn.
    ticket: Ticket,
    /// How many things were handed in under it already and are not committed, and whether there were any.
    waiting: u32,
    used: bool,
    /// Whether something waits for it in a gate, although nothing may come to be stored under it.
    awaited: bool,
    /// The bytes of these.
    bytes: usize,
    /// How many changes were made, ever.
    changes: u64,
    open: VecDeque<Open>,
    open_bytes: usize,
    /// All tickets up to this one are complete.
    complete: Ticket,
    fetches: Vec<FetchRequest>,
    /// Connections with something in their gates, and their births.
    pub(crate) gated: Vec<(u32, u32)>,
    /// Clients whose stored sessions have ended, and the tickets under which that is stored.
    ended: HashMap<Arc<str>, Ticket>,
    /// The next number for a session or a body. In each shard they differ, and they outlive a restart.
    next_number: u64,
    step: u64,
    /// The next row of any queue.
    next_row: u64,
    /// How many rows each shared body has.
    bodies: HashMap<u64, u32, foldhash::fast::FixedState>,
    /// The body of the message that is being routed, if several queues share it.
    pub(crate) shared: Shared,
}

/// Where the body of the message that is being routed is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shared {
    /// In the row of its one receiver.
    #[default]
    Inline,
    /// On its own, once the first receiver needs it.
    Wanted,
    /// On its own, under this number.
    Stored(u64),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    #[default]
    Main,
    Joint,
    Part(u8),
}

#[derive(Debug)]
struct Open {
    ticket: Ticket,
    waiting: u32,
    bytes: usize,
}

impl Journal {
    /// The journal of a shard; numbers begin at `first` and are never those of another of the `shards`. Rows
    /// begin at `first_row`.
    pub(crate) fn new(
        requests: Arc<Requests>,
        shard: u8,
        shards: u8,
        (first, first_row): (u64, u64),
    ) -> Self {
        let step = u64::from(shards);
        Self {
            requests: Some(requests),
            shard,
            ticket: 1,
            next_number: first + u64::from(shard),
            next_row: first_row,
            step,
            ..Self::default()
        }
    }

    /// Whether there is a store.
    #[inline]
    pub(crate) const fn is_on(&self) -> bool {
        self.requests.is_some()
    }

    /// Whether the store takes changes.
    pub(crate) fn is_healthy(&self) -> bool {
        self.requests.as_ref().is_none_or(|requests| requests.is_healthy())
    }

    /// The figures of the store, if there is one.
    pub(crate) fn gauge(&self) -> Option<&StoreGauge> {
        self.requests.as_ref().map(|requests| requests.gauge())
    }

    /// What was handed in and is not there yet, in bytes.
    pub(crate) const fn waiting_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Whether so much waits for the store that nothing more should be read from clients; what this turn has
    /// changed so far counts too.
    pub(crate) fn is_behind(&self) -> bool {
        let many =
            self.open.len() >= OPEN_MAX && (self.is_healthy() || self.open.len() >= OPEN_MAX_UNHEALTHY);
        let parts: usize = self.parts.values().map(Batch::size).sum();
        let bytes = self.open_bytes + self.main.size() + self.joint.size() + parts + self.late.size();
        many || bytes >= OPEN_BYTES_MAX
    }

    /// How many tickets are open, and how many bytes of changes.
    pub(crate) fn open(&self) -> (usize, usize) {
        (self.open.len(), self.open_bytes)
    }

    /// A number that no session and no body has or had.
    pub(crate) const fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += self.step;
        number
    }

    /// A row for a message, above all rows before.
    pub(crate) const fn row(&mut self) -> u64 {
        let row = self.next_row;
        self.next_row += 1;
        row
    }

    /// The changes that belong to what is being dealt with.
    pub(crate) fn batch(&mut self) -> &mut Batch {
        self.batch_in(self.place)
    }

    fn batch_in(&mut self, place: Place) -> &mut Batch {
        self.changes += 1;
        match place {
            Place::Main => &mut self.main,
            Place::Joint => &mut self.joint,
            Place::Part(from) => self.parts.entry(from).or_default(),
        }
    }

    /// Where rows are deleted that are no longer wanted. They may be as new as a part that has not been handed
    /// in, and are to be gone in the end.
    pub(crate) fn deletions(&mut self) -> &mut Batch {
        if self.joint.is_empty() && self.parts.is_empty() {
            return self.batch();
        }
        self.changes += 1;
        &mut self.late
    }

    /// How many changes were made, to see whether something made one.
    #[inline]
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// The same for a row that has a name and is changed again and again, in any order.
    ///
    /// What is in the main batch is committed before what is in a part, and that before the joint. So once
    /// such a row is in one of the later ones, what changes it next goes there too, or behind.
    pub(crate) fn batch_for(&mut self, table: Table, key: &[u8]) -> &mut Batch {
        let place = self.place_of(table, key);
        if place != Place::Main {
            self.named.insert((table, key.into()), place);
        }
        self.batch_in(place)
    }

    /// Where changes of such a row go.
    pub(crate) fn place_of(&self, table: Table, key: &[u8]) -> Place {
        if self.named.is_empty() {
            return self.place;
        }
        match (self.named.get(&(table, key.into())), self.place) {
            (Some(Place::Joint), _) => Place::Joint,
            (Some(Place::Part(from)), Place::Main) => Place::Part(*from),
            (Some(Place::Part(_) | Place::Main) | None, place) => place,
        }
    }

    /// What went to a place is handed in.
    fn forget_named(&mut self, handed_in: Place) {
        self.named.retain(|_, place| *place != handed_in);
        if self.named.is_empty() {
            // Looking through a large one that is empty costs as much as if it were full.
            self.named = HashMap::new();
        }
    }

    /// Whether rows with names are in the joint of this turn, so that it is to be handed in before parts
    /// come that may have them too.
    pub(crate) fn has_named(&self) -> bool {
        self.named.values().any(|place| *place == Place::Joint)
    }

    /// From here on changes go to another place.
    pub(crate) const fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// The same; gives the place before.
    pub(crate) const fn replace_place(&mut self, place: Place) -> Place {
        mem::replace(&mut self.place, place)
    }

    /// Where changes go.
    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// Whether changes go to a joint, so that nothing may come of them before the ticket is complete.
    pub(crate) fn is_joint(&self) -> bool {
        self.place != Place::Main
    }

    /// Notes that another shard has a part in the joint of this turn.
    pub(crate) const fn join(&mut self, shard: u8) {
        self.partners |= 1 << shard;
        // What depends on the other shard's part depends on the ticket.
        self.changes += 1;
    }

    /// The ticket of this turn.
    pub(crate) const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// The ticket to wait for so that all that was changed until now is there; `None` if it is.
    pub(crate) fn pending(&self) -> Option<Ticket> {
        let joint = self.partners != 0 || !self.joint.is_empty() || !self.parts.is_empty();
        if !self.main.is_empty() || self.used || joint || !self.late.is_empty() {
            return Some(self.ticket);
        }
        self.open.back().map(|open| open.ticket)
    }

    /// Notes that something waits in a gate for this ticket: if nothing is stored under it, it is complete with
    /// those before it.
    pub(crate) fn note_awaited(&mut self, ticket: Ticket) {
        self.awaited |= ticket == self.ticket;
    }

    /// Whether part of another shard's turn has come and not the rest of it. Until then the ticket must
    /// stay the same, as the part is handed in under it.
    pub(crate) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    pub(crate) const fn is_complete(&self, ticket: Ticket) -> bool {
        ticket <= self.complete
    }

    /// Hands in the part that another shard's turn has here.
    pub(crate) fn finish_part(&mut self, from: u8, ticket: Ticket) {
        let part = self.parts.remove(&from).unwrap_or_default();
        self.forget_named(Place::Part(from));
        let Some(requests) = self.requests.clone() else { return };
        // Whatever else the turn there has changed here comes before the part, and so is there with it.
        self.hand_in_main(&requests);
        self.hand_in(&part);
        let (shard, origin) = (self.shard, (from, ticket));
        requests.push(Request::Part { shard, ticket: self.ticket, origin, parts: None, batch: part });
    }

    /// Hands in what was changed since the last time, and begins the next ticket; gives the ticket, and the
    /// shards that have a part in it, a bit each.
    pub(crate) fn submit(&mut self) -> (Ticket, u64) {
        let ticket = self.ticket;
        let partners = mem::take(&mut self.partners);
        self.forget_named(Place::Joint);
        let Some(requests) = self.requests.clone() else { return (ticket, 0) };
        if partners == 0 && !self.joint.is_empty() {
            // It turned out that no other shard has a part.
            self.main.merge(&self.joint);
            self.joint.clear();
        }
        self.hand_in_main(&requests);
        if partners != 0 {
            let batch = mem::take(&mut self.joint);
            self.hand_in(&batch);
            let parts = partners.count_ones() as usize + 1;
            let (shard, origin) = (self.shard, (self.shard, ticket));
            requests.push(Request::Part { shard, ticket, origin, parts: Some(parts), batch });
        }
        if !self.late.is_empty() && self.parts.is_empty() {
            let batch = mem::take(&mut self.late);
            self.hand_in(&batch);
            requests.push(Request::Commit { shard: self.shard, ticket, batch });
        }
        for request in self.fetches.drain(..) {
            requests.push(Request::Fetch { shard: self.shard, request });
        }
        let awaited = self.parts.is_empty() && mem::take(&mut self.awaited);
        if mem::take(&mut self.used) || awaited {
            let (waiting, bytes) = (mem::take(&mut self.waiting), mem::take(&mut self.bytes));
            self.open.push_back(Open { ticket, waiting, bytes });
            self.ticket += 1;
        }
        (ticket, partners)
    }

    fn hand_in_main(&mut self, requests: &Requests) {
        if !self.main.is_empty() {
            let batch = mem::take(&mut self.main);
            self.hand_in(&batch);
            requests.push(Request::Commit { shard: self.shard, ticket: self.ticket, batch });
        }
    }

    fn hand_in(&mut self, batch: &Batch) {
        self.used = true;
        self.waiting += 1;
        self.bytes += batch.size();
        self.open_bytes += batch.size();
    }

    /// Whether there is something to hand in.
    pub(crate) fn has_changes(&self) -> bool {
        let late = !self.late.is_empty() && self.parts.is_empty();
        let joint = self.partners != 0 || !self.joint.is_empty() || late;
        !self.main.is_empty() || joint || self.used || self.awaited || !self.fetches.is_empty()
    }

    /// The store has committed one thing of a ticket.
    pub(crate) fn on_committed(&mut self, ticket: Ticket) {
        if let Ok(place) = self.open.binary_search_by_key(&ticket, |open| open.ticket) {
            if let Some(open) = self.open.get_mut(place) {
                open.waiting = open.waiting.saturating_sub(1);
            }
        } else if ticket == self.ticket {
            // A part of this turn was faster than the turn.
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// The stored session of a client ends in this turn.
    pub(crate) fn end_session_of(&mut self, client_id: &Arc<str>) {
        self.ended.insert(Arc::clone(client_id), self.ticket);
    }

    /// The ticket to wait for so that a client's older session will not be there again after a crash.
    pub(crate) fn session_of_ended(&self, client_id: &str) -> Option<Ticket> {
        self.ended.get(client_id).copied().filter(|ticket| !self.is_complete(*ticket))
    }

    /// Says whether further tickets are complete.
    pub(crate) fn advance(&mut self) -> bool {
        let before = self.complete;
        while let Some(open) = self.open.front()
            && open.waiting == 0
        {
            self.complete = open.ticket;
            self.open_bytes = self.open_bytes.saturating_sub(open.bytes);
            self.open.pop_front();
        }
        let complete = self.complete;
        self.ended.retain(|_, ticket| *ticket > complete);
        complete > before
    }

    /// Asks for rows behind what this turn hands in.
    pub(crate) fn fetch(&mut self, request: FetchRequest) {
        self.fetches.push(request);
    }

    /// Notes that one more row has a body.
    pub(crate) fn hold_body(&mut self, body: u64) {
        *self.bodies.entry(body).or_insert(0) += 1;
    }

    /// Whether some row needs a body.
    pub(crate) fn has_body(&self, body: u64) -> bool {
        self.bodies.contains_key(&body)
    }

    /// Notes that a row of a body is gone; says whether it was the last.
    pub(crate) fn let_go_of_body(&mut self, body: u64) -> bool {
        let Some(rows) = self.bodies.get_mut(&body) else { return false };
        *rows = rows.saturating_sub(1);
        let last = *rows == 0;
        if last {
            self.bodies.remove(&body);
        }
        last
    }
}
