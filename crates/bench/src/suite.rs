//! The use cases of the Open MQTT Benchmark Suite, and what was published for other servers.

use std::net::SocketAddr;
use std::time::Duration;

use colibri_codec::{QoS, Version};

use crate::pattern::Pattern;
use crate::plan::{Plan, Scenario};

/// Where the definitions come from.
const DEFINITIONS: &str = "https://github.com/emqx/mqttbs";
/// Where the figures for EMQX and NanoMQ come from.
const EMQX_AND_NANOMQ: &str =
    "https://github.com/emqx/blog, en/202304/open-mqtt-benchmarking-comparison-emqx-vs-nanomq.md";
/// Where those for Mosquitto and VerneMQ come from.
const OTHERS: &str = "the posts of May 2023 in the same series, EMQX vs Mosquitto and EMQX vs VerneMQ";
/// On what they were measured.
const MACHINE: &str = "AWS c5.4xlarge, 16 processors, 32 GB, load from other machines, 30 minutes";

/// Files that a process has open besides its connections, with some to spare.
const FILES_APART: u64 = 64;

/// Which set of use cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A thousand of everything.
    Basic,
    /// Fifty thousand, or a million connections.
    Enterprise,
}

/// One use case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its own name.
    pub name: &'static str,
    scenario: Scenario,
    publishers: u32,
    subscribers: u32,
    idle: u32,
    /// Per publisher and second.
    rate: u64,
    connect_rate: Option<u64>,
    /// What was published for other servers.
    pub published: &'static [Published],
}

/// A figure that somebody published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The server and its version.
    pub server: &'static str,
    /// The average latency in milliseconds.
    pub mean_ms: f64,
    /// The 99th percentile in milliseconds.
    pub p99_ms: Option<f64>,
    /// What it reached, where that is not what was asked for, its processor time in percent of the whole
    /// machine, its memory.
    pub remarks: &'static str,
}

/// A use case made to fit a machine.
#[derive(Clone, Debug)]
pub struct Scaled {
    /// What is to be done.
    pub plan: Plan,
    /// How it differs from the definition; sentences without full stops.
    pub notes: Vec<String>,
}

const fn published(
    server: &'static str,
    mean_ms: f64,
    p99_ms: Option<f64>,
    remarks: &'static str,
) -> Published {
    Published { server, mean_ms, p99_ms, remarks }
}

const EMQX: &str = "EMQX 4.4.16";
const NANOMQ: &str = "NanoMQ 0.17.0";
const MOSQUITTO: &str = "Mosquitto 2.0.15";
const VERNEMQ: &str = "VerneMQ 1.12.6.2";

const BASIC: [Case; 4] = [
    Case {
        name: "conn-tcp-10k-100",
        scenario: Scenario::Conn,
        publishers: 0,
        subscribers: 0,
        idle: 10_000,
        rate: 0,
        connect_rate: Some(100),
        published: &[
            published(EMQX, 0.74, None, "1 % CPU, 510 MB"),
            published(NANOMQ, 0.59, None, "0 % CPU, 320 MB"),
        ],
    },
    Case {
        name: "p2p-1K-1K-1K-1K",
        scenario: Scenario::Pair,
        publishers: 1_000,
        subscribers: 1_000,
        idle: 0,
        rate: 1,
        connect_rate: None,
        published: &[
            published(EMQX, 0.27, None, "2 % CPU, 495 MB"),
            published(NANOMQ, 0.25, None, "0 % CPU, 270 MB"),
        ],
    },
    Case {
        name: "fanout-1-1k-1-1K",
        scenario: Scenario::Fanout,
        publishers: 1,
        subscribers: 1_000,
        idle: 0,
        rate: 1,
        connect_rate: None,
        published: &[
            published(EMQX, 3.0, None, "1 % CPU, 460 MB"),
            published(NANOMQ, 13.66, None, "0 % CPU, 263 MB"),
        ],
    },
    Case {
        name: "sharedsub-1K-5-1K-1K",
        scenario: Scenario::Share,
        publishers: 1_000,
        subscribers: 5,
        idle: 0,
        rate: 1,
        connect_rate: None,
        published: &[
            published(EMQX, 0.19, None, "2 % CPU, 460 MB"),
            published(NANOMQ, 0.18, None, "0 % CPU, 267 MB"),
        ],
    },
];

