//! The shell's one thread of thought: it takes lines and packets in the order in which they come.

use std::io;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use colibri_codec::{PacketId, PacketType, Version};

use super::arguments::{self, Arguments};
use super::grammar::Argument;
use super::input::{Input, Prompter};
use super::link::{Link, LinkEvent};
use super::screen::Screen;
use super::words;
use super::wrong::{Failed, Failure};

/// How long a script waits at its end for the answers that are still to come.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// The prompt of a terminal.
const PROMPT: &str = "colibri> ";

/// What happens to the shell.
#[derive(Debug)]
pub(super) enum Event {
    /// A line, or the end of them.
    Input(Input),
    /// Something from the connection with this number.
    Link(u64, LinkEvent),
}

/// What one step of waiting brought.
enum Step {
    Input(Input),
    /// Something came over the connection.
    Heard,
    TimeUp,
}

/// What becomes of the shell after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It takes the next one.
    Go,
    /// It ends.
    Quit,
}

/// A count for each packet type.
#[derive(Debug, Default)]
pub(super) struct Tally {
    packets: [u32; 16],
}

impl Tally {
    /// The count of one type; place 0 counts closed connections, which have no type.
    pub(super) fn of(&mut self, packet_type: Option<PacketType>) -> Option<&mut u32> {
        self.packets.get_mut(packet_type.map_or(0, |known| usize::from(known.number())))
    }

    /// One more.
    pub(super) fn add(&mut self, packet_type: Option<PacketType>) {
        if let Some(count) = self.of(packet_type) {
            *count = count.saturating_add(1);
        }
    }

