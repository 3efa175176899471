//! Everything that can be set, with meaning, unit, default, and what more or less of it costs.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use colibri_codec::{Property, ReasonCode, Utf8String};
use colibri_protocol::Limits;

use crate::authentication::Authenticator;

/// The most shards there can be: which of them have receivers is noted in a word, a bit each.
pub const SHARDS_MAX: usize = 64;

/// The settings of a broker.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where TCP connections are accepted. Default 127.0.0.1:1883.
    pub listeners: Vec<SocketAddr>,
    /// Those of the listeners whose clients' acknowledgements do not wait for the store, whatever
    /// [`Config::durability`] says. Default none. What these clients are told may be lost in a crash.
    pub unsynced_listeners: Vec<SocketAddr>,
    /// How many shards, 1 to [`SHARDS_MAX`]. Default one per processor this process may use. More: more
    /// processors at work. Fewer: fewer hops between them.
    pub shards: usize,
    /// Where random choices begin: client identifiers that are given out, hashes. Default from the
    /// operating system; a fixed one makes a run repeatable.
    pub seed: u64,
    /// What a client may send, and how many topic aliases are kept for it. Defaults: Receive Maximum 1,024
    /// messages, Maximum Packet Size 16 MiB, Topic Alias Maximum 32, at most 64 aliases to a client. More: more
    /// memory that one client can claim.
    pub limits: Limits,
    /// How many QoS 1 and 2 messages may be unacknowledged at a receiver, however many it takes. Default
    /// 1,024. More: throughput over long lines. Less: less memory per receiver.
    pub send_maximum: NonZeroU16,
    /// How long a connection may take until its CONNECT is complete. Default 10 s. Shorter: silent
    /// connections are gone sooner. Longer: slow networks get their chance.
    pub connect_timeout: Duration,
    /// The largest CONNECT in bytes. Default 1 MiB. A client is not known yet when it sends it.
    pub connect_size_maximum: NonZeroU32,
    /// The longest session that is kept for a client, in seconds; what a client asks for beyond it is cut.
    /// Default 4,294,967,295, for ever. A 3.x client with Clean Session 0 asks for ever. Shorter: sessions
    /// of clients that never come back are gone sooner.
    pub session_expiry_maximum: u32,
    /// How many messages may wait for one session. Default 100,000. More: longer absences without loss.
    /// Less: less memory that one absent client holds.
    pub queued_messages_maximum: usize,
    /// How many bytes of messages may wait for one session. Default 64 MiB. As above.
    pub queued_bytes_maximum: usize,
    /// How many messages may wait in memory for all sessions together: for clients that are connected and slow,
    /// and for absent ones without a store. Those of stored sessions wait in the store alone once this is
    /// reached. Default 10,000,000; `usize::MAX` is no limit. More: more slow clients at a time. Less: less
    /// memory, some hundred bytes for each. Several shards may exceed it by what they take in during one
    /// turn.
    pub queued_messages_total_maximum: usize,
    /// The same in bytes; a message that waits for several sessions counts for each. Default 1 GiB. As above.
    pub queued_bytes_total_maximum: usize,
    /// How many messages may wait in the store alone for all sessions together. Default 10,000,000;
    /// `usize::MAX` is no limit. More: longer absences of more clients. Less: less memory, which has 24 bytes
    /// for each, and less disk. As exact as the limit in memory.
    pub stored_messages_total_maximum: usize,
    /// The same in bytes; a message that waits for several sessions counts for each, though it is stored once.
    /// Default 16 GiB. More or less: as above. A disk that has less room refuses earlier.
    pub stored_bytes_total_maximum: usize,
    /// What happens to a message that would have to wait and for which one of these limits leaves no room.
    /// Default [`QueueFull::BySession`].
    pub queue_full: QueueFull,
    /// How many retained messages may wait for one session, over all its subscriptions that bring them.
    /// Default 1,000,000. Beyond it the client is disconnected with Quota exceeded, rather than told half
    /// of what is retained. More: larger trees can be fetched at once. Less: less that one SUBSCRIBE can
    /// ask for; the messages themselves are shared, so each counts some tens of bytes.
    pub replayed_messages_maximum: usize,
    /// How many bytes of output may be pending for one connection before QoS 0 messages to it are dropped
    /// and others wait. Default 1 MiB. More: bursts survive. Less: less memory that a slow reader holds.
    pub output_budget: usize,
    /// How many subscriptions one session may have. Default 100,000. Beyond it SUBACK says Quota exceeded.
    pub subscriptions_maximum: usize,
    /// How many levels a topic name or filter may have. Default 128. More costs memory and time per level.
    pub topic_levels_maximum: usize,
    /// How many bytes of retained messages each shard keeps. Default 1 GiB. Beyond it a retained message
    /// is refused with Quota exceeded.
    pub retained_bytes_maximum: usize,
    /// How often the `$SYS` topics are published. Default 10 s; zero turns them off.
    pub sys_interval: Duration,
    /// What an acknowledgement means for what is stored. Default [`Durability::Sync`]. Without a store
    /// nothing is.
    pub durability: Durability,
    /// Who decides who may connect. Default nobody: everybody may, but with an Authentication Method.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// How long the authentication of one client may take. Default 10 s. Longer: people get the time to type,
    /// and connections that lead to nothing stay.
    pub authentication_timeout: Duration,
    /// How many times one client may send data in an authentication. Default 16, more than known methods
    /// need. More: more work for the authenticator that one client can claim.
    pub authentication_steps_maximum: u16,
    /// The longest Keep Alive in seconds. Default none. A 5.0 client that asks for more, or for none, is told
    /// this one; an older one, which cannot be told, is refused. Shorter: lost clients are noticed sooner, and
    /// all the others send more often.
    pub keep_alive_maximum: Option<NonZeroU16>,
    /// What stands before the client identifier in the Response Information that a client may ask for, with a
    /// `/` in between: a part of the topics in which it can await answers. Default `response`; none gives
    /// none. Clients whose identifier cannot be part of a topic name get none.
    pub response_topic_prefix: Option<String>,
    /// Where else clients are sent, when they connect or when the broker stops. Default none.
    pub server_reference: Option<ServerReference>,
    /// Whether payloads that are said to be UTF-8 are looked through, and refused with Payload format invalid
    /// (0x99) if they are not. Default no: it costs a look at every byte of such a payload.
    pub check_payload_format: bool,
    /// How long the shards get at the end to write to their clients and to close. Default 2 s. A client
    /// that does not read is closed without waiting for it.
    pub stop_timeout: Duration,
}

