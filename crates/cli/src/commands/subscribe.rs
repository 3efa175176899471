//! `colibri sub`: subscribes and prints what comes, with the flags of mosquitto_sub.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use colibri_client::{
    Backoff, Client, Ending, Message, Messages, OwnedTopicFilter, Publish, QoS, ReasonCode, RequestError,
    Status, SubscribeRequest, SubscriptionOptions, TopicFilter, Version,
};
use jiff::Zoned;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::connect_options::{ConnectOptions, Taken, qos};
use crate::failure::{Failure, code, complain};
use crate::format::{Format, JsonStyle};
use crate::launch::{answer_help, block_on};

/// What `--help` says before the flags that both commands share.
const HELP: &str = "\
Subscribes to topics of an MQTT server and prints what comes. The flags are those of mosquitto_sub.

Usage: colibri sub -t FILTER [-t FILTER ...] [FLAGS]
       colibri sub -L mqtt://[USER[:PASSWORD]@]HOST[:PORT]/FILTER [FLAGS]

What to subscribe to:
  -t, --topic FILTER       may be repeated
  -U, --unsubscribe FILTER give a subscription of an older session up; may be repeated
  -q, --qos 0|1|2          the highest QoS at which messages are to come [0]
      --retain-as-published  messages keep the RETAIN flag they were published with (5.0)
      --no-local           not what this client itself publishes (5.0; not with $share)

What to print:
  -v, --verbose            topic and payload
  -F FORMAT                %t topic, %p payload, %x %X payload in hexadecimal, %l its length, %q QoS,
                           %r retain, %m packet id, %j JSON, %J JSON with a JSON payload, %I ISO time,
                           %U Unix time, @X strftime's %X, @N nanoseconds; of 5.0: %A topic alias,
                           %C content type, %D correlation data, %E message expiry, %F payload format,
                           %P user properties, %R response topic, %S subscription identifier;
                           %-010.5t width and precision; \\n \\t \\r \\0 \\a \\e \\v; %% @@ \\\\
      --pretty             JSON over several lines
  -N                       no line end behind a message
  -T, --filter-out FILTER  not these; may be repeated
  -R                       no retained messages
      --retained-only      only retained messages; ends with the first that is not
      --remove-retained    clears each retained message that comes
      --random-filter PERCENT  only so many of the messages, at random

When to end:
  -C COUNT                 after so many messages
  -W SECONDS               after a time, with exit code 27
  -E                       as soon as the subscriptions stand
";

/// What the command line says.
#[derive(Debug, Default)]
struct Options {
    connect: ConnectOptions,
    topics: Vec<String>,
    filtered_out: Vec<OwnedTopicFilter>,
    unsubscribed: Vec<String>,
    qos: QoS,
    retain_as_published: bool,
    no_local: bool,
    verbose: bool,
    no_line_end: bool,
    format: Option<Format>,
    json: JsonStyle,
    count: Option<u64>,
    timeout: Option<Duration>,
    exit_when_subscribed: bool,
    no_retained: bool,
    retained_only: bool,
    remove_retained: bool,
    /// In percent.
    chance: Option<f64>,
}

/// Runs `colibri sub`.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    if let Some(code) = answer_help("sub", HELP, &arguments) {
        return code;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(failure) => return failure.report(false),
    };
    match block_on(options.subscribe()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(options.connect.quiet),
    }
}