    /// One less; `false` if there was none.
    pub(super) fn take(&mut self, packet_type: Option<PacketType>) -> bool {
        match self.of(packet_type) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    fn sum(&self) -> u32 {
        self.packets.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Everything the shell knows.
pub(super) struct Session {
    pub(super) host: String,
    pub(super) port: u16,
    /// The version of the next CONNECT.
    pub(super) version: Version,
    /// Whether acknowledgements and pings are sent by themselves.
    pub(super) auto: bool,
    /// The next Packet Identifier that is ours to use; there always is one.
    pub(super) next_id: Option<PacketId>,
    pub(super) talk: Talk,
    pub(super) link: Option<Link>,
    pub(super) links_opened: u64,
    prompter: Prompter,
    screen: Screen,
    /// Nobody reads the output any more.
    screen_gone: bool,
    pub(super) events: SyncSender<Event>,
    inbox: Receiver<Event>,
    lines_read: u64,
}

/// What is known of the present connection.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// The version of the CONNECT sent.
    pub(super) version: Option<Version>,
    /// Whether a CONNACK accepted the connection.
    pub(super) accepted: bool,
    /// Whether we have sent DISCONNECT and nothing may follow.
    pub(super) ending: bool,
    /// The Keep Alive in force, in seconds; 0 is off.
    pub(super) keep_alive: u16,
    pub(super) last_sent: Option<Instant>,
    /// The beginning of a packet, of which `raw` sent no more yet.
    pub(super) unfinished: Vec<u8>,
    /// Packets that came and that no `expect` has claimed.
    pub(super) unclaimed: Tally,
    /// Answers that are to come.
    pub(super) awaited: Tally,
    /// How much came since a command sent something, or since the last `wait`.
    pub(super) heard: u64,
    /// The Packet Identifier that waits for an acknowledgement by hand.
    pub(super) owed: Option<PacketId>,
}

impl Session {
    pub(super) fn new(
        host: String,
        port: u16,
        version: Version,
        prompter: Prompter,
        screen: Screen,
        (events, inbox): (SyncSender<Event>, Receiver<Event>),
    ) -> Self {
        Self {
            host,
            port,
            version,
            auto: true,
            next_id: PacketId::new(1),
            talk: Talk::default(),
            link: None,
            links_opened: 0,
            prompter,
            screen,
            screen_gone: false,
            events,
            inbox,
            lines_read: 0,
        }
    }

    /// Takes commands until there are no more.
    pub(super) fn run(mut self) -> ExitCode {
        if self.prompter.interactive {
            let (version, host, port) = (self.version, self.host.clone(), self.port);
            self.say(&format!("MQTT {version} to {host}:{port}. help lists the commands, quit ends."));
        }
        while !self.screen_gone {
            match self.ask(PROMPT) {
                Input::Interrupted => {}
                Input::End => {
                    if !self.prompter.interactive {
                        self.await_last_answers();
                    }
                    break;
                }
                Input::Line(line) => {
                    self.lines_read += 1;
                    match self.obey(&line) {
                        Ok(Next::Go) => {}
                        Ok(Next::Quit) => break,
                        Err(failure) if self.prompter.interactive => self.complain(&failure.to_string()),
                        Err(failure) => {
                            self.complain(&format!("line {}: {failure}", self.lines_read));
                            return ExitCode::from(failure.exit_code());
                        }
                    }
                }
            }
        }
        self.hang_up();
        self.screen.flush();
        ExitCode::SUCCESS
    }

    /// Does what one line says.
    fn obey(&mut self, line: &str) -> Result<Next, Failure> {
        let mut words = words::split(line)?.into_iter();
        let Some(name) = words.next() else { return Ok(Next::Go) };
        let command = arguments::find(&name.text)?;
        let mut arguments = Arguments::parse(command, words.collect())?;
        if self.prompter.interactive {
            for argument in arguments.to_ask() {
                if argument.name == "password" && arguments.given("user").is_none() {
                    continue;
                }
                match self.ask_for(argument) {
                    Input::Line(value) if value.is_empty() => {}
                    Input::Line(value) => arguments.set(argument, value),
                    Input::Interrupted => return Ok(Next::Go),
                    Input::End => return Ok(Next::Quit),
                }
            }
        }
        self.execute(&arguments)
    }

    /// Asks a person for one argument; an empty line means the default.
    fn ask_for(&mut self, argument: &'static Argument) -> Input {
        let owed = self.talk.owed.filter(|_| argument.name == "id").map(|id| id.to_string());
        let default = match argument.need {
            super::grammar::Need::Default(value) => value.to_owned(),
            super::grammar::Need::Required => owed.clone().unwrap_or_default(),
            super::grammar::Need::Optional => String::new(),
        };
        let default = if default.is_empty() { default } else { format!(" [{default}]") };
        match (self.ask(&format!("  {} ({}){default}: ", argument.name, argument.about)), owed) {
            (Input::Line(line), Some(owed)) if line.trim().is_empty() => Input::Line(owed),
            (Input::Line(line), _) => Input::Line(line.trim().to_owned()),
            (other, _) => other,
        }
    }

    /// Asks for a line and takes in packets until it comes.
    fn ask(&mut self, prompt: &str) -> Input {
        self.screen.flush();
        if !self.prompter.ask(prompt) {
            return Input::End;
        }
        loop {
            if let Step::Input(input) = self.step(None) {
                return input;
            }
        }
    }

    /// Waits for one event; pings when it is time to.
    fn step(&mut self, deadline: Option<Instant>) -> Step {
        loop {
            let ping = self.ping_due();
            let wake = [deadline, ping].into_iter().flatten().min();
            let event = match wake {
                Some(wake) => self.inbox.recv_timeout(wake.saturating_duration_since(Instant::now())),
                None => self.inbox.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(Event::Input(input)) => return Step::Input(input),
                Ok(Event::Link(number, event)) => {
                    // What an earlier connection still has to say is of no interest.
                    if self.link.as_ref().is_some_and(|link| link.number == number) {
                        self.on_link(event);
                        return Step::Heard;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    if deadline.is_some_and(|deadline| deadline <= now) {
                        return Step::TimeUp;
                    }
                    if ping.is_some_and(|due| due <= now) {
                        self.ping();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Step::Input(Input::End),
            }
        }
    }

    /// Waits until something has come since the last command that sent something.
    pub(super) fn wait(&mut self, seconds: f64) {
        let deadline = Instant::now() + Duration::from_secs_f64(seconds);
        while self.talk.heard == 0 {
            if self.link.is_none() {
                return self.say("There is no connection to wait for.");
            }
            if matches!(self.step(Some(deadline)), Step::TimeUp) {
                return self.say(&format!("Nothing came in {seconds} s."));
            }
        }
        self.talk.heard = 0;
    }

    /// Waits until a packet of this type has come; `None` is the end of the connection.
    pub(super) fn expect(&mut self, wanted: Option<PacketType>, seconds: f64) -> Result<(), Failure> {
        let name = || wanted.map_or("the end of the connection", PacketType::name).to_owned();
        let deadline = Instant::now() + Duration::from_secs_f64(seconds);
        while !self.talk.unclaimed.take(wanted) {
            if self.link.is_none() {
                return Err(Failed::ExpectedAndClosed(name()).into());
            }
            if matches!(self.step(Some(deadline)), Step::TimeUp) {
                return Err(Failed::Expected(name(), seconds).into());
            }
        }
        Ok(())
    }

    /// At the end of a script: gives the answers that are to come time to come.
    fn await_last_answers(&mut self) {
        let deadline = Instant::now() + LAST_ANSWERS;
        while self.link.is_some() && self.talk.awaited.sum() > 0 {
            if matches!(self.step(Some(deadline)), Step::TimeUp) {
                let missing = self.talk.awaited.sum();
                self.say(&format!(
                    "Not everything was answered in {} s: {missing} still to come.",
                    LAST_ANSWERS.as_secs()
                ));
                break;
            }
        }
    }

    /// Prints a sentence with the time.
    pub(super) fn say(&mut self, sentence: &str) {
        let result = self.screen.say(sentence);
        self.note_screen(&result);
    }

    /// Prints a sentence about something that went wrong.
    pub(super) fn complain(&mut self, sentence: &str) {
        let result = self.screen.complain(sentence);
        self.note_screen(&result);
    }

    /// Prints what `make` makes.
    pub(super) fn show(&mut self, make: impl Fn(&dyn crate::anatomy::Paint) -> String) {
        let result = self.screen.show(make);
        self.note_screen(&result);
    }

    /// The time that stands in a heading.
    pub(super) fn clock(&self) -> String {
        self.screen.clock()
    }

    /// Copies the output to a file, or no longer.
    pub(super) fn log(&mut self, path: Option<&str>) -> io::Result<()> {
        self.screen.log(path)
    }

    /// Output that nobody takes ends the shell, as it ends other programs in a pipe.
    fn note_screen(&mut self, result: &io::Result<()>) {
        self.screen_gone |= result.is_err();
    }
}
