//! What ends a command early: a sentence for people and an exit code for scripts.

use std::fmt;
use std::process::ExitCode;

use colibri_client::{ConnectError, Ending, Evidence, Version, Violation};

/// The exit codes of mosquitto's clients; those not listed are the codes of a CONNACK.
pub(crate) mod code {
    /// A wrong command line, and all that has no code of its own.
    pub(crate) const FAILURE: u8 = 1;
    /// The server broke the protocol.
    pub(crate) const PROTOCOL: u8 = 2;
    /// The connection was lost.
    pub(crate) const LOST: u8 = 7;
    /// The server did not answer a ping.
    pub(crate) const KEEP_ALIVE: u8 = 19;
    /// `-W` was over.
    pub(crate) const TIMED_OUT: u8 = 27;
}

/// What ends a command early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    text: String,
    /// Whether `--quiet` keeps it back: it does not for a wrong command line.
    silenced_by_quiet: bool,
}

impl Failure {
    /// The command line is wrong.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { code: code::FAILURE, text: text.into(), silenced_by_quiet: false }
    }

    /// Something went wrong on the way.
    pub(crate) fn runtime(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), silenced_by_quiet: true }
    }

    /// Says it on stderr and gives the exit code.
    pub(crate) fn report(&self, quiet: bool) -> ExitCode {
        if !(quiet && self.silenced_by_quiet) {
            complain(&format!("Error: {}.", self.text));
        }
        ExitCode::from(self.code)
    }
}

/// One line on stderr. That nobody can read it is no reason to fail in another way.
pub(crate) fn complain(line: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{line}"));
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let code = match &error {
            ConnectError::Refused { code, .. } => *code,
            ConnectError::UnsupportedVersion { evidence: Evidence::Closed, .. }
            | ConnectError::Closed
            | ConnectError::Io(_) => code::LOST,
            ConnectError::UnsupportedVersion { version, .. } => match version {
                Version::V5 => colibri_client::ReasonCode::UnsupportedProtocolVersion.number(),
                Version::V3_1 | Version::V3_1_1 => code::FAILURE,
            },
            ConnectError::Violation(_)
            | ConnectError::ExtendedAuthentication
            | ConnectError::Authentication(_) => code::PROTOCOL,
            ConnectError::Invalid(_)
            | ConnectError::UnknownHost { .. }
            | ConnectError::Bind { .. }
            | ConnectError::Unreachable { .. }
            | ConnectError::TimedOut(_) => code::FAILURE,
        };
        Self::runtime(code, format!("{error}{}", advice(&error)))
    }
}

/// How to mend it, where there is something to say.
const fn advice(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::UnsupportedVersion { version: Version::V5, .. } => "; try again with -V 3.1.1",
        ConnectError::UnsupportedVersion { version: Version::V3_1 | Version::V3_1_1, .. } => {
            "; try again with another -V, one of 5, 3.1.1 and 3.1"
        }
        ConnectError::UnknownHost { .. } => "; name another one with -h",
        ConnectError::Unreachable { .. } => "; is a server running there, and are -h and -p right",
        ConnectError::Bind { .. } => "; give -A an address of this machine",
        ConnectError::Invalid(_)
        | ConnectError::TimedOut(_)
        | ConnectError::Io(_)
        | ConnectError::Closed
        | ConnectError::Refused { .. }
        | ConnectError::Violation(_)
        | ConnectError::ExtendedAuthentication
        | ConnectError::Authentication(_) => "",
    }
}

impl From<&Ending> for Failure {
    fn from(ending: &Ending) -> Self {
        let code = match ending {
            Ending::Asked => code::FAILURE,
            Ending::ByServer { .. } | Ending::Closed | Ending::Io(_) => code::LOST,
            Ending::Violation(Violation::KeepAliveTimeout) => code::KEEP_ALIVE,
            Ending::Violation(_) | Ending::Authentication(_) => code::PROTOCOL,
            Ending::Refused(error) => match error.as_ref() {
                ConnectError::Refused { code, .. } => *code,
                _ => code::FAILURE,
            },
        };
        Self::runtime(code, ending.to_string())
    }
}