impl Options {
    fn parse(arguments: Vec<OsString>) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut arguments = Arguments::new(arguments);
        while let Some(flag) = arguments.next_flag()? {
            match options.connect.take(&flag, &mut arguments)? {
                Taken::Yes => {}
                Taken::Topic(topic) => options.topics.push(topic),
                Taken::No => options.take(&flag, &mut arguments)?,
            }
        }
        if options.no_retained && options.retained_only {
            return Err(Failure::usage("-R and --retained-only together leave no message to print"));
        }
        if options.topics.is_empty() && options.unsubscribed.is_empty() {
            return Err(Failure::usage("there is no topic to subscribe to; name one with -t"));
        }
        Ok(options)
    }

    fn take(&mut self, flag: &str, arguments: &mut Arguments) -> Result<(), Failure> {
        match flag {
            "-t" | "--topic" => self.topics.push(arguments.text()?),
            "-T" | "--filter-out" => {
                let text = arguments.text()?;
                self.filtered_out.push(filter(&text, "filter out")?.into());
            }
            "-U" | "--unsubscribe" => self.unsubscribed.push(arguments.text()?),
            "-q" | "--qos" => self.qos = qos(arguments)?,
            "--retain-as-published" => self.retain_as_published = true,
            "--no-local" => self.no_local = true,
            "-v" | "--verbose" => self.verbose = true,
            "-N" => self.no_line_end = true,
            "-F" => self.format = Some(Format::parse(&arguments.text()?)?),
            "--pretty" => self.json = JsonStyle::Pretty,
            "-C" => self.count = Some(arguments.number(1..=u64::from(u32::MAX))?),
            "-W" => self.timeout = Some(Duration::from_secs(arguments.number(1..=u64::from(u32::MAX))?)),
            "-E" => self.exit_when_subscribed = true,
            "-R" => self.no_retained = true,
            "--retained-only" => self.retained_only = true,
            "--remove-retained" => self.remove_retained = true,
            "--random-filter" => self.chance = Some(arguments.number(0.1..=100.0)?),
            _ => return Err(arguments.unknown()),
        }
        Ok(())
    }

    /// What the first and only SUBSCRIBE asks for.
    fn request(&self) -> Result<Option<SubscribeRequest>, Failure> {
        if self.no_local && self.connect.version < Version::V5 {
            return Err(Failure::usage("--no-local needs MQTT 5.0"));
        }
        let options = SubscriptionOptions {
            qos: self.qos,
            retain_as_published: self.retain_as_published,
            no_local: self.no_local,
            ..SubscriptionOptions::default()
        };
        let mut request: Option<SubscribeRequest> = None;
        for topic in &self.topics {
            let filter = filter(topic, "subscribe to")?;
            // [v5 MQTT-3.8.3-4]
            if self.no_local && filter.share().is_some() {
                let text = format!("--no-local cannot be used with the shared subscription '{topic}'");
                return Err(Failure::usage(text));
            }
            request = Some(match request {
                None => SubscribeRequest::with_options(filter, options)
                    .properties(self.connect.properties.subscribe.clone()),
                Some(request) => request.and(filter, options),
            });
        }
        Ok(request)
    }

    async fn subscribe(&self) -> Result<(), Failure> {
        let request = self.request()?;
        let unsubscribed: Vec<TopicFilter<'_>> = self
            .unsubscribed
            .iter()
            .map(|text| filter(text, "unsubscribe from"))
            .collect::<Result<_, _>>()?;
        let options = self.connect.client_options(Some(Backoff::default()))?;
        let (client, messages) = Client::connect(options).await?;
        let signals = Signals::new()?;
        let setup = self.set_up(&client, request, &unsubscribed);
        let mut reader = Reader { options: self, client: &client, printed: 0, removals: JoinSet::new() };
        let end = reader.read(messages, setup, signals).await;
        if !matches!(end, End::Lost) {
            while reader.removals.join_next().await.is_some() {}
        }
        let reason = match end {
            // As mosquitto_sub does it: whoever is stopped from outside leaves its will behind.
            End::Stopped | End::TimedOut => ReasonCode::DisconnectWithWillMessage,
            End::Done | End::Lost | End::Failed(_) => ReasonCode::Success,
        };
        client.disconnect(reason, self.connect.properties.disconnect.clone()).await;
        match end {
            End::Done | End::Stopped => Ok(()),
            End::TimedOut => Err(Failure::runtime(code::TIMED_OUT, "the time given with -W is over")),
            End::Failed(failure) => Err(failure),
            End::Lost => Err(match &*client.status().borrow() {
                Status::Ended(ending) | Status::Waiting { lost: ending, .. } => Failure::from(ending),
                Status::Connected(_) => Failure::from(&Ending::Closed),
            }),
        }
    }

    async fn set_up(
        &self,
        client: &Client,
        request: Option<SubscribeRequest>,
        unsubscribed: &[TopicFilter<'_>],
    ) -> Result<(), Failure> {
        if let Some(request) = request {
            let granted = insist(|| client.subscribe(request.clone())).await?;
            self.look_at(&granted)?;
        }
        for filter in unsubscribed {
            let properties = &self.connect.properties.unsubscribe;
            insist(|| client.unsubscribe(std::slice::from_ref(filter), properties.clone())).await?;
        }
        Ok(())
    }

    /// A filter that is refused is worth a warning; if all are there is nothing to wait for.
    fn look_at(&self, granted: &[ReasonCode]) -> Result<(), Failure> {
        let refused = || granted.iter().zip(&self.topics).filter(|(reason, _)| reason.is_failure());
        if refused().count() < granted.len() {
            for (reason, topic) in refused().filter(|_| !self.connect.quiet) {
                complain(&format!(
                    "Warning: the server refused the subscription to '{topic}': {}.",
                    reason.name()
                ));
            }
            return Ok(());
        }
        let reason = granted.first().copied().unwrap_or(ReasonCode::UnspecifiedError);
        let text = format!("the server refused all subscriptions: {}", reason.name());
        Err(Failure::runtime(reason.number(), text))
    }
}

