//! What is to be done in a run, and what cannot be.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use colibri_codec::{QoS, TopicFilter, TopicName, Version};

use crate::header::{HEADER_LENGTH, STREAMS_MAX};
use crate::pattern::{Names, Pattern};

/// The largest payload, in bytes. Chosen so that the read buffer of a thread stays below 3 MB.
pub const PAYLOAD_MAX: usize = 1 << 20;
/// How many pairs of a stream and a receiver are followed at most: about 56 MB.
pub const TRACKERS_MAX: u64 = 1_000_000;
/// The same for a shared subscription: 128 MB. The largest case of the Open MQTT Benchmark Suite has 25
/// million.
const SHARED_TRACKERS_MAX: u64 = 32_000_000;

/// Who publishes to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Clients connect and stay.
    Conn,
    /// Clients publish; nobody here receives.
    Pub,
    /// Clients subscribe; somebody else publishes.
    Sub,
    /// Each publisher has a subscriber of its own.
    Pair,
    /// Every subscriber gets the messages of every publisher; meant for few publishers.
    Fanout,
    /// The same, meant for few subscribers.
    Fanin,
    /// The subscribers share one subscription.
    Share,
    /// Each client gets its own messages back.
    Latency,
}

impl Scenario {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conn => "conn",
            Self::Pub => "pub",
            Self::Sub => "sub",
            Self::Pair => "pair",
            Self::Fanout => "fanout",
            Self::Fanin => "fanin",
            Self::Share => "share",
            Self::Latency => "latency",
        }
    }

    /// Whether the messages that are sent here come back to here.
    pub const fn closes_the_circle(self) -> bool {
        match self {
            Self::Pair | Self::Fanout | Self::Fanin | Self::Share | Self::Latency => true,
            Self::Conn | Self::Pub | Self::Sub => false,
        }
    }
}

/// A run. The connections are numbered: first the subscribers, then the publishers, then the idle ones.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are switches of the command line")]
pub struct Plan {
    /// Who publishes to whom.
    pub scenario: Scenario,
    /// The server.
    pub server: SocketAddr,
    /// How many clients publish.
    pub publishers: u32,
    /// How many clients subscribe; with [`Scenario::Latency`] none but the publishers.
    pub subscribers: u32,
    /// How many clients do nothing.
    pub idle: u32,
    /// The version spoken.
    pub version: Version,
    /// Of subscriptions and messages.
    pub qos: QoS,
    /// Whether messages are published with RETAIN.
    pub retain: bool,
    /// Clean Start, or Clean Session.
    pub clean_start: bool,
    /// How long sessions are kept, in seconds; 5.0 only.
    pub session_expiry: u32,
    /// In seconds; 0 is for ever.
    pub keep_alive: u16,
    /// The user name, if any.
    pub user_name: Option<Pattern>,
    /// The password, if any.
    pub password: Option<Vec<u8>>,
    /// What comes before `-pub-7` in a client identifier.
    pub client_id: Pattern,
    /// The number of the first client of each kind.
    pub first_number: u32,
    /// Where messages go.
    pub topic: Pattern,
    /// What is subscribed to, if that does not follow from the topic.
    pub filter: Option<Pattern>,
    /// The name of the shared subscription of [`Scenario::Share`].
    pub group: String,
    /// In bytes, [`HEADER_LENGTH`] to [`PAYLOAD_MAX`].
    pub payload: usize,
    /// How many messages of a publisher are under way at most: QoS 1 and 2 until acknowledged, and without a
    /// rate all until they have been received.
    pub in_flight: u16,
    /// Messages per 1000 seconds of all publishers together; `None` is as many as `in_flight` allows.
    pub rate: Option<u64>,
    /// Connections per 1000 seconds; `None` is as fast as they are accepted.
    pub connect_rate: Option<u64>,
    /// How many connections are being opened at the same time without a rate.
    pub connecting: u32,
    /// How long a client may take until it is connected and subscribed.
    pub connect_timeout: Duration,
    /// The local addresses to connect from, in turn; none leaves it to the system.
    pub addresses: Vec<IpAddr>,
    /// How many threads drive the connections.
    pub threads: u32,
    /// How long is published before it is measured.
    pub warm_up: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// How many messages are sent in all; `None` is as many as there is time for.
    pub messages: Option<u64>,
    /// How long is waited for what is still under way while nothing more comes.
    pub drain: Duration,
    /// The process of the server.
    pub pid: Option<u32>,
    /// The time between two samples.
    pub interval: Duration,
    /// Whether a thread whose next message is due in less than a millisecond waits in a loop: the system's
    /// timers are no finer.
    pub spin: bool,
}

