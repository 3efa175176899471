//! `colibri broker`: runs an MQTT server.

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use colibri_broker::{Broker, Config, Durability, QueueFull, Report, SHARDS_MAX, ServerReference, Storage};
use colibri_storage::StoreError;
use colibri_storage::disk::{Disk, DiskOptions};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How many open files the broker asks the system for: one per connection and a few of its own.
const OPEN_FILES_WANTED: u64 = 1 << 20;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to accept connections; may be repeated
    #[arg(long, value_name = "ADDR:PORT", help = "Where to accept connections, e.g. 0.0.0.0:1883 or [::1]:1883; may be repeated", value_parser = parse_listen)]
    listen: Vec<SocketAddr>,
    /// As --listen, for clients whose acknowledgements do not wait for the disk
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    listen_unsynced: Vec<SocketAddr>,
    /// How many shards (threads) share the work; default one per processor
    #[arg(long, value_name = "N", value_parser = parse_shards)]
    shards: Option<usize>,
    /// How many messages with QoS 1 or 2 may wait for one client that is away or slow
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = parse_queue)]
    max_queued_messages: usize,
    /// How many bytes of them; k, M and G stand for KiB, MiB and GiB
    #[arg(long, value_name = "BYTES", default_value = "64M", value_parser = parse_bytes)]
    max_queued_bytes: usize,
    /// How many messages may wait in memory for all clients together, or `unlimited`
    #[arg(long, value_name = "N", default_value = "10000000", value_parser = parse_total)]
    max_queued_messages_total: usize,
    /// How many bytes of them, or `unlimited`
    #[arg(long, value_name = "BYTES", default_value = "1G", value_parser = parse_total)]
    max_queued_bytes_total: usize,
    /// How many messages may wait on the disk alone for all clients together, or `unlimited`
    #[arg(long, value_name = "N", default_value = "10000000", value_parser = parse_total)]
    max_stored_messages_total: usize,
    /// How many bytes of them, or `unlimited`
    #[arg(long, value_name = "BYTES", default_value = "16G", value_parser = parse_total)]
    max_stored_bytes_total: usize,
    /// What happens to one more: refuse it (its publisher gets 0x97, or no acknowledgement before 5.0), drop the
    /// oldest or the newest for that client, or disconnect that client; by-session disconnects a client whose
    /// session ends with its connection, and refuses for one whose session is kept
    #[arg(long, value_name = "POLICY", default_value = "by-session")]
    queue_full: Policy,
    /// The longest keep alive in seconds; a 5.0 client that wants a longer one or none is told this one, an
    /// older one is refused
    #[arg(long, value_name = "SECONDS")]
    max_keepalive: Option<NonZeroU16>,
    /// Refuse payloads that are said to be UTF-8 and are not, with 0x99
    #[arg(long)]
    check_payload_format: bool,
    /// Another server, such as other.example:1883: 5.0 clients are sent there when this one stops
    #[arg(long, value_name = "SERVER", value_parser = parse_reference)]
    server_reference: Option<String>,
    /// Send every client to the other server at once, this time or from now on (0x9C or 0x9D; before 5.0
    /// return code 3)
    #[arg(long, value_name = "HOW", requires = "server_reference")]
    redirect: Option<Redirect>,
    /// Where the broker keeps sessions, the messages that wait for them, and retained messages; made if it
    /// is not there
    #[arg(long, value_name = "DIR", default_value = "colibri-data")]
    data_dir: PathBuf,
    /// Keep everything in memory: what is acknowledged is lost when the broker ends
    #[arg(long, conflicts_with = "data_dir")]
    in_memory: bool,
    /// What an acknowledgement means for what is stored: `sync` survives a crash and power loss, `periodic:MS`
    /// those that come so many milliseconds later, `none` only an orderly end
    #[arg(long, value_name = "HOW", default_value = "sync", value_parser = parse_durability)]
    durability: Durability,
}

/// [`QueueFull`] as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Policy {
    BySession,
    Refuse,
    DropOldest,
    DropNewest,
    Disconnect,
}

/// How clients are sent to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Redirect {
    Temporary,
    Permanent,
}