/// What an acknowledgement means for what is stored: sessions and their messages, retained messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It outlives power loss. Costs a wait for the disk, which all clients at work share.
    #[default]
    Sync,
    /// It outlives an orderly end; and the loss of the process, or of power, that comes at least this much later.
    Periodic(Duration),
    /// It outlives an orderly end. A process that is killed may lose what came since the last 64 MiB of changes,
    /// however long ago that was.
    None,
}

/// Another server for the clients of this one (section 4.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReference {
    /// Where it is, such as `other.example:1883`; several are separated by spaces. At most 65,535 bytes.
    pub servers: String,
    /// Whether clients are to go there from now on (Server moved, 0x9D) or only this time (Use another
    /// server, 0x9C).
    pub is_permanent: bool,
    /// Whether every client is sent there when it connects. Otherwise the clients that are connected are sent
    /// there when the broker stops.
    pub redirects: bool,
}

impl ServerReference {
    pub(crate) const fn reason(&self) -> ReasonCode {
        if self.is_permanent { ReasonCode::ServerMoved } else { ReasonCode::UseAnotherServer }
    }

    pub(crate) fn property(&self) -> Option<Property<'_>> {
        Utf8String::new(&self.servers).ok().map(Property::ServerReference)
    }
}

/// What happens to a message with QoS 1 or 2 when a receiver's queue is full, or when those of all receivers
/// together are and this one would have to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueFull {
    /// As `Disconnect` for a receiver whose session ends with its connection, when its own queue is full: nobody
    /// is held up by a client that does not read, and it is told what it loses. As `Refuse` for a session that
    /// is kept, and when the queues of all receivers together are full.
    #[default]
    BySession,
    /// The message is refused: a 5.0 publisher learns it from Quota exceeded (0x97), an older one gets no
    /// acknowledgement and sends again later. What another shard acknowledged before it could know is kept.
    /// Nothing is lost.
    Refuse,
    /// The receiver loses its oldest waiting messages, as many as make room. It does not get the new one if
    /// all of them do not.
    DropOldest,
    /// The receiver does not get the new message.
    DropNewest,
    /// The receiver is disconnected with Quota exceeded and does not get the new message. One that came back to
    /// a queue that was half full stays connected until it has been less, and only does not get the new message.
    Disconnect,
}

impl QueueFull {
    /// Whether a message may be refused for a full queue.
    pub(crate) const fn may_refuse(self) -> bool {
        matches!(self, Self::BySession | Self::Refuse)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: vec![SocketAddr::from(([127, 0, 0, 1], 1883))],
            unsynced_listeners: Vec::new(),
            shards: std::thread::available_parallelism().map_or(1, |count| count.get().min(SHARDS_MAX)),
            seed: random_seed(),
            limits: Limits {
                receive_maximum: NonZeroU16::new(1024).unwrap_or(NonZeroU16::MAX),
                maximum_packet_size: NonZeroU32::new(16 << 20).unwrap_or(NonZeroU32::MAX),
                topic_alias_maximum: 32,
                ..Limits::default()
            },
            send_maximum: NonZeroU16::new(1024).unwrap_or(NonZeroU16::MAX),
            connect_timeout: Duration::from_secs(10),
            connect_size_maximum: NonZeroU32::new(1 << 20).unwrap_or(NonZeroU32::MAX),
            session_expiry_maximum: u32::MAX,
            queued_messages_maximum: 100_000,
            queued_bytes_maximum: 64 << 20,
            queued_messages_total_maximum: 10_000_000,
            queued_bytes_total_maximum: 1 << 30,
            stored_messages_total_maximum: 10_000_000,
            stored_bytes_total_maximum: 16 << 30,
            queue_full: QueueFull::default(),
            replayed_messages_maximum: 1_000_000,
            output_budget: 1 << 20,
            subscriptions_maximum: 100_000,
            topic_levels_maximum: 128,
            retained_bytes_maximum: 1 << 30,
            sys_interval: Duration::from_secs(10),
            durability: Durability::default(),
            authenticator: None,
            authentication_timeout: Duration::from_secs(10),
            authentication_steps_maximum: 16,
            keep_alive_maximum: None,
            response_topic_prefix: Some("response".to_owned()),
            server_reference: None,
            check_payload_format: false,
            stop_timeout: Duration::from_secs(2),
        }
    }
}

/// A number that nobody can foresee: the standard library keys its hashes with the operating system's
/// random source.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