impl Plan {
    /// A plan with the usual values, for a server.
    pub fn new(scenario: Scenario, server: SocketAddr) -> Self {
        let pattern = |text: &str| Pattern::parse(text).unwrap_or_else(|_| Pattern::literal(text));
        Self {
            scenario,
            server,
            publishers: 0,
            subscribers: 0,
            idle: 0,
            version: Version::V5,
            qos: QoS::AtMostOnce,
            retain: false,
            clean_start: true,
            session_expiry: 0,
            keep_alive: 300,
            user_name: None,
            password: None,
            client_id: pattern("colibri-bench"),
            first_number: 0,
            topic: pattern("bench/%i"),
            filter: None,
            group: "bench".to_owned(),
            payload: 256,
            in_flight: 100,
            rate: None,
            connect_rate: None,
            connecting: 200,
            connect_timeout: Duration::from_secs(10),
            addresses: Vec::new(),
            threads: 1,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(10),
            messages: None,
            drain: Duration::from_secs(3),
            pid: None,
            interval: Duration::from_secs(1),
            spin: false,
        }
    }

    /// How many connections there are.
    pub const fn connections(&self) -> u32 {
        self.publishers.saturating_add(self.subscribers).saturating_add(self.idle)
    }

    /// How many deliveries each message is to have.
    pub const fn deliveries(&self) -> u64 {
        match self.scenario {
            Scenario::Conn | Scenario::Pub | Scenario::Sub => 0,
            Scenario::Pair | Scenario::Share | Scenario::Latency => 1,
            Scenario::Fanout | Scenario::Fanin => self.subscribers as u64,
        }
    }

    /// What is wrong with the plan, if anything.
    ///
    /// # Errors
    /// A sentence without its full stop, which names the flag of the command line.
    pub fn check(&self) -> Result<(), String> {
        if self.connections() == 0 {
            return Err(
                "there is nobody to connect; raise --count (-c), --publishers or --subscribers".to_owned()
            );
        }
        if !(HEADER_LENGTH..=PAYLOAD_MAX).contains(&self.payload) {
            return Err(format!(
                "--size {} cannot be measured; a payload takes {HEADER_LENGTH} to {PAYLOAD_MAX} bytes, for the \
                 header that tells messages apart",
                self.payload
            ));
        }
        if self.publishers >= STREAMS_MAX {
            return Err(format!("more than {STREAMS_MAX} publishers cannot be told apart"));
        }
        let pairs = u64::from(self.publishers) * u64::from(self.subscribers);
        let most = match self.scenario {
            Scenario::Fanout | Scenario::Fanin => TRACKERS_MAX,
            Scenario::Share => SHARED_TRACKERS_MAX,
            Scenario::Conn | Scenario::Pub | Scenario::Sub | Scenario::Pair | Scenario::Latency => u64::MAX,
        };
        if pairs > most {
            return Err(format!(
                "{} publishers for {} subscribers are {pairs} streams to follow, and at most {most} are; take \
                 fewer of either (--publishers, --subscribers)",
                self.publishers, self.subscribers
            ));
        }
        if self.user_name.is_none() && self.password.is_some() && self.version < Version::V5 {
            return Err("before 5.0 a password (-P) needs a user name (-u)".to_owned());
        }
        if let Some(wrong) = self.addresses.iter().find(|address| address.is_ipv4() != self.server.is_ipv4())
        {
            return Err(format!(
                "--ifaddr {wrong} cannot reach {}: they are of different kinds",
                self.server.ip()
            ));
        }
        self.check_topics()
    }

    fn check_topics(&self) -> Result<(), String> {
        if self.publishers > 0 {
            let topic = self.topic_of(0);
            TopicName::new(&topic).map_err(|error| format!("--topic '{topic}' cannot be used: {error}"))?;
        }
        let receivers = if self.scenario == Scenario::Latency { self.publishers } else { self.subscribers };
        if receivers > 0 {
            for filter in self.filters_of(0) {
                TopicFilter::new(&filter).map_err(|error| {
                    format!("the filter '{filter}' (--filter, or from --topic) cannot be used: {error}")
                })?;
            }
        }
        if self.scenario == Scenario::Pair && self.topic.is_fixed() && self.publishers > 1 {
            return Err("each pair needs a topic of its own; put %i into --topic".to_owned());
        }
        if self.scenario == Scenario::Latency && self.topic.is_fixed() && self.publishers > 1 {
            return Err("each client needs a topic of its own; put %i into --topic".to_owned());
        }
        Ok(())
    }

    /// The user name of a client.
    pub(crate) fn user_name_of(&self, number: u32) -> Option<String> {
        let names = Names { number: self.first_number.saturating_add(number), ..Names::default() };
        self.user_name.as_ref().map(|pattern| pattern.fill(&names))
    }

