//! What the tab key offers.

use colibri_codec::PacketType;

use super::arguments::{find, option_name, properties};
use super::grammar::{COMMANDS, Verb};

/// Where the word before the cursor begins, and what it can become.
pub(super) fn complete(before_cursor: &str) -> (usize, Vec<String>) {
    let start = before_cursor.rfind([' ', '\t']).map_or(0, |space| space + 1);
    let word = before_cursor.get(start..).unwrap_or_default();
    let mut earlier = before_cursor.get(..start).unwrap_or_default().split_whitespace();
    let mut candidates: Vec<String> = match earlier.next() {
        None => command_names(),
        Some(name) => match find(name) {
            Err(_) => Vec::new(),
            Ok(command) => match command.verb {
                Verb::Help => command_names(),
                Verb::Expect => {
                    let names = PacketType::ALL.into_iter().map(|known| known.name().to_lowercase());
                    names.chain(["close".to_owned()]).collect()
                }
                Verb::Auto => vec!["on".to_owned(), "off".to_owned()],
                Verb::Version => vec!["3.1".to_owned(), "3.1.1".to_owned(), "5.0".to_owned()],
                Verb::Send(_) => {
                    let own = command.arguments.iter().map(|argument| argument.name.to_owned());
                    let properties = properties(command).map(|(id, of_will)| option_name(id, of_will));
                    own.chain(properties).map(|name| format!("{name}=")).collect()
                }
                Verb::Raw
                | Verb::Explain
                | Verb::Open
                | Verb::Close
                | Verb::Wait
                | Verb::Log
                | Verb::Quit => Vec::new(),
            },
        },
    };
    candidates.retain(|candidate| candidate.starts_with(word));
    if let [only] = candidates.as_mut_slice()
        && !only.ends_with('=')
    {
        only.push(' ');
    }
    (start, candidates)
}

fn command_names() -> Vec<String> {
    COMMANDS.iter().map(|command| command.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_a_command_and_the_others_are_its_options() {
        assert_eq!(
            complete("pub"),
            (0, ["publish", "puback", "pubrec", "pubrel", "pubcomp"].map(str::to_owned).to_vec())
        );
        assert_eq!(complete("publish a/b con").1, ["content-type="]);
        assert_eq!(complete("1 will-d").1, ["will-delay-interval="]);
        assert_eq!(complete("sub"), (0, vec!["subscribe ".to_owned()]));
        assert_eq!(complete("expect conn").1, ["connect", "connack"]);
        assert_eq!(complete("frobnicate x").1, Vec::<String>::new());
    }
}
