//! Exchanges in the order of sending: what each waits for, and beside it what is kept to send it again.
//!
//! Most exchanges keep nothing, because their session ends with its connection, and a receiver may have
//! hundreds of them open. So the two are apart: what all exchanges have takes 12 bytes each, and what is kept
//! has no memory until the first message is.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::iter;

use colibri_codec::PacketId;

/// What an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    AwaitingPuback,
    AwaitingPubrec,
    /// The order says which PUBREC came first. [v5 MQTT-4.6.0-4] [v3.1.1 MQTT-4.6.0-4]
    AwaitingPubcomp {
        order: u32,
    },
    AwaitingSuback,
    AwaitingUnsuback,
    Done,
}

/// How far an exchange has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) id: PacketId,
    pub(crate) stage: Stage,
    /// Whether its PUBLISH has to be sent again on this connection before anything new is.
    pub(crate) resend: bool,
}

impl Mark {
    pub(crate) const fn new(id: PacketId, stage: Stage) -> Self {
        Self { id, stage, resend: false }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage != Stage::Done
    }
}

/// One exchange.
#[derive(Clone, Debug)]
pub(crate) struct Exchange<M> {
    pub(crate) mark: Mark,
    /// What is needed to send it again; `None` in a session that ends with its connection.
    pub(crate) kept: Option<M>,
}

/// A queue of exchanges.
#[derive(Clone, Debug)]
pub(crate) struct Exchanges<M> {
    marks: VecDeque<Mark>,
    beside: Option<Box<Beside<M>>>,
}

/// What is kept, at the places of the marks; as long as they are.
#[derive(Clone, Debug)]
struct Beside<M> {
    kept: VecDeque<Option<M>>,
}

impl<M> Default for Exchanges<M> {
    fn default() -> Self {
        Self { marks: VecDeque::new(), beside: None }
    }
}

impl<M> Exchanges<M> {
    /// How far each has come, in the order of sending.
    #[inline]
    pub(crate) const fn marks(&self) -> &VecDeque<Mark> {
        &self.marks
    }

    pub(crate) fn marks_mut(&mut self) -> impl Iterator<Item = &mut Mark> {
        self.marks.iter_mut()
    }

    #[inline]
    pub(crate) fn mark_mut(&mut self, index: usize) -> Option<&mut Mark> {
        self.marks.get_mut(index)
    }

    #[inline]
    pub(crate) fn push(&mut self, mark: Mark, kept: Option<M>) {
        if kept.is_some() || self.beside.is_some() {
            self.push_beside(kept);
        }
        self.marks.push_back(mark);
    }

    fn push_beside(&mut self, kept: Option<M>) {
        self.beside(self.marks.len()).kept.push_back(kept);
    }

    /// What is kept beside so many marks; nothing if that is new.
    fn beside(&mut self, marks: usize) -> &mut Beside<M> {
        let nothing = || Box::new(Beside { kept: iter::repeat_with(|| None).take(marks).collect() });
        self.beside.get_or_insert_with(nothing)
    }

    /// Takes the oldest out.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Exchange<M>> {
        let mark = self.marks.pop_front()?;
        let kept = match &mut self.beside {
            Some(beside) => beside.kept.pop_front().flatten(),
            None => None,
        };
        Some(Exchange { mark, kept })
    }

    /// Throws the oldest away.
    #[inline]
    pub(crate) fn drop_first(&mut self) {
        self.marks.pop_front();
        if let Some(beside) = &mut self.beside {
            beside.kept.pop_front();
        }
    }

    /// What is kept of one.
    pub(crate) fn kept(&self, index: usize) -> Option<&M> {
        self.beside.as_ref()?.kept.get(index)?.as_ref()
    }

    /// Puts one between others, at a place of at most their number.
    pub(crate) fn insert(&mut self, index: usize, mark: Mark, kept: M) {
        let before = self.marks.len();
        let index = index.min(before);
        self.beside(before).kept.insert(index, Some(kept));
        self.marks.insert(index, mark);
    }

    /// Keeps a message for one that has none.
    pub(crate) fn keep(&mut self, index: usize, message: M) {
        if let Some(place) = self.beside(self.marks.len()).kept.get_mut(index) {
            *place = Some(message);
        }
    }

    /// Takes out what is kept of one, which stays in the queue.
    pub(crate) fn take_kept(&mut self, index: usize) -> Option<M> {
        self.beside.as_mut()?.kept.get_mut(index)?.take()
    }

    /// All of them with what is kept.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Mark, Option<&M>)> {
        self.marks.iter().enumerate().map(|(index, mark)| (mark, self.kept(index)))
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Exchange<M>> {
        iter::from_fn(|| self.pop())
    }

    /// Gives memory back that is empty.
    pub(crate) fn give_back(&mut self) {
        self.marks.shrink_to_fit();
        if self.marks.is_empty() {
            self.beside = None;
        }
        if let Some(beside) = &mut self.beside {
            beside.kept.shrink_to_fit();
        }
    }
}
