//! From words to a command with its arguments.

use colibri_codec::{PacketType, PropertyId};

use super::grammar::{Argument, COMMANDS, Command, Need};
use super::words::Word;
use super::wrong::Wrong;

/// A command with what was given to it.
#[derive(Debug, PartialEq)]
pub(super) struct Arguments {
    /// Which command.
    pub(super) command: &'static Command,
    given: Vec<(&'static str, String)>,
    /// Its properties in the order given, with their names as written.
    pub(super) properties: Vec<Given>,
}

/// A property given as an option.
#[derive(Debug, PartialEq)]
pub(super) struct Given {
    /// Which property.
    pub(super) id: PropertyId,
    /// Whether it belongs to the will.
    pub(super) of_will: bool,
    /// Its value as written.
    pub(super) value: String,
}

/// The command with this name, number, or name of the packet it sends.
pub(super) fn find(name: &str) -> Result<&'static Command, Wrong> {
    let lower = name.to_lowercase();
    let lower = if lower == "exit" { "quit" } else { lower.as_str() };
    if let Some(command) = COMMANDS.iter().find(|command| command.name == lower) {
        return Ok(command);
    }
    let packet_type = packet_type(lower).ok_or_else(|| Wrong::UnknownCommand(name.to_owned()))?;
    let number = Some(packet_type.number());
    COMMANDS.iter().find(|command| command.number() == number).ok_or(Wrong::ServerPacket(packet_type))
}

/// The packet type with this name or number.
pub(super) fn packet_type(name: &str) -> Option<PacketType> {
    match name.parse::<u8>() {
        Ok(number) => PacketType::from_number(number),
        Err(_) => PacketType::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name)),
    }
}

/// How a property is called as an option: `content-type`, `will-content-type`.
pub(super) fn option_name(id: PropertyId, of_will: bool) -> String {
    let name = id.name().to_lowercase().replace(' ', "-");
    if of_will && id != PropertyId::WillDelayInterval { format!("will-{name}") } else { name }
}

/// The properties that a command takes.
pub(super) fn properties(command: &Command) -> impl Iterator<Item = (PropertyId, bool)> {
    let own = PropertyId::ALL.into_iter().filter(|id| command.properties.contains(*id)).map(|id| (id, false));
    let will = PropertyId::ALL.into_iter().filter(|id| command.will_properties.contains(*id));
    own.chain(will.map(|id| (id, true)))
}

impl Arguments {
    /// Sorts the words behind a command's name.
    pub(super) fn parse(command: &'static Command, words: Vec<Word>) -> Result<Self, Wrong> {
        let mut arguments = Self { command, given: Vec::new(), properties: Vec::new() };
        for word in words {
            let option = match word.quoted {
                true => None,
                false => word.text.split_once('=').filter(|(name, _)| is_option_name(name)),
            };
            match option {
                Some((name, value)) => arguments.option(name, value)?,
                None => arguments.place(word.text)?,
            }
        }
        Ok(arguments)
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        let command = self.command;
        if let Some(argument) = command.arguments.iter().find(|argument| argument.name == name) {
            if !argument.several && self.has(argument.name) {
                return Err(Wrong::Twice(command, name.to_owned()));
            }
            self.set(argument, value.to_owned());
            return Ok(());
        }
        let mut exact = properties(command).filter(|(id, will)| option_name(*id, *will) == name);
        let mut longer = properties(command).filter(|(id, will)| option_name(*id, *will).starts_with(name));
        let (id, of_will) = match (exact.next(), longer.next(), longer.next()) {
            (Some(found), ..) | (None, Some(found), None) => found,
            (None, None, _) => return Err(Wrong::UnknownOption(command, name.to_owned())),
            (None, Some(_), Some(_)) => return Err(Wrong::AmbiguousOption(command, name.to_owned())),
        };
        self.properties.push(Given { id, of_will, value: value.to_owned() });
        Ok(())
    }

