//! A line of input, taken apart into words.

use super::wrong::Wrong;

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Its text, without quotes.
    pub(super) text: String,
    /// Whether it begins with a quote, so that an `=` in it does not make it an option.
    pub(super) quoted: bool,
}

/// The words of a line; none for an empty line and for a comment, which begins with `#`.
///
/// Words are separated by spaces. `'...'` takes everything as it is; `"..."` also knows `\n`, `\r`, `\t`,
/// `\"` and `\\`.
pub(super) fn split(line: &str) -> Result<Vec<Word>, Wrong> {
    let line = line.trim();
    if line.starts_with('#') {
        return Ok(Vec::new());
    }
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => words.extend(word.take()),
            '"' | '\'' => {
                let word = word.get_or_insert(Word { text: String::new(), quoted: true });
                quoted(letter, &mut letters, &mut word.text)?;
            }
            _ => word.get_or_insert(Word { text: String::new(), quoted: false }).text.push(letter),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads up to the closing quote.
fn quoted(quote: char, letters: &mut std::str::Chars<'_>, text: &mut String) -> Result<(), Wrong> {
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote == '"' => match letters.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(same @ ('"' | '\\')) => text.push(same),
                other => return Err(Wrong::Escape(other)),
            },
            _ if letter == quote => return Ok(()),
            _ => text.push(letter),
        }
    }
    Err(Wrong::OpenQuote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_separated_by_spaces_and_held_together_by_quotes() {
        assert_eq!(texts("publish  a/b 'x y' \"p\\\"q\\n\""), ["publish", "a/b", "x y", "p\"q\n"]);
        assert_eq!(texts("payload=\"x y\" ''"), ["payload=x y", ""]);
    }

    #[test]
    fn a_comment_has_no_words_but_a_wildcard_is_one() {
        assert!(texts("  # a comment").is_empty());
        assert_eq!(texts("subscribe #"), ["subscribe", "#"]);
    }

    #[test]
    fn an_open_quote_and_an_unknown_escape_are_refused() {
        assert_eq!(split("publish 'x"), Err(Wrong::OpenQuote));
        assert_eq!(split("publish \"\\q\""), Err(Wrong::Escape(Some('q'))));
    }
}