/// Runs the server until SIGINT or SIGTERM comes.
pub(crate) fn run(options: &Options) -> ExitCode {
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("colibri broker: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> Result<(), String> {
    let mut config = Config::default();
    let default_listener = options.listen.is_empty() && options.listen_unsynced.is_empty();
    if !default_listener {
        config.listeners = [options.listen.as_slice(), &options.listen_unsynced].concat();
    }
    config.unsynced_listeners.clone_from(&options.listen_unsynced);
    if let Some(shards) = options.shards {
        config.shards = shards;
    }
    config.queued_messages_maximum = options.max_queued_messages;
    config.queued_bytes_maximum = options.max_queued_bytes;
    config.queued_messages_total_maximum = options.max_queued_messages_total;
    config.queued_bytes_total_maximum = options.max_queued_bytes_total;
    config.stored_messages_total_maximum = options.max_stored_messages_total;
    config.stored_bytes_total_maximum = options.max_stored_bytes_total;
    config.queue_full = match options.queue_full {
        Policy::BySession => QueueFull::BySession,
        Policy::Refuse => QueueFull::Refuse,
        Policy::DropOldest => QueueFull::DropOldest,
        Policy::DropNewest => QueueFull::DropNewest,
        Policy::Disconnect => QueueFull::Disconnect,
    };
    config.keep_alive_maximum = options.max_keepalive;
    config.check_payload_format = options.check_payload_format;
    config.server_reference = options.server_reference.as_ref().map(|servers| ServerReference {
        servers: servers.clone(),
        is_permanent: options.redirect == Some(Redirect::Permanent),
        redirects: options.redirect.is_some(),
    });
    config.durability = options.durability;
    let storage = if options.in_memory { None } else { Some(open_storage(&options.data_dir)?) };
    // Before the threads start, so that none of them takes the signals.
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| format!("cannot wait for the signals that stop it: {error}"))?;
    let files = rlimit::increase_nofile_limit(OPEN_FILES_WANTED).unwrap_or_default();
    let shards = config.shards;
    let broker = match storage {
        None => Broker::start(config),
        Some(storage) => Broker::start_on(config, storage),
    };
    let broker = broker.map_err(|error| explain_start(&error))?;
    announce(&broker, shards, files, default_listener, options);
    let stopper = broker.stopper();
    let handle = signals.handle();
    let waiter = thread::spawn(move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    });
    let ended = broker.join();
    handle.close();
    if waiter.join().is_err() {
        return Err("the thread that waits for signals has panicked".to_owned());
    }
    ended.map_err(|error| format!("stopped, and not as it should: {error}"))
}

fn explain_start(error: &colibri_broker::StartError) -> String {
    match error {
        colibri_broker::StartError::Listen { address, source }
            if source.kind() == io::ErrorKind::AddrInUse =>
        {
            format!(
                "cannot listen on {address}: another program does; stop it or choose another port with --listen"
            )
        }
        colibri_broker::StartError::Listen { address, source }
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            format!("cannot listen on {address}: not allowed; ports below 1024 are for the administrator")
        }
        other => other.to_string(),
    }
}

/// Says on standard error what a person has to know, a line each.
fn announce(broker: &Broker, shards: usize, files: u64, default_listener: bool, options: &Options) {
    let mut lines = String::new();
    for address in broker.addresses() {
        lines.push_str(&format!("colibri broker: listening on {address} for MQTT 3.1, 3.1.1 and 5.0\n"));
    }
    let threads = if shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") };
    lines.push_str(&format!("colibri broker: {threads}, at most {files} open files"));
    if options.in_memory {
        lines.push_str(", state in memory\n");
    } else {
        let (directory, found) = (options.data_dir.display(), broker.restored());
        lines.push_str(&format!(
            "\ncolibri broker: state in {directory}: {} sessions, {} messages for them, {} retained messages\n",
            found.sessions, found.messages, found.retained
        ));
    }
    if default_listener {
        lines.push_str(
            "colibri broker: only programs on this machine can connect, and all of them may; to open it to a \
             network that you trust, start it with --listen 0.0.0.0:1883 behind a firewall\n",
        );
    }
    // Nobody reading standard error is no reason not to serve, and there is no other place to say so.
    io::stderr().write_all(lines.as_bytes()).unwrap_or_default();
}

/// Opens the store in the data directory.
fn open_storage(directory: &Path) -> Result<Storage, String> {
    let store =
        Disk::open(directory, DiskOptions::default()).map_err(|error| explain_store(directory, &error))?;
    let shown = directory.to_owned();
    let report = move |report: Report<'_>| {
        let line = match report {
            Report::Failed(error) => {
                format!("colibri broker: cannot store anything in {}: {error}\n", shown.display())
            }
            Report::Healed => format!("colibri broker: {} can be written again\n", shown.display()),
            Report::Unreadable(error) => format!("colibri broker: a stored message is lost: {error}\n"),
            Report::Strays { rows, first } => format!(
                "colibri broker: {rows} rows in {} belonged to no session and were deleted, the first: {}\n",
                shown.display(),
                first.detail()
            ),
        };
        // As for the lines at the start.
        io::stderr().write_all(line.as_bytes()).unwrap_or_default();
    };
    Ok(Storage { store: Box::new(store), report: Box::new(report) })
}

fn explain_store(directory: &Path, error: &StoreError) -> String {
    match error {
        StoreError::Io { path, message, .. } => format!(
            "cannot use the data directory {}: {}: {message}; choose another with --data-dir, change its owner, or \
             do without with --in-memory",
            directory.display(),
            path.display()
        ),
        other => other.to_string(),
    }
}

