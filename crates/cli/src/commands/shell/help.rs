//! The answer to `help`.

use super::arguments::{option_name, properties};
use super::grammar::{COMMANDS, Command, Need};

/// A line per command.
pub(super) fn overview() -> String {
    let mut text = String::from("Commands, by name or by the number of their packet:\n");
    for command in COMMANDS {
        let number = command.number().map_or(String::new(), |number| number.to_string());
        text.push_str(&format!("  {number:>2}  {:<12}{}\n", command.name, command.about));
    }
    text.push_str(
        "Arguments are written in their order or as name=value: publish a/b hello 1, publish topic=a/b qos=1.\n\
         5.0 properties are options too: content-type=text/plain user-property=name:value message-expiry=60.\n\
         A name may be cut short while it stays clear. Quote what holds spaces. # begins a comment line.\n\
         help COMMAND says more.\n",
    );
    text
}

/// Everything about one command.
pub(super) fn details(command: &Command) -> String {
    let mut text = format!("{}\n  {}\n", command.usage(), command.about);
    for argument in command.arguments {
        let default = match argument.need {
            Need::Default("") => "; empty if left out".to_owned(),
            Need::Default(value) => format!("; {value} if left out"),
            Need::Required | Need::Optional => String::new(),
        };
        text.push_str(&format!("  {:<21}{}{default}\n", argument.name, argument.about));
    }
    let names = properties(command).map(|(id, of_will)| option_name(id, of_will)).collect::<Vec<_>>();
    if !names.is_empty() {
        text.push_str("  5.0 properties:\n");
    }
    for line in names.chunks(4) {
        text.push_str(&format!("    {}\n", line.join("= ") + "="));
    }
    text
}
