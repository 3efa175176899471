//! The order in which Packet Identifiers are handed out (section 2.2.1).

use colibri_codec::PacketId;

/// How many identifiers there are.
pub(crate) const COUNT: u16 = u16::MAX;

/// Counts through all identifiers, over and over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    next: PacketId,
}

impl Default for Counter {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

const FIRST: PacketId = match PacketId::new(1) {
    Some(first) => first,
    None => unreachable!(),
};

impl Counter {
    /// One that goes on behind this identifier.
    pub(crate) const fn after(id: PacketId) -> Self {
        Self { next: id.next() }
    }

    pub(crate) const fn take(&mut self) -> PacketId {
        let id = self.next;
        self.next = id.next();
        id
    }
}

/// How many steps of the counter lead from `from` to `to`, 0 to 65,534.
pub(crate) const fn distance(from: PacketId, to: PacketId) -> u16 {
    let (from, to) = (from.get(), to.get());
    if to >= from { to - from } else { COUNT - (from - to) }
}
