//! From the command line to the plans of the load generator.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use colibri_bench::{Plan, Scenario, open_files_limit};
use colibri_codec::{QoS, Version};

use super::options::{Common, Conn, Crowd, Listen, One, Rate, Traffic};

/// How long an address may take to answer before the next is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Files that this process needs besides its connections.
const FILES_APART: u64 = 32;
/// The duration of a run that ends with its last message.
const A_DAY: f64 = 86_400.0;

/// `conn`.
pub(super) fn conn(options: &Conn) -> Result<Plan, String> {
    let mut plan = Plan::new(Scenario::Conn, resolve(&options.common)?);
    plan.idle = options.count;
    common(&mut plan, &options.common, 10.0)?;
    Ok(plan)
}

/// `pub`, `pair`, `latency`.
pub(super) fn one(scenario: Scenario, options: &One) -> Result<Plan, String> {
    let mut plan = Plan::new(scenario, resolve(&options.common)?);
    let latency = scenario == Scenario::Latency;
    plan.publishers = options.count.unwrap_or(if latency { 10 } else { 200 });
    if scenario == Scenario::Pair {
        plan.subscribers = plan.publishers;
    }
    traffic(&mut plan, &options.traffic);
    common(&mut plan, &options.common, duration(&options.traffic))?;
    Ok(plan)
}

/// `sub`.
pub(super) fn listen(options: &Listen) -> Result<Plan, String> {
    let mut plan = Plan::new(Scenario::Sub, resolve(&options.common)?);
    plan.subscribers = options.count;
    plan.topic = options.topic.clone();
    plan.qos = QoS::from_number(options.qos).unwrap_or_default();
    common(&mut plan, &options.common, 10.0)?;
    Ok(plan)
}

/// `fanout`, `fanin`, `share`.
pub(super) fn crowd(scenario: Scenario, options: &Crowd) -> Result<Plan, String> {
    let mut plan = Plan::new(scenario, resolve(&options.common)?);
    let (publishers, subscribers) = match scenario {
        Scenario::Fanin => (200, 1),
        Scenario::Share => (200, 5),
        _ => (1, 200),
    };
    plan.publishers = options.publishers.unwrap_or(publishers);
    plan.subscribers = options.subscribers.unwrap_or(subscribers);
    plan.filter.clone_from(&options.filter);
    plan.group.clone_from(&options.group);
    traffic(&mut plan, &options.traffic);
    common(&mut plan, &options.common, duration(&options.traffic))?;
    if scenario == Scenario::Share && plan.version < Version::V5 {
        eprintln!(
            "colibri bench: shared subscriptions are of 5.0; whether the server has them before is its own matter"
        );
    }
    Ok(plan)
}

const fn duration(traffic: &Traffic) -> f64 {
    if traffic.limit.is_some() { A_DAY } else { 10.0 }
}

fn traffic(plan: &mut Plan, traffic: &Traffic) {
    plan.topic = traffic.topic.clone();
    plan.payload = traffic.size;
    plan.qos = QoS::from_number(traffic.qos).unwrap_or_default();
    plan.retain = traffic.retain;
    plan.in_flight = traffic.inflight;
    plan.messages = traffic.limit;
    plan.rate = match traffic.rate {
        Some(Rate::Max) => None,
        Some(Rate::Millihertz(rate)) => Some(rate),
        None => {
            let interval = u64::from(traffic.message_interval.unwrap_or(1000));
            Some((u64::from(plan.publishers) * 1_000_000 / interval).max(1))
        }
    };
}

/// What all plans take from the command line. `duration` is what is measured if nothing is said.
pub(super) fn common(plan: &mut Plan, options: &Common, duration: f64) -> Result<(), String> {
    let span = |seconds: f64| Duration::from_secs_f64(seconds);
    plan.version = options.version.unwrap_or(plan.version);
    plan.user_name.clone_from(&options.username);
    plan.password = options.password.clone().map(String::into_bytes);
    plan.client_id = options.prefix.clone();
    plan.first_number = options.startnumber;
    plan.keep_alive = options.keepalive;
    plan.clean_start = options.clean;
    plan.session_expiry = options.expiry;
    if options.expiry > 0 && plan.version < Version::V5 {
        return Err("--session-expiry (-x) is of 5.0; leave it out or take -V 5".to_owned());
    }
    let by_interval = options.interval.map(|interval| 1_000_000 / u64::from(interval));
    let by_rate = options.connrate.map(|rate| u64::from(rate) * 1_000);
    plan.connect_rate = by_rate.or(by_interval).or(plan.connect_rate);
    plan.connect_timeout = Duration::from_secs(options.connect_timeout.into());
    plan.addresses.clone_from(&options.ifaddr);
    plan.duration = span(options.duration.unwrap_or(duration));
    // So many messages may all be sent before a warm-up is over, and nothing would be measured.
    let warm_up = if plan.messages.is_some() { 0.0 } else { 1.0 };
    plan.warm_up = span(options.warm_up.unwrap_or(warm_up));
    plan.drain = span(options.drain);
    plan.interval = span(options.every.max(0.1));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let processors = u32::try_from(processors).unwrap_or(u32::MAX);
    plan.threads = options.threads.unwrap_or_else(|| (processors / 4).clamp(1, 16));
    plan.spin = !options.no_spin && plan.threads < processors;
    plan.pid = options.pid;
    if let Some(pid) = options.pid.filter(|pid| colibri_bench::Usage::of(*pid).is_none()) {
        return Err(format!(
            "--pid {pid}: /proc tells nothing about such a process; give that of the server"
        ));
    }
    plan.check()
}

/// The first address that takes connections: `localhost` has two of them, and a server often only one.
pub(super) fn resolve(options: &Common) -> Result<SocketAddr, String> {
    let Common { host, port, .. } = options;
    let found = (host.as_str(), *port).to_socket_addrs();
    let addresses: Vec<SocketAddr> =
        found.map_err(|error| format!("--host {host} cannot be resolved: {error}"))?.collect();
    let answers = |address: &&SocketAddr| TcpStream::connect_timeout(address, CONNECT_TIMEOUT).is_ok();
    let found = addresses.iter().find(answers).or_else(|| addresses.first());
    found.copied().ok_or_else(|| format!("--host {host} has no address"))
}

/// How many more files this process may open, after it has asked for all that it may ask for.
pub(super) fn files_left() -> u64 {
    // Where the system refuses, what there is has to do.
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0);
    match open_files_limit() {
        Some((most, open)) => most.saturating_sub(open),
        None => limit,
    }
}

/// That there are files enough for all connections.
pub(super) fn check_files(plan: &Plan) -> Result<(), String> {
    let (wanted, left) = (u64::from(plan.connections()) + FILES_APART, files_left());
    if wanted <= left {
        return Ok(());
    }
    Err(format!(
        "{} connections need {wanted} open files, and this process may open {left} more; raise the limit with \
         `ulimit -n {}`, or take fewer clients",
        plan.connections(),
        wanted + FILES_APART
    ))
}