/// Asks again when the connection was lost before the answer.
async fn insist<A: Future<Output = Result<Vec<ReasonCode>, RequestError>>>(
    mut ask: impl FnMut() -> A,
) -> Result<Vec<ReasonCode>, Failure> {
    loop {
        match ask().await {
            Err(RequestError::Lost) => {}
            Err(RequestError::Ended) => std::future::pending().await,
            other => return other.map_err(|error| Failure::runtime(code::FAILURE, error.to_string())),
        }
    }
}

fn filter<'a>(text: &'a str, verb: &str) -> Result<TopicFilter<'a>, Failure> {
    TopicFilter::new(text).map_err(|error| Failure::usage(format!("cannot {verb} '{text}': {error}")))
}

/// Why the reading ended.
#[derive(Debug)]
enum End {
    /// As was asked for, or nobody reads what is printed any more.
    Done,
    /// By SIGINT or SIGTERM.
    Stopped,
    TimedOut,
    Lost,
    Failed(Failure),
}

/// The signals that end the command.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let failed = |error| Failure::runtime(code::FAILURE, format!("cannot watch for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Takes messages until there is a reason to end.
struct Reader<'a> {
    options: &'a Options,
    client: &'a Client,
    /// How many messages counted for `-C`.
    printed: u64,
    /// Messages of `--remove-retained` that are not acknowledged.
    removals: JoinSet<()>,
}

impl Reader<'_> {
    async fn read(
        &mut self,
        mut messages: Messages,
        setup: impl Future<Output = Result<(), Failure>>,
        mut signals: Signals,
    ) -> End {
        let mut setup = std::pin::pin!(setup);
        let mut standing = false;
        let timeout = self.options.timeout;
        let mut time_over = std::pin::pin!(tokio::time::sleep(timeout.unwrap_or_default()));
        loop {
            tokio::select! {
                // Messages come last, so that no flood of them keeps the command from ending.
                biased;
                () = signals.recv() => return End::Stopped,
                () = &mut time_over, if timeout.is_some() => return End::TimedOut,
                outcome = &mut setup, if !standing => match outcome {
                    Err(failure) => return End::Failed(failure),
                    Ok(()) if self.options.exit_when_subscribed => return End::Done,
                    Ok(()) => standing = true,
                },
                message = messages.recv() => match message {
                    None => return End::Lost,
                    Some(message) => {
                        if let Some(end) = self.take(&message) {
                            return end;
                        }
                    }
                },
            }
        }
    }

    /// Deals with one message; says if it was the last.
    fn take(&mut self, message: &Message) -> Option<End> {
        let options = self.options;
        if options.retained_only && !message.retain {
            return Some(End::Done);
        }
        let topic = message.topic();
        if options.filtered_out.iter().any(|filter| colibri_topics::matches(filter.filter(), topic)) {
            return None;
        }
        if options.remove_retained && message.retain {
            let client = self.client.clone();
            let removal = Publish::new(topic, "").qos(QoS::AtLeastOnce).retained();
            let quiet = options.connect.quiet;
            self.removals.spawn(async move {
                if let Err(error) = client.publish(removal).await
                    && !quiet
                {
                    complain(&format!("Warning: a retained message was not removed: {error}."));
                }
            });
        }
        if options.no_retained && message.retain {
            return None;
        }
        let chosen = options.chance.is_none_or(|percent| fastrand::f64() * 100.0 < percent);
        if chosen && let Err(end) = self.print(message) {
            return Some(end);
        }
        self.printed += 1;
        (options.count == Some(self.printed)).then_some(End::Done)
    }

    fn print(&self, message: &Message) -> Result<(), End> {
        let mut line = Vec::new();
        self.options.render(message, &mut line);
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(&line).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(End::Done),
            Err(error) => {
                Err(End::Failed(Failure::runtime(code::FAILURE, format!("cannot write to stdout: {error}"))))
            }
        }
    }
}