    /// The client identifier of the `number`th client of a kind.
    pub(crate) fn client_id_of(&self, kind: &str, number: u32) -> String {
        let user_name = self.user_name_of(number).unwrap_or_default();
        let number = self.first_number.saturating_add(number);
        let text = self.client_id.fill(&Names { number, client_id: "", user_name: &user_name });
        format!("{text}-{kind}-{number}")
    }

    /// The topic of a publisher.
    pub(crate) fn topic_of(&self, publisher: u32) -> String {
        self.fill(&self.topic, "pub", publisher)
    }

    /// The filters of a subscriber. Where it needs exactly the topics of all publishers, and they are few,
    /// it subscribes to each of them; otherwise to all with a wildcard.
    pub(crate) fn filters_of(&self, subscriber: u32) -> Vec<String> {
        if let Some(filter) = &self.filter {
            return vec![self.shared(self.fill(filter, "sub", subscriber))];
        }
        match self.scenario {
            Scenario::Pair | Scenario::Latency => vec![self.topic_of(subscriber)],
            Scenario::Conn | Scenario::Pub => Vec::new(),
            Scenario::Sub => vec![self.fill(&self.topic, "sub", subscriber)],
            Scenario::Fanout if !self.topic.is_fixed() && (1..=FILTERS_MAX).contains(&self.publishers) => {
                (0..self.publishers).map(|publisher| self.topic_of(publisher)).collect()
            }
            Scenario::Fanout | Scenario::Fanin | Scenario::Share => vec![self.shared(self.topic.filter())],
        }
    }

    fn shared(&self, filter: String) -> String {
        match self.scenario {
            Scenario::Share if !filter.starts_with("$share/") => format!("$share/{}/{filter}", self.group),
            _ => filter,
        }
    }

    fn fill(&self, pattern: &Pattern, kind: &str, number: u32) -> String {
        let user_name = self.user_name_of(number).unwrap_or_default();
        let client_id =
            if pattern.names_client_id() { self.client_id_of(kind, number) } else { String::new() };
        let number = self.first_number.saturating_add(number);
        pattern.fill(&Names { number, client_id: &client_id, user_name: &user_name })
    }
}

/// How many filters a subscriber of [`Scenario::Fanout`] asks for instead of one with a wildcard.
const FILTERS_MAX: u32 = 16;

#[cfg(test)]
mod tests {
    use super::{Plan, Scenario};
    use crate::pattern::Pattern;

    fn plan(scenario: Scenario, publishers: u32, subscribers: u32) -> Plan {
        let mut plan = Plan::new(scenario, ([127, 0, 0, 1], 1883).into());
        (plan.publishers, plan.subscribers) = (publishers, subscribers);
        plan
    }

    #[test]
    fn subscribers_ask_for_what_is_published() {
        assert_eq!(plan(Scenario::Pair, 9, 9).filters_of(7), ["bench/7"]);
        assert_eq!(plan(Scenario::Fanout, 3, 9).filters_of(7), ["bench/0", "bench/1", "bench/2"]);
        assert_eq!(plan(Scenario::Fanout, 30, 9).filters_of(7), ["bench/+"]);
        assert_eq!(plan(Scenario::Fanin, 3, 1).filters_of(0), ["bench/+"]);
        assert_eq!(plan(Scenario::Share, 3, 2).filters_of(1), ["$share/bench/bench/+"]);
        let mut own = plan(Scenario::Share, 3, 2);
        own.filter = Pattern::parse("test/#").ok();
        assert_eq!(own.filters_of(1), ["$share/bench/test/#"]);
    }

    #[test]
    fn a_pair_meets_on_the_client_id_of_its_publisher() {
        let mut plan = plan(Scenario::Pair, 2, 2);
        plan.topic = Pattern::parse("t/%c").unwrap();
        plan.first_number = 10;
        assert_eq!(plan.topic_of(1), "t/colibri-bench-pub-11");
        assert_eq!(plan.filters_of(1), ["t/colibri-bench-pub-11"]);
    }

    #[test]
    fn what_cannot_be_carried_out_is_said() {
        let wrong = |change: fn(&mut Plan)| {
            let mut plan = plan(Scenario::Fanout, 2, 2);
            change(&mut plan);
            plan.check().unwrap_err()
        };
        assert!(wrong(|plan| plan.payload = 15).starts_with("--size 15"));
        assert!(wrong(|plan| (plan.publishers, plan.subscribers) = (2_000, 501)).contains("1002000 streams"));
        assert!(wrong(|plan| plan.topic = Pattern::parse("a/#").unwrap()).starts_with("--topic 'a/#'"));
        assert!(wrong(|plan| (plan.publishers, plan.subscribers) = (0, 0)).starts_with("there is nobody"));
        assert!(wrong(|plan| plan.addresses = vec!["::1".parse().unwrap()]).contains("different kinds"));
        assert!(plan(Scenario::Fanout, 2, 2).check().is_ok());
    }
}
