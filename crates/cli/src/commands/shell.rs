//! `colibri shell`: an interactive client that shows every packet, byte by byte.

mod arguments;
mod complete;
mod compose;
mod grammar;
mod help;
mod input;
mod link;
mod orders;
mod screen;
mod session;
mod wire;
mod words;
mod wrong;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use colibri_codec::Version;

use screen::Screen;
use session::{Event, Session};

/// How many events wait for the session; a server that sends faster is slowed down by TCP then.
const EVENTS_MAX: usize = 64;

/// What the command line says.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// The server that `connect` and `open` call.
    #[arg(short = 'h', long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,

    /// Its port.
    #[arg(short, long, value_name = "PORT", default_value_t = 1883)]
    port: u16,

    /// The protocol version: 3.1, 3.1.1 or 5.0.
    #[arg(short = 'V', long = "protocol-version", value_name = "VERSION", default_value = "5.0", value_parser = version)]
    version: Version,

    /// Prints this help.
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// A protocol version, also in the spellings of other MQTT clients.
fn version(text: &str) -> Result<Version, &'static str> {
    match text.strip_prefix("mqttv").unwrap_or(text) {
        "3.1" | "31" | "3" => Ok(Version::V3_1),
        "3.1.1" | "311" | "4" => Ok(Version::V3_1_1),
        "5.0" | "5" => Ok(Version::V5),
        _ => Err("the versions are 3.1, 3.1.1 and 5.0"),
    }
}

/// Runs the shell until its input ends: a person at a terminal, or a script on standard input.
pub(crate) fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let (events, inbox) = sync_channel::<Event>(EVENTS_MAX);
    let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let (prompter, screen) = match interactive {
        true => match input::terminal(events.clone()) {
            Ok((prompter, printer)) => (prompter, Screen::terminal(printer, started)),
            Err(error) => {
                eprintln!("Error: the terminal cannot be used: {error}.");
                return ExitCode::FAILURE;
            }
        },
        false => (input::script(events.clone()), Screen::plain(started)),
    };
    Session::new(options.host.clone(), options.port, options.version, prompter, screen, (events, inbox)).run()
}