impl Options {
    /// What is printed of a message. An empty payload prints nothing at all without `-v` and `-F`.
    fn render(&self, message: &Message, out: &mut Vec<u8>) {
        let topic = message.topic();
        let line_end = !self.no_line_end;
        if let Some(format) = &self.format {
            if format.print(message, &Zoned::now(), self.json, out).is_err() && !self.connect.quiet {
                complain(&format!("Error: the payload on topic {topic} is not valid JSON."));
            }
        } else if message.payload.is_empty() {
            if self.verbose && line_end {
                out.extend_from_slice(format!("{topic} (null)\n").as_bytes());
            }
            return;
        } else {
            if self.verbose {
                out.extend_from_slice(format!("{topic} ").as_bytes());
            }
            out.extend_from_slice(&message.payload);
        }
        if line_end {
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use colibri_client::{Message, TopicName};

    use super::Options;

    fn parse(list: &[&str]) -> Result<Options, String> {
        Options::parse(list.iter().map(Into::into).collect()).map_err(|failure| failure.to_string())
    }

    fn rendered(flags: &[&str], payload: &str) -> String {
        let options = parse(&[&["-t", "#"], flags].concat()).unwrap();
        let mut line = Vec::new();
        options.render(&Message::new(TopicName::new("a/b").unwrap(), payload), &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn what_is_printed_without_a_format() {
        assert_eq!(rendered(&[], "hola"), "hola\n");
        assert_eq!(rendered(&[], ""), "");
        assert_eq!(rendered(&["-N"], "hola"), "hola");
        assert_eq!(rendered(&["-v"], "hola"), "a/b hola\n");
        assert_eq!(rendered(&["-v"], ""), "a/b (null)\n");
        assert_eq!(rendered(&["-v", "-N"], "hola"), "a/b hola");
        assert_eq!(rendered(&["-v", "-N"], ""), "");
        assert_eq!(rendered(&["-F", "%t %p", "-v"], ""), "a/b \n");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (list, said) in [
            (&[][..], "there is no topic to subscribe to; name one with -t"),
            (
                &["-t", "a", "-R", "--retained-only"][..],
                "-R and --retained-only together leave no message to print",
            ),
            (&["-t", "a", "-C", "0"][..], "-C wants a number from 1 to 4294967295, not '0'"),
            (&["-t", "a", "-m", "x"][..], "there is no option -m, see --help"),
            (
                &["-t", "a", "-T", "a#"][..],
                "cannot filter out 'a#': a # must be alone in the last level of a topic filter",
            ),
            (&["-t", "a", "-F", "%z"][..], "-F knows no %z; for a percent sign write %%"),
            (
                &["-t", "a", "--random-filter", "0"][..],
                "--random-filter wants a number from 0.1 to 100, not '0'",
            ),
        ] {
            assert_eq!(parse(list).unwrap_err(), said);
        }
        for (list, said) in [
            (&["-t", "a", "--no-local", "-V", "311"][..], "--no-local needs MQTT 5.0"),
            (
                &["-t", "$share/g/t", "--no-local"],
                "--no-local cannot be used with the shared subscription '$share/g/t'",
            ),
        ] {
            assert_eq!(parse(list).unwrap().request().unwrap_err().to_string(), said);
        }
        let failure = parse(&["-t", "a/#b"]).unwrap().request().unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cannot subscribe to 'a/#b': a # must be alone in the last level of a topic filter"
        );
    }
}
