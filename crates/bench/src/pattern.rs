//! Placeholders in topics, client identifiers and user names: `%i`, `%c`, `%u`, `%rand_N`.

use std::fmt;

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `%i`: the number of the client.
    Number,
    /// `%c`: its client identifier.
    ClientId,
    /// `%u`: its user name.
    UserName,
    /// `%rand_N`: a number from 1 to N, drawn once for each client.
    Random(u32),
}

/// What a client has to put into a pattern.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// For `%i`.
    pub number: u32,
    /// For `%c`.
    pub client_id: &'a str,
    /// For `%u`.
    pub user_name: &'a str,
}

/// What follows a `%` is no placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl std::error::Error for PatternError {}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(found) = self;
        write!(f, "'{found}' is no placeholder; there are %i, %c, %u and %rand_N, and %% for a percent sign")
    }
}

impl Pattern {
    /// A text without placeholders.
    pub(crate) fn literal(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.to_owned())] }
    }

    /// Takes a text apart.
    ///
    /// # Errors
    /// [`PatternError`] when a `%` is followed by something unknown.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            plain.push_str(before);
            let (part, length) = match behind.chars().next() {
                Some('%') => {
                    plain.push('%');
                    rest = &behind[1..];
                    continue;
                }
                Some('i') => (Part::Number, 1),
                Some('c') => (Part::ClientId, 1),
                Some('u') => (Part::UserName, 1),
                next => match random(behind) {
                    Some(found) => found,
                    None => {
                        return Err(PatternError(format!("%{}", next.map_or(String::new(), String::from))));
                    }
                },
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
            rest = &behind[length..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The text for one client.
    pub fn fill(&self, names: &Names<'_>) -> String {
        let fill = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Number => names.number.to_string(),
            Part::ClientId => names.client_id.to_owned(),
            Part::UserName => names.user_name.to_owned(),
            Part::Random(most) => {
                // Drawn from the client's number, so that its subscriber finds the same.
                fastrand::Rng::with_seed(u64::from(names.number)).u32(1..=*most).to_string()
            }
        };
        self.parts.iter().map(fill).collect()
    }

    /// Whether all clients get the same text.
    pub fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether `%c` is in it.
    pub fn names_client_id(&self) -> bool {
        self.parts.contains(&Part::ClientId)
    }

    /// A topic filter for the topics of all clients: each level with a placeholder becomes `+`.
    pub fn filter(&self) -> String {
        // No topic has a NUL, so that it can stand for a placeholder.
        let mark = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Number | Part::ClientId | Part::UserName | Part::Random(_) => "\0".to_owned(),
        };
        let text: String = self.parts.iter().map(mark).collect();
        let levels = text.split('/').map(|level| if level.contains('\0') { "+" } else { level });
        levels.collect::<Vec<_>>().join("/")
    }
}

/// `rand_N` at the front of a text.
fn random(text: &str) -> Option<(Part, usize)> {
    let digits = text.strip_prefix("rand_")?;
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let most: u32 = digits.get(..length)?.parse().ok().filter(|most| *most > 0)?;
    Some((Part::Random(most), "rand_".len() + length))
}

#[cfg(test)]
mod tests {
    use super::{Names, Pattern};

    fn fill(text: &str) -> String {
        let names = Names { number: 7, client_id: "me", user_name: "ana" };
        Pattern::parse(text).unwrap().fill(&names)
    }

    #[test]
    fn placeholders_are_filled() {
        assert_eq!(fill("a/%i/%c/%u"), "a/7/me/ana");
        assert_eq!(fill("%i%i"), "77");
        assert_eq!(fill("100%%"), "100%");
        assert_eq!(fill(""), "");
    }

    #[test]
    fn a_random_number_stays_the_same_for_a_client() {
        let number: u32 = fill("%rand_10").parse().unwrap();
        assert!((1..=10).contains(&number));
        assert_eq!(fill("x%rand_10y"), format!("x{number}y"));
    }

    #[test]
    fn what_is_no_placeholder_is_said() {
        for (text, said) in
            [("%s", "'%s' is"), ("%", "'%' is"), ("%rand_0", "'%r' is"), ("%rand_", "'%r' is")]
        {
            let error = Pattern::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn the_filter_has_a_wildcard_for_each_level_that_differs() {
        let filter = |text| Pattern::parse(text).unwrap().filter();
        assert_eq!(filter("bench/%i/data"), "bench/+/data");
        assert_eq!(filter("bench/x%i-%u"), "bench/+");
        assert_eq!(filter("bench/all"), "bench/all");
    }
}
