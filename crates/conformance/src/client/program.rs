//! How a client is started: a command line that leaves open whether it is to publish or to subscribe.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display, Formatter};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::running::Group;

/// What stands for `pub` or `sub` in a command.
const VERB: &str = "{verb}";

/// What a client is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Publish,
    Subscribe,
}

impl Verb {
    const fn word(self) -> &'static str {
        match self {
            Self::Publish => "pub",
            Self::Subscribe => "sub",
        }
    }
}

/// The command of a client, to which the flags of mosquitto_pub and mosquitto_sub are added.
#[derive(Clone, Debug)]
pub struct Program {
    words: Vec<OsString>,
    shown: String,
}

impl Program {
    /// A command whose words are separated by blanks, such as `mosquitto_{verb}`.
    ///
    /// # Errors
    /// A sentence, if `{verb}` is not in it.
    pub fn new(command: &str) -> Result<Self, String> {
        if !command.contains(VERB) {
            return Err(format!(
                "the command {command:?} of a client needs {VERB}, which becomes pub or sub: 'mosquitto_{VERB}'"
            ));
        }
        let words = command.split_whitespace().map(OsString::from).collect();
        Ok(Self { words, shown: command.to_owned() })
    }

    /// A program whose first argument is `pub` or `sub`, as colibri itself is one.
    pub fn with_subcommands(program: impl AsRef<OsStr>, shown: &str) -> Self {
        Self { words: vec![program.as_ref().to_owned(), VERB.into()], shown: shown.to_owned() }
    }

    /// Whether both commands can be started.
    pub(crate) fn check(&self) -> Result<(), String> {
        for verb in [Verb::Publish, Verb::Subscribe] {
            let mut command = self.command(verb);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            let mut child = command.arg("--help").spawn().map_err(|error| {
                format!("cannot start {}: {error}", command.get_program().to_string_lossy())
            })?;
            // Whether it knows `--help` does not matter, and how it ends does not either. It may be a shell, and what
            // that has started is to end with it.
            drop(Group::new(child.id()));
            child.wait().map_err(|error| format!("cannot wait for the client: {error}"))?;
        }
        Ok(())
    }

    pub(crate) fn command(&self, verb: Verb) -> Command {
        let word = |word: &OsString| match word.to_str() {
            Some(text) => OsString::from(text.replace(VERB, verb.word())),
            None => word.clone(),
        };
        let mut words = self.words.iter().map(word);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
