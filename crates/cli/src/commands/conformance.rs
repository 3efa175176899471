//! `colibri conformance`: tests which statements of the standards a server or a client keeps.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use colibri_codec::Version;
use colibri_conformance::client::{Program, kill_all};
use colibri_conformance::{Progress, Settings};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long an address may take to answer before the next is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// So many cases are a run whose progress is told where no terminal shows it.
const LONG: usize = 100;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The server
    #[arg(value_name = "HOST:PORT", required_unless_present = "client", conflicts_with = "client")]
    server: Option<String>,

    /// Tests a client instead, for which the suite is the server. In its command {verb} becomes pub or sub, and
    /// flags of mosquitto_pub and mosquitto_sub are added: 'mosquitto_{verb}' [default: this colibri]
    #[arg(long, value_name = "COMMAND", num_args = 0..=1)]
    client: Option<Option<String>>,

    /// Only this version, 3.1.1 or 5.0 [default: both]
    #[arg(long, value_name = "VERSION", value_parser = version)]
    version: Option<Version>,

    /// Only the cases of a statement (3.1.0-2) or of an area (will), or the one with this name
    #[arg(long, value_name = "ID|AREA|NAME")]
    filter: Option<String>,

    /// How many seconds an answer may take [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..))]
    patience: Option<u16>,

    /// Looks for the limits of the server with --filter too; without it they are always looked for
    #[arg(long, conflicts_with_all = ["no_limits", "client"])]
    limits: bool,

    /// Does not look for the limits of the server
    #[arg(long)]
    no_limits: bool,

    /// The largest packet sent in search of a limit, in bytes [default: 16777216]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1000..=268_435_455))]
    largest_packet: Option<u32>,

    /// Writes the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Writes the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Writes the report as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// A version that has numbered statements.
fn version(text: &str) -> Result<Version, &'static str> {
    match text {
        "3.1.1" | "311" | "4" => Ok(Version::V3_1_1),
        "5.0" | "5" => Ok(Version::V5),
        _ => Err("the versions are 3.1.1 and 5.0"),
    }
}

/// Runs the suite. The exit code is 0 if every statement tested holds, 1 if one does not, the server
/// cannot be reached, the client cannot be started or a report cannot be written, 2 if the command line is
/// wrong.
pub(crate) fn run(options: &Options) -> ExitCode {
    let settings = match settings(options) {
        Ok(settings) => settings,
        Err(sentence) => {
            eprintln!("colibri conformance: {sentence}");
            return ExitCode::from(2);
        }
    };
    if let Err(sentence) = reports_differ(options) {
        eprintln!("colibri conformance: {sentence}");
        return ExitCode::from(2);
    }
    match judge(options, &settings) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("colibri conformance: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// The files that reports go to, with the flags that name them.
fn report_files(options: &Options) -> impl Iterator<Item = (&'static str, &Path)> {
    let files = [("--json", &options.json), ("--junit", &options.junit), ("--markdown", &options.markdown)];
    files.into_iter().filter_map(|(flag, file)| Some((flag, file.as_deref()?)))
}

/// Checks that each report has a file of its own.
fn reports_differ(options: &Options) -> Result<(), String> {
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, file) in report_files(options) {
        let place = place(file);
        if let Some((other, _)) = seen.iter().find(|(_, before)| *before == place) {
            return Err(format!("{other} and {flag} name the same file, {}", file.display()));
        }
        seen.push((flag, place));
    }
    Ok(())
}

/// A path that is the same for all spellings of a file, whether or not it is there.
fn place(file: &Path) -> PathBuf {
    let beside = || {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new(".")).canonicalize().ok()?;
        Some(folder.join(file.file_name()?))
    };
    file.canonicalize().ok().or_else(beside).unwrap_or_else(|| file.to_owned())
}