fn parse_durability(text: &str) -> Result<Durability, String> {
    let wrong = || "expected sync, none or periodic:MS with a number of milliseconds from 1".to_owned();
    match text.split_once(':') {
        None if text == "sync" => Ok(Durability::Sync),
        None if text == "none" => Ok(Durability::None),
        Some(("periodic", millis)) => {
            let millis = millis.parse().ok().filter(|millis| *millis > 0).ok_or_else(wrong)?;
            Ok(Durability::Periodic(Duration::from_millis(millis)))
        }
        Some(_) | None => Err(wrong()),
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|_| "expected ADDR:PORT, such as 127.0.0.1:1883, [::1]:1883 or localhost:1883".to_owned())?;
    addresses.next().ok_or_else(|| "the name has no address".to_owned())
}

fn parse_queue(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a number from 1".to_owned())
}

/// A number of bytes from 1, perhaps in KiB, MiB or GiB.
fn parse_bytes(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1), 10),
        Some(b'm' | b'M') => (text.get(..text.len() - 1), 20),
        Some(b'g' | b'G') => (text.get(..text.len() - 1), 30),
        Some(_) | None => (Some(text), 0),
    };
    let count = digits.and_then(|digits| digits.parse::<usize>().ok()).filter(|count| *count > 0);
    let count = count.and_then(|count| count.checked_mul(1 << shift));
    count.ok_or_else(|| "expected a number from 1, perhaps with k, M or G behind it".to_owned())
}

/// A limit for all clients together.
fn parse_total(text: &str) -> Result<usize, String> {
    if text == "unlimited" {
        Ok(usize::MAX)
    } else {
        parse_bytes(text).map_err(|wrong| format!("{wrong}, or unlimited"))
    }
}

fn parse_reference(text: &str) -> Result<String, String> {
    // As long as a string of the protocol may be (section 1.5.4).
    let fits = (1..=usize::from(u16::MAX)).contains(&text.len());
    fits.then(|| text.to_owned()).ok_or_else(|| "expected 1 to 65,535 bytes".to_owned())
}

fn parse_shards(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=SHARDS_MAX).contains(count));
    count.ok_or_else(|| format!("expected a number from 1 to {SHARDS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_is_refused_with_an_example() {
        assert!(parse_listen("127.0.0.1").unwrap_err().contains("127.0.0.1:1883"));
        assert_eq!(parse_listen("127.0.0.1:1").unwrap(), SocketAddr::from(([127, 0, 0, 1], 1)));
    }

    #[test]
    fn shards_are_between_one_and_the_maximum() {
        assert!(parse_shards("0").is_err());
        assert!(parse_shards("65").is_err());
        assert!(parse_shards("many").is_err());
        assert_eq!(parse_shards("64"), Ok(64));
    }

    #[test]
    fn limits_are_numbers_from_one_with_a_unit_or_the_word_unlimited() {
        assert_eq!(parse_bytes("1"), Ok(1));
        assert_eq!(parse_bytes("64M"), Ok(64 << 20));
        assert_eq!((parse_bytes("3k"), parse_bytes("2G")), (Ok(3072), Ok(2 << 30)));
        assert_eq!((parse_total("10"), parse_total("unlimited")), (Ok(10), Ok(usize::MAX)));
        for wrong in ["", "0", "0M", "M", "-1", "1.5M", "many", "99999999999999999999", "99999999999999G"] {
            assert!(parse_bytes(wrong).is_err() && parse_total(wrong).unwrap_err().contains("unlimited"));
        }
        assert!(parse_bytes("unlimited").is_err());
    }

    #[test]
    fn the_limits_of_the_command_line_are_those_of_the_library_unless_it_says_otherwise() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let options = <Line as clap::Parser>::parse_from(["broker"]).options;
        let config = Config::default();
        let of_config = [
            config.queued_messages_maximum,
            config.queued_bytes_maximum,
            config.queued_messages_total_maximum,
            config.queued_bytes_total_maximum,
            config.stored_messages_total_maximum,
            config.stored_bytes_total_maximum,
        ];
        let of_line = [
            options.max_queued_messages,
            options.max_queued_bytes,
            options.max_queued_messages_total,
            options.max_queued_bytes_total,
            options.max_stored_messages_total,
            options.max_stored_bytes_total,
        ];
        assert_eq!(of_line, of_config);
    }

    #[test]
    fn a_data_directory_below_a_file_is_refused_by_name() {
        let message = open_storage(Path::new("/dev/null/colibri")).unwrap_err();
        assert!(message.contains("/dev/null/colibri") && message.contains("--data-dir"), "{message}");
    }

    #[test]
    fn durability_is_a_word_or_a_number_of_milliseconds() {
        assert_eq!(parse_durability("sync"), Ok(Durability::Sync));
        assert_eq!(parse_durability("periodic:50"), Ok(Durability::Periodic(Duration::from_millis(50))));
        for wrong in ["periodic", "periodic:0", "often", "none:1", ""] {
            assert!(parse_durability(wrong).unwrap_err().contains("periodic:MS"));
        }
    }
}
