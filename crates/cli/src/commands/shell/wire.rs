//! What goes over the connection: sent, shown, and answered if that is wanted.

use std::time::{Duration, Instant};

use colibri_codec::{
    Delivery, Frame, Packet, PacketType, Pingreq, Puback, Pubcomp, Pubrec, Pubrel, ReasonCode, Split,
};

use crate::anatomy::{Anatomy, Sender, Shade, Verdict, dissect, pieces, render};

use super::link::{Link, LinkEvent};
use super::session::{Session, Talk};
use super::wrong::{Failed, Failure};

/// Why something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A command says so.
    Command,
    /// It answers a packet, or it is time for a ping.
    Automatic,
}

impl Session {
    /// Opens the TCP connection; an open one is closed before.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        self.hang_up();
        let peer = format!("{}:{}", self.host, self.port);
        self.links_opened += 1;
        let link = Link::open(&self.host, self.port, self.links_opened, self.events.clone())
            .map_err(|error| Failed::Connect(peer.clone(), error))?;
        self.link = Some(link);
        self.talk = Talk::default();
        self.say(&format!("The TCP connection to {peer} is open."));
        Ok(())
    }

    /// Closes the TCP connection, if there is one.
    pub(super) fn hang_up(&mut self) {
        if self.link.take().is_none() {
            return;
        }
        self.say(match (self.talk.version, self.talk.ending) {
            (Some(_), false) => {
                "We closed the TCP connection without a DISCONNECT: the server publishes the will, if there is one."
            }
            _ => "We closed the TCP connection.",
        });
    }

    /// The version that packets on this connection are read and written in.
    pub(super) fn speaks(&self) -> colibri_codec::Version {
        self.talk.version.unwrap_or(self.version)
    }

    /// Sends bytes, and shows what they mean to the server.
    pub(super) fn transmit(&mut self, bytes: &[u8], cause: Cause) -> Result<(), Failure> {
        let link = self.link.as_mut().filter(|_| !self.talk.ending).ok_or(Failed::NotConnected)?;
        if let Err(error) = link.send(bytes) {
            self.link = None;
            return Err(Failed::Send(error).into());
        }
        self.talk.last_sent = Some(Instant::now());
        if cause == Cause::Command {
            self.talk.heard = 0;
        }
        // The server reads on where the last bytes ended, whoever calls these a packet of their own.
        let mut whole = std::mem::take(&mut self.talk.unfinished);
        let mut note = match (whole.len(), cause) {
            (0, Cause::Command) => String::new(),
            (0, Cause::Automatic) => ", sent by itself".to_owned(),
            (before, _) => format!(", with {before} sent before"),
        };
        whole.extend_from_slice(bytes);
        for piece in pieces(&whole) {
            let anatomy = dissect(piece, self.speaks(), Sender::Client);
            self.show_packet("->", Shade::Sent, piece, &anatomy, &note);
            note.clear();
            match anatomy.verdict {
                Verdict::Incomplete(_) => self.talk.unfinished = piece.to_vec(),
                Verdict::WellFormed | Verdict::Malformed(..) => self.note_sent(piece, &anatomy),
            }
        }
        Ok(())
    }

    /// Remembers what a packet that we sent asks for.
    fn note_sent(&mut self, bytes: &[u8], anatomy: &Anatomy) {
        let answer = match anatomy.packet_type {
            Some(PacketType::Connect) => {
                self.talk.version = Some(anatomy.version);
                if let Some(Packet::Connect(connect)) = decode(bytes, anatomy) {
                    self.talk.keep_alive = connect.keep_alive;
                }
                Some(PacketType::Connack)
            }
            Some(PacketType::Publish) => match decode(bytes, anatomy) {
                Some(Packet::Publish(publish)) => match publish.delivery {
                    Delivery::AtMostOnce => None,
                    Delivery::AtLeastOnce(_) => Some(PacketType::Puback),
                    Delivery::ExactlyOnce(_) => Some(PacketType::Pubrec),
                },
                _ => None,
            },
            Some(PacketType::Pubrel) => Some(PacketType::Pubcomp),
            Some(PacketType::Subscribe) => Some(PacketType::Suback),
            Some(PacketType::Unsubscribe) => Some(PacketType::Unsuback),
            Some(PacketType::Pingreq) => Some(PacketType::Pingresp),
            _ => None,
        };
        if answer.is_some() {
            self.talk.awaited.add(answer);
        }
        if anatomy.packet_type == Some(PacketType::Disconnect) && anatomy.verdict == Verdict::WellFormed {
            // The server is to close the connection now.
            self.talk.awaited.add(None);
        }
    }

    /// Takes in what came over the connection.
    pub(super) fn on_link(&mut self, event: LinkEvent) {
        self.talk.heard += 1;
        match event {
            LinkEvent::Packet(bytes) => {
                let anatomy = dissect(&bytes, self.speaks(), Sender::Server);
                self.show_packet("<-", Shade::Received, &bytes, &anatomy, "");
                self.talk.unclaimed.add(anatomy.packet_type);
                // An unasked packet has no place among the awaited ones.
                if anatomy.packet_type.is_some() {
                    self.talk.awaited.take(anatomy.packet_type);
                }
                if let Some(packet) = decode(&bytes, &anatomy) {
                    self.on_packet(&packet);
                }
            }
            LinkEvent::NoPacket(bytes, error) => {
                let anatomy = dissect(&bytes, self.speaks(), Sender::Server);
                self.show_packet("<-", Shade::Received, &bytes, &anatomy, "");
                self.complain(&format!("nothing behind these bytes can be read: {error}"));
                self.hang_up();
            }
            LinkEvent::Closed(rest, error) => {
                self.link = None;
                self.talk.unclaimed.add(None);
                if !rest.is_empty() {
                    let anatomy = dissect(&rest, self.speaks(), Sender::Server);
                    self.show_packet("<-", Shade::Received, &rest, &anatomy, ", the last bytes");
                }
                let reset = |kind| kind == std::io::ErrorKind::ConnectionReset;
                self.say(&match (error, self.talk.ending) {
                    (None, true) => "The server closed the connection after our DISCONNECT.".to_owned(),
                    (None, false) => "The server closed the connection.".to_owned(),
                    (Some(error), _) if reset(error.kind()) => "The server reset the connection.".to_owned(),
                    (Some(error), _) => format!("The connection broke: {error}."),
                });
            }
        }
    }

    /// Learns from a packet and answers it.
    fn on_packet(&mut self, packet: &Packet<'_>) {
        let success = ReasonCode::Success;
        let (packet_id, answer) = match packet {
            Packet::Connack(connack) => {
                self.talk.accepted = connack.reason == success;
                if let Some(keep_alive) = connack.properties.server_keep_alive() {
                    self.talk.keep_alive = keep_alive;
                }
                return;
            }
            Packet::Publish(publish) => match publish.delivery {
                Delivery::AtMostOnce => return,
                Delivery::AtLeastOnce(id) => (id, Packet::Puback(Puback::new(id, success))),
                Delivery::ExactlyOnce(id) => (id, Packet::Pubrec(Pubrec::new(id, success))),
            },
            Packet::Pubrec(pubrec) if !pubrec.reason.is_failure() => {
                (pubrec.packet_id, Packet::Pubrel(Pubrel::new(pubrec.packet_id, success)))
            }
            Packet::Pubrel(pubrel) => {
                (pubrel.packet_id, Packet::Pubcomp(Pubcomp::new(pubrel.packet_id, success)))
            }
            _ => return,
        };
        if self.auto && !self.talk.ending {
            self.send_by_itself(&answer);
        } else {
            self.talk.owed = Some(packet_id);
        }
    }

    /// When a ping keeps the connection alive: when three quarters of the Keep Alive are over.
    pub(super) fn ping_due(&self) -> Option<Instant> {
        let wanted = self.auto && self.talk.accepted && !self.talk.ending && self.link.is_some();
        let after = Duration::from_secs(u64::from(self.talk.keep_alive)) * 3 / 4;
        self.talk.last_sent.filter(|_| wanted && self.talk.keep_alive > 0).map(|last| last + after)
    }

    /// Sends a ping that no command asked for.
    pub(super) fn ping(&mut self) {
        self.send_by_itself(&Packet::Pingreq(Pingreq));
    }

    fn send_by_itself(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        if let Err(error) = packet.encode(self.speaks(), &mut bytes) {
            return self.complain(&error.to_string());
        }
        if let Err(failure) = self.transmit(&bytes, Cause::Automatic) {
            self.complain(&failure.to_string());
        }
    }

    /// Shows one packet with its heading.
    pub(super) fn show_packet(
        &mut self,
        arrow: &str,
        shade: Shade,
        bytes: &[u8],
        anatomy: &Anatomy,
        note: &str,
    ) {
        let heading = format!("{arrow} {}  {}{note}", self.clock(), anatomy.title());
        self.show(|paint| {
            let fields = render(bytes, anatomy, paint);
            format!("{}\n{fields}\n", paint.paint(shade, &heading))
        });
    }
}

/// The packet, if it is whole and well-formed.
fn decode<'a>(bytes: &'a [u8], anatomy: &Anatomy) -> Option<Packet<'a>> {
    match Frame::split(bytes, u32::MAX) {
        Ok(Split::Frame(frame, _)) => Packet::decode(frame, anatomy.version).ok(),
        _ => None,
    }
}
