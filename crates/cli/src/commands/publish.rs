//! `colibri pub`: publishes messages, with the flags of mosquitto_pub.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, Read};
use std::process::ExitCode;
use std::time::Duration;

use colibri_client::{
    Backoff, Client, Delivery, Ending, OwnedProperties, Property, Publish, PublishError, QoS, ReasonCode,
    Receipt, Status, TopicName,
};
use tokio::sync::mpsc;

use crate::arguments::Arguments;
use crate::connect_options::{ConnectOptions, Taken, qos};
use crate::failure::{Failure, code, complain};
use crate::launch::{answer_help, block_on};

/// What `--help` says before the flags that both commands share.
const HELP: &str = "\
Publishes messages to an MQTT server. The flags are those of mosquitto_pub.

Usage: colibri pub -t TOPIC {-m TEXT | -f FILE | -s | -l | -n} [FLAGS]
       colibri pub -L mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC {-m TEXT | ...} [FLAGS]

What to publish:
  -t, --topic TOPIC        where to publish
  -m, --message TEXT       a message
  -f, --file FILE          the contents of a file as one message
  -s, --stdin-file         all of the standard input as one message
  -l, --stdin-line         each line of the standard input as a message
  -n, --null-message       an empty message
  -q, --qos 0|1|2          how often it arrives: at most, at least, exactly once [0]
  -r, --retain             the server keeps the message for later subscribers
      --repeat N           publish N times in all [1]
      --repeat-delay SECS  wait between them [0]
";

/// The longest message that fits into a packet with some topic, in bytes.
const MESSAGE_MAX: u64 = 268_435_455;

/// How many unfinished messages of `-l` are remembered before the oldest is waited for.
const RECEIPTS_MAX: usize = 1000;

/// How many lines of `-l` are read ahead.
const LINES_AHEAD: usize = 64;

/// Where the messages come from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Text(Vec<u8>),
    File(OsString),
    StandardInput,
    Lines,
    Nothing,
}

/// What the command line says.
#[derive(Debug)]
struct Options {
    connect: ConnectOptions,
    topic: Option<String>,
    source: Option<Source>,
    qos: QoS,
    retain: bool,
    repeat: u64,
    repeat_delay: Duration,
}

/// Runs `colibri pub`.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    if let Some(code) = answer_help("pub", HELP, &arguments) {
        return code;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(failure) => return failure.report(false),
    };
    match block_on(options.publish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(options.connect.quiet),
    }
}

impl Options {
    fn parse(arguments: Vec<OsString>) -> Result<Self, Failure> {
        let mut options = Self {
            connect: ConnectOptions::default(),
            topic: None,
            source: None,
            qos: QoS::AtMostOnce,
            retain: false,
            repeat: 1,
            repeat_delay: Duration::ZERO,
        };
        let mut arguments = Arguments::new(arguments);
        while let Some(flag) = arguments.next_flag()? {
            match options.connect.take(&flag, &mut arguments)? {
                Taken::Yes => {}
                Taken::Topic(topic) => options.topic = Some(topic),
                Taken::No => options.take(&flag, &mut arguments)?,
            }
        }
        Ok(options)
    }

    fn take(&mut self, flag: &str, arguments: &mut Arguments) -> Result<(), Failure> {
        let source = match flag {
            "-m" | "--message" => Source::Text(arguments.bytes()?),
            "-f" | "--file" => Source::File(arguments.path()?),
            "-s" | "--stdin-file" => Source::StandardInput,
            "-l" | "--stdin-line" => Source::Lines,
            "-n" | "--null-message" => Source::Nothing,
            _ => return self.take_other(flag, arguments),
        };
        if self.source.replace(source).is_some() {
            return Err(Failure::usage("only one of -m, -f, -s, -l and -n can be used"));
        }
        Ok(())
    }

