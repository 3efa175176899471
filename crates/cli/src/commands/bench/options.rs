//! The command line of `colibri bench`, with the letters of `emqtt_bench`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use colibri_bench::{Pattern, Scale};
use colibri_codec::Version;

/// What is to be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Clients connect and stay
    #[command(disable_help_flag = true)]
    Conn(Conn),
    /// Clients publish; latency is that of the acknowledgement
    #[command(disable_help_flag = true)]
    Pub(One),
    /// Clients subscribe to what others publish
    #[command(disable_help_flag = true)]
    Sub(Listen),
    /// Each publisher has a subscriber of its own
    #[command(disable_help_flag = true)]
    Pair(One),
    /// Few publishers, and every subscriber gets all of them
    #[command(disable_help_flag = true)]
    Fanout(Crowd),
    /// Many publishers, and every subscriber gets all of them
    #[command(disable_help_flag = true)]
    Fanin(Crowd),
    /// Many publishers for a shared subscription
    #[command(disable_help_flag = true)]
    Share(Crowd),
    /// Each client gets its own messages back
    #[command(disable_help_flag = true)]
    Latency(One),
    /// The use cases of the Open MQTT Benchmark Suite
    #[command(disable_help_flag = true)]
    Suite(Suite),
}

/// `conn`.
#[derive(Debug, Args)]
pub(crate) struct Conn {
    /// How many clients
    #[arg(short, long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// `pub`, `pair`, `latency`.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// How many publishers [default: 200; latency: 10]
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: Option<u32>,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// `sub`.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// How many subscribers
    #[arg(short, long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// What to subscribe to; %i, %c, %u and %rand_N are filled in
    #[arg(short, long, value_parser = Pattern::parse)]
    pub(crate) topic: Pattern,
    /// The QoS asked for
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// `fanout`, `fanin`, `share`.
#[derive(Debug, Args)]
pub(crate) struct Crowd {
    /// How many publishers [default: 1; fanin, share: 200]
    #[arg(long, visible_alias = "pubs", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) publishers: Option<u32>,
    /// How many subscribers [default: 200; fanin: 1; share: 5]
    #[arg(long, visible_alias = "subs", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) subscribers: Option<u32>,
    /// What to subscribe to, if it is not to follow from the topic
    #[arg(long, value_parser = Pattern::parse)]
    pub(crate) filter: Option<Pattern>,
    /// share: the name of the shared subscription
    #[arg(long, default_value = "bench")]
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// `suite`.
#[derive(Debug, Args)]
pub(crate) struct Suite {
    /// A thousand of everything, or fifty thousand scaled to this machine
    #[arg(long, value_enum, default_value_t = SuiteScale::Basic)]
    pub(crate) scale: SuiteScale,
    /// Only the use case whose name begins so (conn-tcp, p2p, fanout, sharedsub)
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// The sets of the suite.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SuiteScale {
    Basic,
    Enterprise,
}

impl From<SuiteScale> for Scale {
    fn from(scale: SuiteScale) -> Self {
        match scale {
            SuiteScale::Basic => Self::Basic,
            SuiteScale::Enterprise => Self::Enterprise,
        }
    }
}

/// What is published.
#[derive(Debug, Args)]
pub(crate) struct Traffic {
    /// Where to; %i, %c, %u and %rand_N are filled in
    #[arg(short, long, default_value = "bench/%i", value_parser = Pattern::parse)]
    pub(crate) topic: Pattern,
    /// Bytes of payload, 16 at least
    #[arg(short, long, default_value_t = 256)]
    pub(crate) size: usize,
    /// 0, 1 or 2, of messages and subscriptions
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,
    /// With RETAIN
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, default_value_t = false,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) retain: bool,
    /// Milliseconds between two messages of a publisher [default: 1000]
    #[arg(short = 'I', long = "interval-of-msg", alias = "interval_of_msg", value_name = "MS",
          conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) message_interval: Option<u32>,
    /// Messages per second of all publishers together, or max for as many as may be under way
    #[arg(long, value_name = "N|max", value_parser = rate)]
    pub(crate) rate: Option<Rate>,
    /// How many messages of a publisher are under way at most
    #[arg(short = 'F', long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) inflight: u16,
    /// How many messages are sent in all [default: no limit]
    #[arg(short = 'L', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
}

