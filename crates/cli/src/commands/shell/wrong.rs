//! What a command can get wrong, each said in one sentence.

use std::{fmt, io};

use colibri_codec::{EncodeError, PacketType, Version};

use super::grammar::Command;

/// A command that is not written as it must be; nothing was done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wrong {
    /// A quote has no partner.
    OpenQuote,
    /// A backslash stands before something it does not change.
    Escape(Option<char>),
    /// No command has this name.
    UnknownCommand(String),
    /// The name or number of a packet that clients do not send.
    ServerPacket(PacketType),
    /// The command has no such option.
    UnknownOption(&'static Command, String),
    /// The beginning of more than one property.
    AmbiguousOption(&'static Command, String),
    /// An option that stands once stands twice.
    Twice(&'static Command, String),
    /// A word too many.
    TooMany(&'static Command, String),
    /// An argument is missing.
    Missing(&'static Command, &'static str),
    /// A value is not of the form it must have.
    Value(&'static Command, String, &'static str),
    /// Something of 5.0 in an older version.
    OnlyInV5(String, Version),
    /// The codec refuses to write the packet.
    Encode(EncodeError, Version),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote => f.write_str("a quote is opened and not closed: write 'like this'"),
            Self::Escape(Some(letter)) => {
                write!(f, "\\{letter} means nothing: in \"...\" there are \\n, \\r, \\t, \\\" and \\\\")
            }
            Self::Escape(None) => {
                f.write_str("a backslash ends the line: write \\\\ for a backslash in \"...\"")
            }
            Self::UnknownCommand(name) => write!(f, "there is no command {name:?}: help lists them all"),
            Self::ServerPacket(packet_type) => {
                write!(f, "only servers send {packet_type}: raw HEX sends any bytes")
            }
            Self::UnknownOption(command, name) => write!(
                f,
                "{} has no option {name:?} (quote what is no option: '{name}=...'): write {}",
                command.name,
                command.usage()
            ),
            Self::AmbiguousOption(command, name) => {
                write!(f, "{name:?} begins more than one property: help {} lists them", command.name)
            }
            Self::Twice(command, name) => write!(f, "{name} stands twice: write {}", command.usage()),
            Self::TooMany(command, word) => {
                write!(f, "{word:?} is a word too many: write {}", command.usage())
            }
            Self::Missing(command, name) => {
                write!(f, "{} needs {}: write {}", command.name, name.to_uppercase(), command.usage())
            }
            Self::Value(command, name, form) => {
                write!(f, "{name} must be {form}: write {}", command.usage())
            }
            Self::OnlyInV5(name, version) => {
                write!(
                    f,
                    "{name} exists in MQTT 5.0 only and this is {version}: write version 5.0 before connect"
                )
            }
            Self::Encode(error, version) => {
                write!(f, "{error}")?;
                if let EncodeError::Malformed(rule) = error {
                    let prefix = if *version == Version::V5 { "v5" } else { "v3.1.1" };
                    rule.statements(*version).iter().try_for_each(|id| write!(f, " [{prefix} MQTT-{id}]"))?;
                    f.write_str(": raw HEX sends it all the same")?;
                }
                Ok(())
            }
        }
    }
}

/// A command that was right and did not work.
#[derive(Debug)]
pub(super) enum Failed {
    /// There is no connection to send on.
    NotConnected,
    /// A connection could not be made.
    Connect(String, io::Error),
    /// The connection broke while sending.
    Send(io::Error),
    /// A packet that was expected did not come in so many seconds.
    Expected(String, f64),
    /// A packet that was expected can no longer come.
    ExpectedAndClosed(String),
    /// A file could not be written.
    File(String, io::Error),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("there is no connection: connect or open makes one"),
            Self::Connect(peer, error) => write!(f, "no connection to {peer}: {error}"),
            Self::Send(error) => write!(f, "the connection broke while sending: {error}"),
            Self::Expected(what, seconds) => write!(f, "{what} was expected and did not come in {seconds} s"),
            Self::ExpectedAndClosed(what) => {
                write!(f, "{what} was expected and the connection is closed")
            }
            Self::File(path, error) => write!(f, "{path} cannot be written: {error}"),
        }
    }
}

/// Why a command did nothing, or not all that it should.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was written wrongly.
    Wrong(Wrong),
    /// It did not work.
    Failed(Failed),
}

impl Failure {
    /// The exit code of a script that ends because of it.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Wrong(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(wrong) => wrong.fmt(f),
            Self::Failed(failed) => failed.fmt(f),
        }
    }
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}