    fn take_other(&mut self, flag: &str, arguments: &mut Arguments) -> Result<(), Failure> {
        match flag {
            "-t" | "--topic" => self.topic = Some(arguments.text()?),
            "-q" | "--qos" => self.qos = qos(arguments)?,
            "-r" | "--retain" => self.retain = true,
            "--repeat" => self.repeat = arguments.number(1..=u64::from(u32::MAX))?,
            "--repeat-delay" => {
                self.repeat_delay = Duration::from_secs_f64(arguments.number(0.0..=31_536_000.0)?);
            }
            _ => return Err(arguments.unknown()),
        }
        Ok(())
    }

    async fn publish(&self) -> Result<(), Failure> {
        let Some(topic) = &self.topic else {
            return Err(Failure::usage("there is no topic to publish to; name one with -t"));
        };
        let topic = TopicName::new(topic)
            .map_err(|error| Failure::usage(format!("cannot publish to the topic '{topic}': {error}")))?;
        let payload = match &self.source {
            None => return Err(Failure::usage("there is no message; give one with -m, -f, -s, -l or -n")),
            Some(Source::Lines) => None,
            Some(Source::Text(text)) => Some(text.clone()),
            Some(Source::Nothing) => Some(Vec::new()),
            Some(Source::File(path)) => Some(read_file(path)?),
            Some(Source::StandardInput) => Some(read_standard_input()?),
        };
        // A pipe may be open for months: `-l` outlives a restart of the server.
        let reconnect = payload.is_none().then(Backoff::default);
        let options = self.connect.client_options(reconnect)?;
        let (client, _) = Client::connect(options).await?;
        let outcome = match payload {
            Some(payload) => self.publish_repeatedly(&client, topic, &payload).await,
            None => self.publish_lines(&client, topic).await,
        };
        client.disconnect(ReasonCode::Success, self.connect.properties.disconnect.clone()).await;
        outcome
    }

    async fn publish_repeatedly(
        &self,
        client: &Client,
        topic: TopicName<'_>,
        payload: &[u8],
    ) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for round in 0..self.repeat {
            if round > 0 && !self.repeat_delay.is_zero() {
                tokio::time::sleep(self.repeat_delay).await;
            }
            let delivery = client.publish(self.message(topic, payload.to_vec())).await;
            outcome = outcome.and(self.judge(delivery, client)?);
        }
        outcome
    }

    async fn publish_lines(&self, client: &Client, topic: TopicName<'_>) -> Result<(), Failure> {
        let mut lines = lines();
        let mut receipts: VecDeque<Receipt> = VecDeque::new();
        let mut outcome = Ok(());
        loop {
            let line = tokio::select! {
                line = lines.recv() => line,
                () = client.ended() => return Err(ended(client)),
            };
            let Some(line) = line else { break };
            match client.enqueue(self.message(topic, line?)).await {
                Ok(receipt) => receipts.push_back(receipt),
                Err(error) => outcome = outcome.and(self.judge(Err(error), client)?),
            }
            if receipts.len() >= RECEIPTS_MAX
                && let Some(oldest) = receipts.pop_front()
            {
                outcome = outcome.and(self.judge(oldest.await, client)?);
            }
        }
        for receipt in receipts {
            outcome = outcome.and(self.judge(receipt.await, client)?);
        }
        outcome
    }

    fn message(&self, topic: TopicName<'_>, payload: Vec<u8>) -> Publish {
        let mut message = Publish::new(topic, payload).qos(self.qos);
        if self.retain {
            message = message.retained();
        }
        let mut rest = OwnedProperties::new();
        for property in self.connect.properties.publish.view().iter() {
            match property {
                Property::MessageExpiryInterval(seconds) => message = message.expires_after(seconds),
                // The client numbers aliases itself, for as many topics as the server allows.
                Property::TopicAlias(_) => {}
                other => rest.push(other),
            }
        }
        message.properties(rest)
    }

    /// What a message's fate means: the outer failure ends the command, the inner one only its good name.
    fn judge(
        &self,
        delivery: Result<Delivery, PublishError>,
        client: &Client,
    ) -> Result<Result<(), Failure>, Failure> {
        match delivery {
            Ok(_) => Ok(Ok(())),
            Err(PublishError::Ended) => Err(ended(client)),
            Err(error @ PublishError::Refused { reason, .. }) => {
                let failure = Failure::runtime(reason.number(), error.to_string());
                if self.repeat > 1 || self.source == Some(Source::Lines) {
                    self.warn(&error);
                }
                Ok(Err(failure))
            }
            Err(error) => Err(Failure::runtime(code::FAILURE, advice(&error))),
        }
    }

    fn warn(&self, error: &PublishError) {
        if !self.connect.quiet {
            complain(&format!("Warning: {error}."));
        }
    }
}