/// What all have in common.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server, clients, report")]
pub(crate) struct Common {
    /// The server
    #[arg(short, long, default_value = "localhost")]
    pub(crate) host: String,
    /// Its port
    #[arg(short, long, default_value_t = 1883, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// 5, 3.1.1 or 3.1; also 4 and 3 [default: 5; suite: that of the use case]
    #[arg(short = 'V', long, value_parser = version)]
    pub(crate) version: Option<Version>,
    /// The user name; %i is filled in
    #[arg(short, long, value_parser = Pattern::parse)]
    pub(crate) username: Option<Pattern>,
    /// The password
    #[arg(short = 'P', long)]
    pub(crate) password: Option<String>,
    /// What client ids begin with, before -pub-7; %i and %u are filled in
    #[arg(long, default_value = "colibri-bench", value_parser = Pattern::parse)]
    pub(crate) prefix: Pattern,
    /// The number of the first client
    #[arg(short = 'n', long, default_value_t = 0)]
    pub(crate) startnumber: u32,
    /// Seconds; 0 is for ever
    #[arg(short, long, default_value_t = 300)]
    pub(crate) keepalive: u16,
    /// Whether sessions begin anew
    #[arg(short = 'C', long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) clean: bool,
    /// How long a 5.0 session is kept, in seconds
    #[arg(short = 'x', long = "session-expiry", value_name = "SECS", default_value_t = 0)]
    pub(crate) expiry: u32,
    /// Milliseconds between two connections [default: as fast as they are accepted]
    #[arg(short, long, value_name = "MS", conflicts_with = "connrate", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) interval: Option<u32>,
    /// Connections per second
    #[arg(short = 'R', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connrate: Option<u32>,
    /// Seconds until a connection must be accepted
    #[arg(long, default_value_t = 10, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connect_timeout: u32,
    /// Local addresses to connect from in turn, with commas
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub(crate) ifaddr: Vec<IpAddr>,
    /// Seconds that are measured; with --limit until all is sent [default: 10; suite: 30]
    #[arg(long, value_name = "SECS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) duration: Option<f64>,
    /// Seconds before that [default: 1; with --limit 0]
    #[arg(long, value_name = "SECS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) warm_up: Option<f64>,
    /// Seconds without any message after which the rest is lost
    #[arg(long, value_name = "SECS", default_value = "3", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) drain: f64,
    /// Threads [default: a quarter of the processors, one at least]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) threads: Option<u32>,
    /// Lets messages be up to a millisecond late rather than keep a processor busy waiting
    #[arg(long)]
    pub(crate) no_spin: bool,
    /// The process of the server, for its processor time and memory
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Option<u32>,
    /// Seconds between two lines of progress
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) every: f64,
    /// No progress
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Writes the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes the report as a page with plots
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Shows this
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// How many messages per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// As many as may be under way.
    Max,
    /// In thousandths.
    Millihertz(u64),
}

fn rate(text: &str) -> Result<Rate, &'static str> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    let wrong = "a rate is max or messages per second from 0.001 to 100000000";
    let number: f64 = text.parse().map_err(|_| wrong)?;
    if !(0.001..=1e8).contains(&number) {
        return Err(wrong);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within these bounds")]
    Ok(Rate::Millihertz((number * 1000.0).round() as u64))
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds is wanted")?;
    if (0.0..=1e7).contains(&number) { Ok(number) } else { Err("from 0 to 10000000 seconds are possible") }
}

fn version(text: &str) -> Result<Version, &'static str> {
    match text {
        "5" | "5.0" | "mqttv5" => Ok(Version::V5),
        "4" | "311" | "3.1.1" | "mqttv311" => Ok(Version::V3_1_1),
        "3" | "31" | "3.1" | "mqttv31" => Ok(Version::V3_1),
        _ => Err("the versions are 5, 3.1.1 and 3.1"),
    }
}