const ENTERPRISE: [Case; 4] = [
    Case {
        name: "conn-tcp-1M-5K",
        scenario: Scenario::Conn,
        publishers: 0,
        subscribers: 0,
        idle: 1_000_000,
        rate: 0,
        connect_rate: Some(5_000),
        published: &[
            published(EMQX, 2.4, Some(3.0), "22 % CPU, 8.68 GB"),
            published(NANOMQ, 3.16, Some(3.0), "4 % CPU, 6.9 GB"),
            published(MOSQUITTO, 5.74, None, "2 % CPU, 1 GB"),
            published(VERNEMQ, 2.47, None, "22.4 GB and growing"),
        ],
    },
    Case {
        name: "p2p-50K-50K-50K-50K",
        scenario: Scenario::Pair,
        publishers: 50_000,
        subscribers: 50_000,
        idle: 0,
        rate: 1,
        connect_rate: None,
        published: &[
            published(EMQX, 1.58, Some(18.0), "80 % CPU, 5.02 GB"),
            published(NANOMQ, 91.0, Some(251.0), "30 % CPU, 1.3 GB"),
            published(MOSQUITTO, 354.0, Some(417.0), "37,000/s reached, 6 % CPU, 318 MB"),
            published(VERNEMQ, 2_137.0, Some(16_500.0), "90 % CPU, 6.0 GB"),
        ],
    },
    Case {
        name: "fanout-5-1000-5-250K",
        scenario: Scenario::Fanout,
        publishers: 5,
        subscribers: 1_000,
        idle: 0,
        rate: 50,
        connect_rate: None,
        published: &[
            published(EMQX, 1.99, Some(4.0), "71 % CPU, 483 MB"),
            published(NANOMQ, 13.91, Some(26.0), "71 % CPU, 682 MB"),
            published(MOSQUITTO, 12_200.0, None, "81,000/s reached"),
            published(VERNEMQ, 11_800.0, None, "80,000/s reached"),
        ],
    },
    Case {
        name: "sharedsub-50K-500-50K-50K",
        scenario: Scenario::Share,
        publishers: 50_000,
        subscribers: 500,
        idle: 0,
        rate: 1,
        connect_rate: None,
        published: &[
            published(EMQX, 1.47, Some(19.0), "93 % CPU, 6.67 GB"),
            published(NANOMQ, 2.76, Some(21.0), "34 % CPU, 783 MB"),
            published(MOSQUITTO, 12_700.0, None, "40,000/s received"),
            published(VERNEMQ, 117_000.0, None, "3,500/s received"),
        ],
    },
];

/// The use cases of a set, in the order in which they are run.
pub const fn cases(scale: Scale) -> &'static [Case] {
    match scale {
        Scale::Basic => &BASIC,
        Scale::Enterprise => &ENTERPRISE,
    }
}

