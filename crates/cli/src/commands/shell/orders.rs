//! What each command does.

use colibri_codec::{PacketId, PacketType};

use crate::anatomy::{Sender, Shade, dissect, pieces};

use super::arguments::{self, Arguments};
use super::compose::{Setting, compose};
use super::grammar::Verb;
use super::help;
use super::session::{Next, Session};
use super::wire::Cause;
use super::wrong::{Failed, Failure};

impl Session {
    /// Carries out one command.
    pub(super) fn execute(&mut self, arguments: &Arguments) -> Result<Next, Failure> {
        match arguments.command.verb {
            Verb::Send(packet_type) => self.send(arguments, packet_type)?,
            Verb::Raw => {
                let bytes = arguments.hex("hex")?;
                self.transmit(&bytes, Cause::Command)?;
            }
            Verb::Explain => self.explain(&arguments.hex("hex")?),
            Verb::Open => {
                if let Some(host) = arguments.given("host") {
                    self.host = host.to_owned();
                }
                if arguments.given("port").is_some() {
                    self.port = arguments.number("port")?;
                }
                self.open()?;
            }
            Verb::Close if self.link.is_none() => return Err(Failed::NotConnected.into()),
            Verb::Close => self.hang_up(),
            Verb::Wait => self.wait(arguments.seconds("seconds")?),
            Verb::Expect => {
                let wanted = match arguments.required("packet")? {
                    "close" => None,
                    name => Some(arguments::packet_type(name).ok_or_else(|| {
                        arguments.wrong("packet", "the name or number of a packet, or close")
                    })?),
                };
                self.expect(wanted, arguments.seconds("seconds")?)?;
            }
            Verb::Auto => self.auto(arguments)?,
            Verb::Version => self.choose_version(arguments)?,
            Verb::Log => {
                let path = arguments.required("file")?;
                let wanted = Some(path).filter(|path| *path != "off");
                self.log(wanted).map_err(|error| Failed::File(path.to_owned(), error))?;
            }
            Verb::Help => {
                let text = match arguments.given("command") {
                    Some(name) => help::details(arguments::find(name)?),
                    None => help::overview(),
                };
                self.show(|_| text.clone());
            }
            Verb::Quit => return Ok(Next::Quit),
        }
        Ok(Next::Go)
    }

    /// Sends the packet of a command.
    fn send(&mut self, arguments: &Arguments, packet_type: PacketType) -> Result<(), Failure> {
        let version = match packet_type {
            PacketType::Connect => self.version,
            _ => self.speaks(),
        };
        let setting = Setting { version, next_id: self.next_id };
        let bytes = compose(arguments, packet_type, setting)?;
        if packet_type == PacketType::Connect && (self.link.is_none() || self.talk.ending) {
            self.open()?;
        }
        self.transmit(&bytes, Cause::Command)?;
        let took_next_id = match packet_type {
            PacketType::Subscribe | PacketType::Unsubscribe => true,
            PacketType::Publish => arguments.get("qos") != Some("0"),
            _ => false,
        };
        if took_next_id && arguments.given("id").is_none() {
            self.next_id = self.next_id.map(PacketId::next);
        }
        if packet_type == PacketType::Disconnect && self.auto {
            self.finish();
        }
        Ok(())
    }

    /// After DISCONNECT nothing may follow. [v5 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
    fn finish(&mut self) {
        self.talk.ending = true;
        let broken = self.link.as_ref().and_then(|link| link.finish().err());
        if let Some(error) = broken {
            self.complain(&format!("the connection broke: {error}"));
        }
    }

    fn explain(&mut self, bytes: &[u8]) {
        for piece in pieces(bytes) {
            let anatomy = dissect(piece, self.speaks(), Sender::Unknown);
            let note = format!(", as MQTT {}", anatomy.version);
            self.show_packet("==", Shade::Faint, piece, &anatomy, &note);
        }
    }

    fn auto(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        if let Some(state) = arguments.given("state") {
            self.auto = arguments::yes(state).ok_or_else(|| arguments.wrong("state", "on or off"))?;
        }
        self.say(match self.auto {
            true => "Acknowledgements and pings are sent by themselves.",
            false => "Acknowledgements and pings are yours to send: puback, pubrec, pubrel, pubcomp, ping.",
        });
        Ok(())
    }

    fn choose_version(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        if let Some(text) = arguments.given("version") {
            self.version =
                super::version(text).map_err(|_| arguments.wrong("version", "3.1, 3.1.1 or 5.0"))?;
        }
        let mut sentence = format!("The next connect speaks MQTT {}.", self.version);
        if let Some(current) =
            self.talk.version.filter(|current| self.link.is_some() && *current != self.version)
        {
            sentence.push_str(&format!(" The present connection goes on with MQTT {current}."));
        }
        self.say(&sentence);
        Ok(())
    }
}
