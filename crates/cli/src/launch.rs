//! What stands around the work of `pub` and `sub`: their runtime and their help.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use crate::failure::{Failure, code};

/// The flags that both commands share, for `--help`.
const SHARED_HELP: &str = "
Where to connect:
  -h, --host HOST          [localhost]
  -p, --port PORT          [1883]
  -L, --url URL            mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC
  -A ADDRESS               the local address to connect from
  -V, --protocol-version 5|3.1.1|3.1   also mqttv5, 311, mqttv311, 4, 31, mqttv31, 3 [5]
  -k, --keepalive SECS     the longest silence; 0 is for ever [60]
      --nodelay            accepted; packets always leave without delay
  -M, --max-inflight N     how many QoS 1 and 2 messages are under way at once [100]

As whom:
  -i, --id ID              client id [colibri- and 16 random characters]
  -I, --id-prefix PREFIX   client id from this and the process id
  -u, --username NAME
  -P, --pw PASSWORD
  -c, --disable-clean-session   keep the session; needs -i
  -x, --session-expiry-interval SECS   how long it is kept; -1 is for ever [-1 with -c, else 0]

What the server publishes when this client is lost:
      --will-topic TOPIC  --will-payload TEXT  --will-qos 0|1|2  --will-retain

Other:
  -D, --property COMMAND NAME VALUE [VALUE]   an MQTT 5.0 property of connect, publish, subscribe,
                           unsubscribe, disconnect or will; user-property takes a name and a value
  -d, --debug              a line for each packet
      --quiet              no messages about what goes wrong on the way
      --help, --version

Exit codes: 0 all went well; 1 a wrong flag, or no connection; 2 the server broke the protocol; 7 the
connection was lost; 19 the server was silent; 27 -W is over; what the server refuses ends with its code.
";

/// Answers `--help` and `--version`, wherever they stand as the first word.
pub(crate) fn answer_help(name: &str, help: &str, arguments: &[OsString]) -> Option<ExitCode> {
    let text = match arguments.first()?.to_str()? {
        "--help" => format!("{help}{SHARED_HELP}"),
        "--version" => format!("colibri {name} {}\n", env!("CARGO_PKG_VERSION")),
        _ => return None,
    };
    // Nobody to read the help is no reason to fail.
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
    Some(ExitCode::SUCCESS)
}

/// Runs a command. The connection has a thread of its own, so that a full pipe or a slow terminal behind
/// stdout does not keep it from answering the server.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::runtime(code::FAILURE, format!("cannot start a thread: {error}")))?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_background();
    outcome
}