/// Checks that a report can be written, before the minute that it takes to come by one. A file that was not
/// there is not left behind; what is no file, such as a pipe, is not opened twice.
fn check_writable(file: &Path) -> Result<(), String> {
    let there = std::fs::metadata(file).ok();
    if there.as_ref().is_some_and(|there| !there.is_file() && !there.is_dir()) {
        return Ok(());
    }
    let opened = OpenOptions::new().append(true).create(true).open(file).map(drop);
    let cleared = opened.and_then(|()| if there.is_none() { std::fs::remove_file(file) } else { Ok(()) });
    cleared.map_err(|error| format!("cannot write {}: {error}", file.display()))
}

fn settings(options: &Options) -> Result<Settings, String> {
    let mut settings = match (&options.client, &options.server) {
        (Some(command), _) => Settings::for_client(program(command.as_deref())?),
        (None, Some(server)) => Settings::new(resolve(server)?),
        (None, None) => return Err("name a server by HOST:PORT, or a client by --client".to_owned()),
    };
    if let Some(version) = options.version {
        settings.versions = vec![version];
    }
    settings.filter.clone_from(&options.filter);
    if let Some(seconds) = options.patience {
        settings.patience = Duration::from_secs(seconds.into());
    }
    settings.limits = !options.no_limits && (options.limits || options.filter.is_none());
    if let Some(bytes) = options.largest_packet {
        settings.packet_bound = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if settings.is_empty() {
        let filter = options.filter.as_deref().unwrap_or_default();
        return Err(format!("no case is about {filter:?}; give a statement such as 3.1.0-2 or an area"));
    }
    Ok(settings)
}

/// The client's command, or our own.
fn program(command: Option<&str>) -> Result<Program, String> {
    let Some(command) = command else {
        let own = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        return Ok(Program::with_subcommands(own, "colibri {verb}"));
    };
    Program::new(command)
}

/// Kills the clients under test when the suite itself is told to end, and ends it.
fn watch_signals() -> Result<(), String> {
    let signals = Signals::new([SIGINT, SIGTERM]);
    let mut signals = signals.map_err(|error| format!("cannot watch for signals: {error}"))?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            kill_all();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// The first address that takes connections: `localhost` has two of them, and a server often only one.
fn resolve(server: &str) -> Result<SocketAddr, String> {
    let addresses = server
        .to_socket_addrs()
        .map_err(|error| format!("{server:?} is no HOST:PORT that can be resolved: {error}"))?;
    let addresses: Vec<SocketAddr> = addresses.collect();
    let answers = |address: &&SocketAddr| TcpStream::connect_timeout(address, CONNECT_TIMEOUT).is_ok();
    let found = addresses.iter().find(answers).or_else(|| addresses.first());
    found.copied().ok_or_else(|| format!("{server:?} has no address"))
}

/// Runs the suite and writes the reports; whether all holds.
fn judge(options: &Options, settings: &Settings) -> Result<bool, String> {
    report_files(options).try_for_each(|(_, file)| check_writable(file))?;
    if options.client.is_some() {
        watch_signals()?;
    }
    let terminal = std::io::stderr().is_terminal();
    let report = colibri_conformance::run(settings, &|progress| show(progress, terminal));
    if terminal {
        eprint!("\r\x1b[K");
    }
    let report = report?;
    write_if(options.json.as_deref(), || report.to_json())?;
    write_if(options.junit.as_deref(), || report.to_junit())?;
    write_if(options.markdown.as_deref(), || report.to_markdown())?;
    match write!(std::io::stdout(), "{report}") {
        // Whoever does not read on still gets the exit code.
        Ok(()) => Ok(report.holds()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(report.holds()),
        Err(error) => Err(format!("cannot write the report: {error}")),
    }
}

/// Writes a report where one was asked for.
fn write_if(path: Option<&Path>, text: impl FnOnce() -> String) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, text()).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// One line that changes on a terminal; in a file a line for each quarter of a long run.
fn show(progress: Progress, terminal: bool) {
    let Progress { done, total, failed } = progress;
    if terminal {
        eprint!("\r\x1b[K{done} of {total} cases, {failed} failed");
    } else if total >= LONG && (done % total.div_ceil(4) == 0 || done == total) {
        eprintln!("{done} of {total} cases, {failed} failed");
    }
}