/// The error, and how to mend it where there is something to say.
fn advice(error: &PublishError) -> String {
    match error {
        PublishError::NotSupported => format!("{error}; try a lower -q, or without -r"),
        PublishError::Invalid(_)
        | PublishError::TooLarge { .. }
        | PublishError::Expired
        | PublishError::Refused { .. }
        | PublishError::Ended => error.to_string(),
    }
}

fn ended(client: &Client) -> Failure {
    match &*client.status().borrow() {
        Status::Ended(ending) | Status::Waiting { lost: ending, .. } => Failure::from(ending),
        Status::Connected(_) => Failure::from(&Ending::Closed),
    }
}

fn read_file(path: &OsString) -> Result<Vec<u8>, Failure> {
    let shown = path.to_string_lossy();
    let failed = |error| Failure::usage(format!("cannot read the file {shown} given with -f: {error}"));
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut contents = Vec::new();
    file.take(MESSAGE_MAX + 1).read_to_end(&mut contents).map_err(failed)?;
    check_length(contents, &format!("the file {shown}"))
}

fn read_standard_input() -> Result<Vec<u8>, Failure> {
    let mut contents = Vec::new();
    let input = std::io::stdin().lock();
    input.take(MESSAGE_MAX + 1).read_to_end(&mut contents).map_err(unreadable)?;
    if contents.is_empty() {
        return Err(Failure::usage("the standard input is empty; for an empty message use -n"));
    }
    check_length(contents, "the standard input")
}

fn check_length(contents: Vec<u8>, name: &str) -> Result<Vec<u8>, Failure> {
    if contents.len() as u64 > MESSAGE_MAX {
        return Err(Failure::usage(format!(
            "{name} is longer than {MESSAGE_MAX} bytes, which is all that fits"
        )));
    }
    Ok(contents)
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::runtime(code::FAILURE, format!("cannot read the standard input: {error}"))
}

/// The lines of the standard input without their ends, read by a thread of its own that may be left behind.
fn lines() -> mpsc::Receiver<Result<Vec<u8>, Failure>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = (&mut input).take(MESSAGE_MAX + 1).read_until(b'\n', &mut line);
            let line = match read {
                Ok(0) => return,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    check_length(line, "a line")
                }
                Err(error) => Err(unreadable(error)),
            };
            let last = line.is_err();
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::{Options, Source};

    fn parse(list: &[&str]) -> Result<Options, String> {
        Options::parse(list.iter().map(Into::into).collect()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn one_source_only() {
        assert_eq!(parse(&["-m", "x"]).unwrap().source, Some(Source::Text(b"x".to_vec())));
        assert_eq!(parse(&["-n"]).unwrap().source, Some(Source::Nothing));
        assert_eq!(parse(&["-m", "x", "-l"]).unwrap_err(), "only one of -m, -f, -s, -l and -n can be used");
    }

    #[test]
    fn the_url_names_the_topic() {
        assert_eq!(parse(&["-L", "mqtt://host/a/b"]).unwrap().topic.as_deref(), Some("a/b"));
        assert_eq!(parse(&["-L", "mqtt://host/a", "-t", "c"]).unwrap().topic.as_deref(), Some("c"));
    }

    #[test]
    fn flags_of_other_commands_are_unknown() {
        assert_eq!(parse(&["-T", "x"]).unwrap_err(), "there is no option -T, see --help");
        assert_eq!(
            parse(&["x"]).unwrap_err(),
            "'x' stands alone; each value needs its flag before it, see --help"
        );
    }
}
