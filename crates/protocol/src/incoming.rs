//! What this end has received and not finished: QoS 2 identifiers, and acknowledgements held back.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use colibri_codec::{PacketId, QoS, ReasonCode};

/// A set of Packet Identifiers. Those in use are near each other, so words of 64 are kept in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PacketIdSet {
    /// Word number and the bits in it, ascending, none of them 0. At most 1,024.
    words: Vec<(u16, u64)>,
    length: u16,
}

impl PacketIdSet {
    /// Adds an identifier; `false` if it was there.
    pub(crate) fn insert(&mut self, id: PacketId) -> bool {
        let (word, bit) = split(id);
        match self.words.binary_search_by_key(&word, |entry| entry.0) {
            Ok(index) => {
                let Some((_, bits)) = self.words.get_mut(index) else { return false };
                if *bits & bit != 0 {
                    return false;
                }
                *bits |= bit;
            }
            Err(index) => self.words.insert(index, (word, bit)),
        }
        self.length += 1;
        true
    }

    /// Takes an identifier out; `false` if it was not there.
    pub(crate) fn remove(&mut self, id: PacketId) -> bool {
        let (word, bit) = split(id);
        let Ok(index) = self.words.binary_search_by_key(&word, |entry| entry.0) else { return false };
        let Some((_, bits)) = self.words.get_mut(index) else { return false };
        if *bits & bit == 0 {
            return false;
        }
        *bits &= !bit;
        if *bits == 0 {
            self.words.remove(index);
        }
        self.length -= 1;
        true
    }

    pub(crate) fn contains(&self, id: PacketId) -> bool {
        let (word, bit) = split(id);
        let index = self.words.binary_search_by_key(&word, |entry| entry.0);
        index.is_ok_and(|index| self.words.get(index).is_some_and(|(_, bits)| bits & bit != 0))
    }

    pub(crate) const fn len(&self) -> usize {
        self.length as usize
    }

    /// Gives memory back that is empty.
    pub(crate) fn give_back(&mut self) {
        self.words.shrink_to_fit();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = PacketId> {
        self.words.iter().flat_map(|&(word, bits)| {
            (0..64u16)
                .filter(move |shift| bits >> shift & 1 != 0)
                .filter_map(move |shift| PacketId::new(word * 64 + shift))
        })
    }
}

const fn split(id: PacketId) -> (u16, u64) {
    (id.get() / 64, 1 << (id.get() % 64))
}

/// The acknowledgements of PUBLISH packets that are held back, in the order of those packets.
// [v5 MQTT-4.6.0-2] [v5 MQTT-4.6.0-3] [v3.1.1 MQTT-4.6.0-2] [v3.1.1 MQTT-4.6.0-3]
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldAcks {
    /// There while it holds something.
    #[allow(clippy::box_collection, reason = "nearly all connections have none, and 24 bytes less")]
    queue: Option<Box<VecDeque<HeldAck>>>,
}

/// One acknowledgement that is held back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldAck {
    pub(crate) id: PacketId,
    pub(crate) qos: QoS,
    /// `None` until it is known.
    pub(crate) reason: Option<ReasonCode>,
    /// Why it is a refusal, for people; empty where it is none.
    pub(crate) words: &'static str,
}

impl HeldAcks {
    pub(crate) const fn is_empty(&self) -> bool {
        self.queue.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    pub(crate) fn push(&mut self, ack: HeldAck) {
        self.queue.get_or_insert_default().push_back(ack);
    }

    /// Whether an acknowledgement for this identifier is held back and not yet known.
    pub(crate) fn is_open(&self, id: PacketId, qos: QoS) -> bool {
        let mut all = self.queue.iter().flat_map(|queue| queue.iter());
        all.any(|ack| ack.id == id && ack.qos == qos && ack.reason.is_none())
    }

    /// Notes the outcome of the oldest one under this identifier that is not known yet.
    pub(crate) fn complete(&mut self, id: PacketId, reason: ReasonCode) -> bool {
        let mut all = self.queue.iter_mut().flat_map(|queue| queue.iter_mut());
        let open = all.find(|ack| ack.id == id && ack.reason.is_none());
        open.map(|ack| ack.reason = Some(reason)).is_some()
    }

    /// The next one that may leave.
    pub(crate) fn pop_known(&mut self) -> Option<HeldAck> {
        let queue = self.queue.as_mut()?;
        queue.front()?.reason?;
        let ack = queue.pop_front();
        if queue.is_empty() {
            self.queue = None;
        }
        ack
    }
}
