//! How a client connects, and what it says of itself.

use std::num::NonZeroU16;

use colibri_codec::{BinaryData, Connect, Properties, Property, QoS, TopicName, Utf8String, Version, Will};
use colibri_protocol::Limits;

use super::{Client, Known};
use crate::World;
use crate::oracle::{Oracle, WillSent};
use crate::workload::{Role, Stay};

impl Client {
    pub(crate) fn connect(&mut self, world: &World, oracle: &mut Oracle, clean: bool) {
        let clean = clean && self.role == Role::Guest || self.stay == Stay::Connection || self.gives_up;
        self.gives_up = clean;
        self.link = Some(world.connect_to(usize::from(self.is_unsynced)));
        oracle.may_take_over(self.number);
        self.accepted = false;
        self.intruded = false;
        self.clean = clean;
        if clean {
            self.end_session(oracle);
        }
        if self.session == Known::Absent {
            // Whether it is there is known again when CONNACK comes.
            self.session = Known::Unsure;
        }
        if self.clean {
            oracle.wills_are_due(self.number, world.now(), true);
        }
        self.will = self.new_will(oracle);
        self.will_qos = (oracle.serial() % 3) as u8;
        self.send_connect(oracle);
    }

    fn send_connect(&mut self, oracle: &mut Oracle) {
        let properties = self.properties();
        let will_payload = self.will.map(|serial| format!("w{serial:07}"));
        let will_topic = format!("w/{}", self.number);
        let delay = self.will.map_or(0, |serial| oracle.will_delay(serial));
        let delay_property = u32::try_from(delay).map(Property::WillDelayInterval).ok();
        let will_properties: Vec<_> = delay_property.into_iter().filter(|_| delay > 0).collect();
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(self.will_qos)];
        let retain = self.retains_will(self.will.unwrap_or(0));
        let parts = (|| {
            let payload = will_payload.as_ref().map(|payload| BinaryData::new(payload.as_bytes()));
            let will = match payload {
                Some(payload) => Some(Will {
                    topic: TopicName::new(&will_topic).ok()?,
                    payload: payload.ok()?,
                    qos,
                    retain,
                    properties: Properties::new(&will_properties),
                }),
                None => None,
            };
            Some((Utf8String::new(&self.name).ok()?, will))
        })();
        let Some((client_id, will)) = parts else { return oracle.fail("no CONNECT can be made".into()) };
        let connect = Connect {
            version: self.version,
            clean_start: self.clean,
            keep_alive: self.keep_alive,
            properties: Properties::new(&properties),
            client_id,
            will,
            user_name: None,
            password: None,
        };
        if let Some(machine) = &mut self.machine {
            let limits = Limits {
                receive_maximum: NonZeroU16::new(self.receive_maximum).unwrap_or(NonZeroU16::MAX),
                topic_alias_maximum: self.aliases_maximum,
                ..Limits::default()
            };
            if let Err(error) = machine.connect(&connect, limits, oracle.now) {
                oracle.fail(format!("{} cannot write CONNECT: {error}", self.name));
            }
            return self.flush(oracle);
        }
        let what = format!(
            "CONNECT clean {} {:?} {:?} will {will_payload:?} delay {delay}",
            self.clean, self.version, self.stay
        );
        self.send(oracle, &what, |out| connect.encode(out));
    }

    /// A will for the next connection, if it is to have one.
    fn new_will(&self, oracle: &mut Oracle) -> Option<u64> {
        let five = self.version == Version::V5;
        self.with_will.then(|| {
            let delay = if five && self.stay != Stay::Connection { 3 * (oracle.serial() % 2) } else { 0 };
            // A session that ends before the delay is over publishes the will then.
            let serial = oracle.serial() + 1;
            oracle.will(WillSent {
                client: self.number,
                delay,
                retain: self.retains_will(serial),
                stored: !self.ends_with_connection(),
                clean: false,
                may: None,
                cancelled: None,
                accepted: false,
                promised: None,
                lost: None,
            })
        })
    }

    const fn retains_will(&self, serial: u64) -> bool {
        self.retains_wills && (serial / 3).is_multiple_of(2)
    }

    /// Whether the session is over when the connection is.
    pub(super) fn ends_with_connection(&self) -> bool {
        // Before 5.0 a clean session is one that ends with its connection.
        self.stay == Stay::Connection || self.clean && self.version == Version::V3_1_1
    }

    /// What it says of itself in CONNECT.
    fn properties(&self) -> Vec<Property<'static>> {
        let mut properties = Vec::new();
        if self.version == Version::V5 {
            match self.stay {
                Stay::ForGood => properties.push(Property::SessionExpiryInterval(1_000_000)),
                Stay::Seconds(seconds) => properties.push(Property::SessionExpiryInterval(seconds)),
                Stay::Connection => {}
            }
            // The state machine says the rest itself.
            if self.machine.is_some() {
                return properties;
            }
            properties.extend(NonZeroU16::new(self.receive_maximum).map(Property::ReceiveMaximum));
            if self.aliases_maximum > 0 {
                properties.push(Property::TopicAliasMaximum(self.aliases_maximum));
            }
        }
        properties
    }
}