    /// A word without a name goes to the first place that is free; the last one may take several.
    fn place(&mut self, text: String) -> Result<(), Wrong> {
        let mut places = self.command.arguments.iter().filter(|argument| argument.placed).peekable();
        while let Some(argument) = places.next() {
            let last = places.peek().is_none();
            if !self.has(argument.name) || (last && argument.several) {
                self.set(argument, text);
                return Ok(());
            }
        }
        Err(Wrong::TooMany(self.command, text))
    }

    /// Gives an argument a value.
    pub(super) fn set(&mut self, argument: &'static Argument, value: String) {
        self.given.push((argument.name, value));
    }

    fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// What a terminal has to be asked for: everything if nothing was given, else only what is required.
    pub(super) fn to_ask(&self) -> Vec<&'static Argument> {
        let alone = self.given.is_empty() && self.properties.is_empty();
        let wanted = |argument: &&Argument| match argument.need {
            Need::Required => !self.has(argument.name),
            Need::Default(_) | Need::Optional => alone && argument.asked,
        };
        // One of required arguments makes the command ask for the others too.
        let asks = self.command.arguments.iter().filter(wanted).collect::<Vec<_>>();
        let some_asked = self.command.arguments.iter().any(|argument| argument.asked);
        if some_asked { asks } else { Vec::new() }
    }

    /// The value of an argument: as given, or its default.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let given = self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str());
        given.or_else(|| {
            self.command.arguments.iter().find(|argument| argument.name == name).and_then(|argument| {
                match argument.need {
                    Need::Default(value) => Some(value),
                    Need::Required | Need::Optional => None,
                }
            })
        })
    }

    /// The value of an argument as given.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// All values of an argument that may stand more than once; at least one.
    pub(super) fn several(&self, name: &'static str) -> Result<Vec<&str>, Wrong> {
        let values = self.given.iter().filter(|(given, _)| *given == name).map(|(_, value)| value.as_str());
        let values = values.collect::<Vec<_>>();
        if values.is_empty() { Err(Wrong::Missing(self.command, name)) } else { Ok(values) }
    }

    /// The value of an argument that cannot be left out.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Wrong> {
        self.get(name).ok_or(Wrong::Missing(self.command, name))
    }

    /// An argument as a number, decimal or with 0x before it.
    pub(super) fn number(&self, name: &'static str) -> Result<u16, Wrong> {
        let form = "a number from 0 to 65535";
        number(self.required(name)?).ok_or_else(|| self.wrong(name, form))
    }

    /// An argument that is yes or no.
    pub(super) fn yes(&self, name: &'static str) -> Result<bool, Wrong> {
        yes(self.required(name)?).ok_or_else(|| self.wrong(name, "yes or no"))
    }

    /// An argument that is a time in seconds.
    pub(super) fn seconds(&self, name: &'static str) -> Result<f64, Wrong> {
        let seconds = self.required(name)?.parse::<f64>().ok();
        // More than a day is a slip of the finger.
        let sensible = seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds));
        sensible.ok_or_else(|| self.wrong(name, "a number of seconds from 0 to 86400"))
    }

    /// An argument that is hex digits, over all its words.
    pub(super) fn hex(&self, name: &'static str) -> Result<Vec<u8>, Wrong> {
        hex(&self.several(name)?.concat()).ok_or_else(|| self.wrong(name, "pairs of hex digits"))
    }

    /// A value that does not have the form it must have.
    pub(super) fn wrong(&self, name: &str, form: &'static str) -> Wrong {
        Wrong::Value(self.command, name.to_owned(), form)
    }
}

/// Whether the part before an `=` can be the name of an option.
fn is_option_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// A number, decimal or with 0x before it.
pub(super) fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    T::try_from(value).ok()
}

/// Yes or no in the usual words.
pub(super) fn yes(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "on" | "true" | "1" => Some(true),
        "no" | "n" | "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// Bytes from pairs of hex digits; spaces, colons and a 0x before a pair are passed over.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.replace("0x", "");
    let digits = digits.chars().filter(|letter| !matches!(letter, ' ' | '\t' | ':' | ','));
    let digits = digits.map(|digit| digit.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    pairs.collect()
}