impl Case {
    /// The use case for a machine on which this process may open so many more files. Where they are not
    /// enough, publishers, subscribers and connections are lowered in proportion and each publishes as
    /// often as before; a fan-out keeps its publishers.
    pub fn scaled(&self, server: SocketAddr, files: u64, duration: Duration) -> Scaled {
        let most = u32::try_from(files.saturating_sub(FILES_APART)).unwrap_or(u32::MAX).max(3);
        let mut plan = Plan::new(self.scenario, server);
        (plan.publishers, plan.subscribers, plan.idle) = (self.publishers, self.subscribers, self.idle);
        let mut notes = Vec::new();
        let wanted = plan.connections();
        if wanted > most {
            let fewer = |count: u32| {
                let scaled = u64::from(count) * u64::from(most) / u64::from(wanted);
                u32::try_from(scaled).unwrap_or(count).max(u32::from(count > 0))
            };
            (plan.subscribers, plan.idle) = (fewer(plan.subscribers), fewer(plan.idle));
            if self.scenario == Scenario::Fanout {
                plan.subscribers = most.saturating_sub(plan.publishers).max(1);
            } else {
                plan.publishers = fewer(plan.publishers);
            }
            notes.push(format!(
                "{} connections instead of {wanted}: this process may open {files} more files",
                plan.connections()
            ));
        }
        notes.push(format!("{} s instead of 30 minutes", duration.as_secs()));
        if let Ok(processors) = std::thread::available_parallelism() {
            notes.push(format!("{processors} processors for what runs here, not 16 for the server alone"));
        }
        plan.qos = QoS::AtLeastOnce;
        plan.version = if self.scenario == Scenario::Share { Version::V5 } else { Version::V3_1_1 };
        plan.payload = 16;
        plan.rate = (self.rate > 0).then(|| self.rate * u64::from(plan.publishers) * 1_000);
        plan.connect_rate = self.connect_rate.map(|rate| rate * 1_000);
        plan.topic = Pattern::parse("test/%i").unwrap_or(plan.topic);
        if self.scenario == Scenario::Share {
            plan.filter = Pattern::parse("test/#").ok();
            plan.group = "benchmark".to_owned();
        }
        plan.duration = duration;
        Scaled { plan, notes }
    }

    /// What was published, as lines of text.
    pub fn published_text(&self) -> String {
        let mut text = String::from("published for other servers, mean / p99 in ms:\n");
        for Published { server, mean_ms, p99_ms, remarks } in self.published {
            let p99 = p99_ms.map_or_else(|| "-".to_owned(), |p99| p99.to_string());
            text.push_str(&format!("  {server:<18}{mean_ms:>9} / {p99:<7} {remarks}\n"));
        }
        text
    }
}

impl Scale {
    /// Where definitions and figures come from.
    pub fn sources(self) -> String {
        let others = match self {
            Self::Basic => String::new(),
            Self::Enterprise => format!("; Mosquitto and VerneMQ from {OTHERS}"),
        };
        format!(
            "Definitions: {DEFINITIONS}\nPublished figures ({MACHINE}): EMQX and NanoMQ from {EMQX_AND_NANOMQ}{others}.\n\
             They are not comparable with what one machine measures of itself, only a frame for it.\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Scale, cases};

    #[test]
    fn with_files_enough_a_case_is_what_its_name_says() {
        for scale in [Scale::Basic, Scale::Enterprise] {
            for case in cases(scale) {
                let scaled = case.scaled(([127, 0, 0, 1], 1883).into(), 2_000_000, Duration::from_secs(1));
                assert_eq!(scaled.plan.check(), Ok(()), "{}", case.name);
                assert_eq!(scaled.notes.iter().filter(|note| note.contains("files")).count(), 0);
            }
        }
        let fanout =
            cases(Scale::Enterprise)[2].scaled(([127, 0, 0, 1], 1883).into(), 20_000, Duration::from_secs(1));
        assert_eq!(fanout.plan.rate.unwrap() * fanout.plan.deliveries(), 250_000_000);
        assert_eq!(fanout.plan.filters_of(7).len(), 5);
    }

    #[test]
    fn with_too_few_files_it_shrinks_in_proportion_and_says_so() {
        let p2p =
            cases(Scale::Enterprise)[1].scaled(([127, 0, 0, 1], 1883).into(), 20_064, Duration::from_secs(1));
        assert_eq!((p2p.plan.publishers, p2p.plan.subscribers), (10_000, 10_000));
        assert_eq!(p2p.plan.rate, Some(10_000_000));
        assert!(p2p.notes[0].starts_with("20000 connections instead of 100000"), "{:?}", p2p.notes);
        let share =
            cases(Scale::Enterprise)[3].scaled(([127, 0, 0, 1], 1883).into(), 1_074, Duration::from_secs(1));
        assert_eq!((share.plan.publishers, share.plan.subscribers), (1_000, 10));
        assert_eq!(share.plan.filters_of(1), ["$share/benchmark/test/#"]);
    }
}
