//! The command line of `pub` and `sub`, taken apart as mosquitto's programs do: a flag, then its values,
//! whatever they begin with.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::vec::IntoIter;

use crate::failure::Failure;

/// What is left of the command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    rest: IntoIter<OsString>,
    /// The flag whose values are next.
    flag: String,
    /// The value in `--flag=value`.
    inline: Option<OsString>,
}

impl Arguments {
    pub(crate) fn new(arguments: Vec<OsString>) -> Self {
        Self { rest: arguments.into_iter(), flag: String::new(), inline: None }
    }

    /// The next flag, without the value behind a `=`.
    pub(crate) fn next_flag(&mut self) -> Result<Option<String>, Failure> {
        if self.inline.take().is_some() {
            return Err(Failure::usage(format!("{} takes no value", self.flag)));
        }
        let Some(argument) = self.rest.next() else { return Ok(None) };
        let text = argument.to_string_lossy();
        if !text.starts_with('-') || text == "-" {
            let text = format!("'{text}' stands alone; each value needs its flag before it, see --help");
            return Err(Failure::usage(text));
        }
        match text.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => {
                self.flag = flag.to_owned();
                self.inline = Some(OsString::from(value));
            }
            Some(_) | None => self.flag = text.into_owned(),
        }
        Ok(Some(self.flag.clone()))
    }

    /// That the flag is none of this command.
    pub(crate) fn unknown(&self) -> Failure {
        Failure::usage(format!("there is no option {}, see --help", self.flag))
    }

    /// A value that may be any bytes.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        self.value().map(OsString::into_encoded_bytes)
    }

    /// A value that names a file.
    pub(crate) fn path(&mut self) -> Result<OsString, Failure> {
        self.value()
    }

    /// A value that is text.
    pub(crate) fn text(&mut self) -> Result<String, Failure> {
        let value = self.value()?;
        value.into_string().map_err(|_| Failure::usage(format!("the value of {} is not UTF-8", self.flag)))
    }

    /// A value that is a number within bounds.
    pub(crate) fn number<T>(&mut self, bounds: RangeInclusive<T>) -> Result<T, Failure>
    where
        T: FromStr + PartialOrd + Display,
    {
        let text = self.text()?;
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            let (low, high) = (bounds.start(), bounds.end());
            Failure::usage(format!("{} wants a number from {low} to {high}, not '{text}'", self.flag))
        })
    }

    /// The flag itself, for messages about its value.
    pub(crate) fn flag(&self) -> &str {
        &self.flag
    }

    fn value(&mut self) -> Result<OsString, Failure> {
        let value = self.inline.take().or_else(|| self.rest.next());
        value.ok_or_else(|| Failure::usage(format!("{} wants a value behind it", self.flag)))
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn arguments(list: &[&str]) -> Arguments {
        Arguments::new(list.iter().map(Into::into).collect())
    }

    #[test]
    fn a_value_may_look_like_a_flag() {
        let mut arguments = arguments(&["-m", "-n", "--topic", "--"]);
        assert_eq!(arguments.next_flag().unwrap().unwrap(), "-m");
        assert_eq!(arguments.bytes().unwrap(), b"-n");
        assert_eq!(arguments.next_flag().unwrap().unwrap(), "--topic");
        assert_eq!(arguments.text().unwrap(), "--");
        assert!(arguments.next_flag().unwrap().is_none());
    }

    #[test]
    fn a_long_flag_may_have_its_value_behind_an_equals_sign() {
        let mut arguments = arguments(&["--topic=a=b", "--quiet=x", "-d"]);
        assert_eq!(arguments.next_flag().unwrap().unwrap(), "--topic");
        assert_eq!(arguments.text().unwrap(), "a=b");
        assert_eq!(arguments.next_flag().unwrap().unwrap(), "--quiet");
        assert_eq!(arguments.next_flag().unwrap_err().to_string(), "--quiet takes no value");
    }

    #[test]
    fn numbers_have_bounds() {
        let mut arguments = arguments(&["-q", "3", "-q", "two", "-q"]);
        for wrong in ["3", "two"] {
            arguments.next_flag().unwrap();
            let failure = arguments.number(0..=2u8).unwrap_err();
            assert_eq!(failure.to_string(), format!("-q wants a number from 0 to 2, not '{wrong}'"));
        }
        arguments.next_flag().unwrap();
        assert_eq!(arguments.number(0..=2u8).unwrap_err().to_string(), "-q wants a value behind it");
    }
}
