//! The flags that `pub` and `sub` share: where to connect, as whom, and with what will.

use std::num::{NonZeroU16, NonZeroU32};

use colibri_client::{Backoff, Limits, Observer, OwnedProperties, Property, QoS, TopicName, Version, Will};

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::packet_log::PacketLog;
use crate::property_flag::PropertyFlags;
use crate::url::Url;

/// How many random characters a client identifier of our own has behind `colibri-`.
const ID_CHARACTERS: usize = 16;

/// What the shared flags say.
#[derive(Debug)]
pub(crate) struct ConnectOptions {
    host: String,
    port: u16,
    bind: Option<String>,
    client_id: Option<String>,
    id_prefix: Option<String>,
    user_name: Option<String>,
    password: Option<Vec<u8>>,
    keep_alive: u16,
    persistent: bool,
    session_expiry: Option<u32>,
    maximum_in_flight: Option<NonZeroU16>,
    will_topic: Option<String>,
    will_payload: Option<Vec<u8>>,
    will_qos: Option<QoS>,
    will_retain: bool,
    pub(crate) version: Version,
    pub(crate) debug: bool,
    pub(crate) quiet: bool,
    pub(crate) properties: PropertyFlags,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 1883,
            bind: None,
            client_id: None,
            id_prefix: None,
            user_name: None,
            password: None,
            keep_alive: 60,
            persistent: false,
            session_expiry: None,
            maximum_in_flight: None,
            will_topic: None,
            will_payload: None,
            will_qos: None,
            will_retain: false,
            version: Version::V5,
            debug: false,
            quiet: false,
            properties: PropertyFlags::default(),
        }
    }
}

/// What became of a flag.
pub(crate) enum Taken {
    /// It is one of the shared ones.
    Yes,
    /// It is not.
    No,
    /// It was `-L`, which names a topic too.
    Topic(String),
}

impl ConnectOptions {
    /// Takes a flag with its values, if it is one of the shared ones.
    pub(crate) fn take(&mut self, flag: &str, arguments: &mut Arguments) -> Result<Taken, Failure> {
        match flag {
            "-h" | "--host" => self.host = arguments.text()?,
            "-p" | "--port" => self.port = arguments.number(1..=u16::MAX)?,
            "-A" => self.bind = Some(arguments.text()?),
            "-L" | "--url" => return self.take_url(&arguments.text()?).map(Taken::Topic),
            "-i" | "--id" => self.client_id = Some(arguments.text()?),
            "-I" | "--id-prefix" => self.id_prefix = Some(arguments.text()?),
            "-u" | "--username" => self.user_name = Some(arguments.text()?),
            "-P" | "--pw" => self.password = Some(arguments.bytes()?),
            "-k" | "--keepalive" => self.keep_alive = arguments.number(0..=u16::MAX)?,
            "-c" | "--disable-clean-session" => self.persistent = true,
            "-x" | "--session-expiry-interval" => self.session_expiry = Some(session_expiry(arguments)?),
            "-M" | "--max-inflight" => {
                self.maximum_in_flight = Some(arguments.number(NonZeroU16::MIN..=NonZeroU16::MAX)?)
            }
            "-V" | "--protocol-version" => self.version = version(arguments)?,
            "-D" | "--property" => {
                self.properties.take(arguments)?;
                self.version = Version::V5;
            }
            "-d" | "--debug" => self.debug = true,
            "--quiet" => self.quiet = true,
            // The client gathers its packets and sends them without delay in any case.
            "--nodelay" => {}
            "--will-topic" => self.will_topic = Some(arguments.text()?),
            "--will-payload" => self.will_payload = Some(arguments.bytes()?),
            "--will-qos" => self.will_qos = Some(qos(arguments)?),
            "--will-retain" => self.will_retain = true,
            other => return not_there_yet(other).map_or(Ok(Taken::No), Err),
        }
        Ok(Taken::Yes)
    }

    fn take_url(&mut self, text: &str) -> Result<String, Failure> {
        let url = Url::parse(text)?;
        self.host = url.host;
        self.port = url.port.unwrap_or(self.port);
        self.user_name = url.user_name.or_else(|| self.user_name.take());
        self.password = url.password.map(String::into_bytes).or_else(|| self.password.take());
        Ok(url.topic)
    }

    /// What the library is to do, after a look at what does not go together.
    pub(crate) fn client_options(
        &self,
        reconnect: Option<Backoff>,
    ) -> Result<colibri_client::Options, Failure> {
        self.check()?;
        let mut options = colibri_client::Options::new(self.host.clone(), self.port);
        options.endpoint.bind.clone_from(&self.bind);
        options.version = self.version;
        options.client_id = self.client_id();
        options.clean_start = !self.persistent;
        options.session_expiry = self.session_expiry();
        options.keep_alive = self.keep_alive;
        options.user_name.clone_from(&self.user_name);
        options.password.clone_from(&self.password);
        options.will = self.will()?;
        (options.limits, options.properties) = self.connect_properties();
        options.maximum_in_flight = self.maximum_in_flight.unwrap_or(options.maximum_in_flight);
        options.reconnect = reconnect;
        if self.debug {
            let log = PacketLog::new(options.client_id.clone(), self.version);
            options.observer = Some(Observer::new(move |direction, frame| log.line(direction, frame)));
        }
        Ok(options)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.client_id.is_some() && self.id_prefix.is_some() {
            return Err(Failure::usage("-i and -I cannot be used together"));
        }
        let has_id = self.client_id.as_ref().is_some_and(|id| !id.is_empty()) || self.id_prefix.is_some();
        if !has_id && self.persistent && self.version < Version::V5 {
            return Err(Failure::usage(
                "-c needs a client id, by which the session is found again; give one with -i",
            ));
        }
        if !has_id && self.session_expiry() == Some(u32::MAX) {
            let text = "a session that never expires needs a client id, by which it is found again; give one with -i";
            return Err(Failure::usage(text));
        }
        if self.password.is_some() && self.user_name.is_none() && self.version < Version::V5 {
            return Err(Failure::usage("before 5.0 a password (-P) needs a user name (-u)"));
        }
        if self.will_topic.is_none() {
            for (given, flag) in [
                (self.will_payload.is_some(), "--will-payload"),
                (self.will_qos.is_some(), "--will-qos"),
                (self.will_retain, "--will-retain"),
                (!self.properties.will.is_empty(), "-D will"),
            ] {
                if given {
                    return Err(Failure::usage(format!("{flag} needs --will-topic")));
                }
            }
        }
        Ok(())
    }

    fn client_id(&self) -> String {
        if let Some(prefix) = &self.id_prefix {
            return format!("{prefix}{}", std::process::id());
        }
        self.client_id.clone().unwrap_or_else(|| {
            // 3.1 allows 23 characters.
            let random = if self.version == Version::V3_1 { ID_CHARACTERS - 1 } else { ID_CHARACTERS };
            let mut id = "colibri-".to_owned();
            id.extend(std::iter::repeat_with(fastrand::alphanumeric).take(random));
            id
        })
    }

    fn session_expiry(&self) -> Option<u32> {
        let from_property = self.properties.connect.view().session_expiry_interval();
        let given = self.session_expiry.or(from_property);
        match self.version {
            Version::V5 => given.or_else(|| self.persistent.then_some(u32::MAX)),
            Version::V3_1 | Version::V3_1_1 => None,
        }
    }

    fn will(&self) -> Result<Option<Will>, Failure> {
        let Some(topic) = &self.will_topic else { return Ok(None) };
        let topic = TopicName::new(topic)
            .map_err(|error| Failure::usage(format!("--will-topic '{topic}' cannot be used: {error}")))?;
        let payload = self.will_payload.clone().unwrap_or_default();
        if payload.len() > usize::from(u16::MAX) {
            return Err(Failure::usage("--will-payload is longer than 65,535 bytes"));
        }
        let mut will = Will::new(topic, payload);
        will.qos = self.will_qos.unwrap_or_default();
        will.retain = self.will_retain;
        will.properties = self.properties.will.clone();
        Ok(Some(will))
    }

    /// The limits that `-D connect` sets, and the properties that are left.
    fn connect_properties(&self) -> (Limits, OwnedProperties) {
        let mut limits = Limits::default();
        let mut rest = OwnedProperties::new();
        for property in self.properties.connect.view().iter() {
            match property {
                Property::ReceiveMaximum(maximum) => limits.receive_maximum = maximum,
                Property::MaximumPacketSize(maximum) => {
                    // What is larger than any packet says nothing.
                    limits.maximum_packet_size = NonZeroU32::min(maximum, limits.maximum_packet_size);
                }
                Property::TopicAliasMaximum(maximum) => limits.topic_alias_maximum = maximum,
                Property::SessionExpiryInterval(_) => {}
                other => rest.push(other),
            }
        }
        (limits, rest)
    }
}

/// A QoS behind a flag.
pub(crate) fn qos(arguments: &mut Arguments) -> Result<QoS, Failure> {
    Ok(QoS::from_number(arguments.number(0..=2)?).unwrap_or_default())
}

/// That TLS is still to come.
pub(crate) fn no_tls(flag: &str) -> Failure {
    Failure::usage(format!("{flag} asks for TLS, which this version does not have yet; connect without it"))
}

/// Flags of mosquitto that are known and not there.
fn not_there_yet(flag: &str) -> Option<Failure> {
    match flag {
        "--cafile"
        | "--capath"
        | "--cert"
        | "--key"
        | "--keyform"
        | "--ciphers"
        | "--tls-version"
        | "--insecure"
        | "--tls-alpn"
        | "--tls-engine"
        | "--tls-engine-kpass-sha1"
        | "--tls-use-os-certs"
        | "--tls-keylog"
        | "--psk"
        | "--psk-identity" => Some(no_tls(flag)),
        "--unix" | "--proxy" | "-S" | "--ws" | "-o" => {
            Some(Failure::usage(format!("{flag} is not there yet; connect over TCP with -h and -p")))
        }
        _ => None,
    }
}

fn session_expiry(arguments: &mut Arguments) -> Result<u32, Failure> {
    let text = arguments.text()?;
    match text.as_str() {
        "-1" | "∞" => Ok(u32::MAX),
        other => other.parse().map_err(|_| {
            Failure::usage(format!(
                "{} wants seconds from 0 to 4294967295, or -1, not '{text}'",
                arguments.flag()
            ))
        }),
    }
}

fn version(arguments: &mut Arguments) -> Result<Version, Failure> {
    let text = arguments.text()?;
    match text.as_str() {
        "5" | "5.0" | "mqttv5" => Ok(Version::V5),
        "4" | "311" | "3.1.1" | "mqttv311" => Ok(Version::V3_1_1),
        "3" | "31" | "3.1" | "mqttv31" => Ok(Version::V3_1),
        other => Err(Failure::usage(format!("-V wants 5, 3.1.1 or 3.1, not '{other}'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, ConnectOptions, Version};

    fn parse(list: &[&str]) -> Result<colibri_client::Options, String> {
        let mut options = ConnectOptions::default();
        let mut arguments = Arguments::new(list.iter().map(Into::into).collect());
        while let Some(flag) = arguments.next_flag().map_err(|failure| failure.to_string())? {
            options.take(&flag, &mut arguments).map_err(|failure| failure.to_string())?;
        }
        options.client_options(None).map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_spelling_of_a_version_is_known() {
        for (version, names) in [
            (Version::V5, &["5", "mqttv5"][..]),
            (Version::V3_1_1, &["311", "3.1.1", "mqttv311", "4"][..]),
            (Version::V3_1, &["31", "3.1", "mqttv31", "3"][..]),
        ] {
            for name in names {
                assert_eq!(parse(&["-V", name]).unwrap().version, version, "{name}");
            }
        }
        assert_eq!(parse(&["-V", "6"]).unwrap_err(), "-V wants 5, 3.1.1 or 3.1, not '6'");
    }

    #[test]
    fn a_client_id_of_our_own_fits_the_version() {
        assert_eq!(parse(&[]).unwrap().client_id.len(), 24);
        assert_eq!(parse(&["-V", "31"]).unwrap().client_id.len(), 23);
        assert_eq!(parse(&["-i", "me"]).unwrap().client_id, "me");
        assert_eq!(parse(&["-I", "me"]).unwrap().client_id, format!("me{}", std::process::id()));
        assert!(parse(&["-I", "me", "-i", "you"]).is_err());
    }

    #[test]
    fn a_persistent_session_never_expires_unless_told_to() {
        assert_eq!(parse(&["-c", "-i", "me"]).unwrap().session_expiry, Some(u32::MAX));
        assert_eq!(parse(&["-c", "-x", "60"]).unwrap().session_expiry, Some(60));
        assert_eq!(parse(&["-x", "∞", "-i", "me"]).unwrap().session_expiry, Some(u32::MAX));
        assert_eq!(parse(&[]).unwrap().session_expiry, None);
        assert!(parse(&["-c"]).unwrap_err().contains("-i"));
        assert!(parse(&["-c", "-V", "311"]).unwrap_err().contains("-i"));
    }

    #[test]
    fn the_last_flag_wins() {
        let options = parse(&["-L", "mqtt://a:b@one:1/t", "-h", "two", "-u", "c"]).unwrap();
        assert_eq!((options.endpoint.host.as_str(), options.endpoint.port), ("two", 1));
        assert_eq!(options.user_name.as_deref(), Some("c"));
        let options = parse(&["-V", "311", "-D", "connect", "receive-maximum", "7"]).unwrap();
        assert_eq!((options.version, options.limits.receive_maximum.get()), (Version::V5, 7));
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        for (list, said) in [
            (&["--will-retain"][..], "--will-retain needs --will-topic"),
            (&["-P", "x", "-V", "311"][..], "before 5.0 a password (-P) needs a user name (-u)"),
            (
                &["--cafile", "x"][..],
                "--cafile asks for TLS, which this version does not have yet; connect without it",
            ),
            (
                &["--will-topic", "a/#"][..],
                "--will-topic 'a/#' cannot be used: a topic name must not contain the wildcards + and #",
            ),
            (&["-x", "-2"][..], "-x wants seconds from 0 to 4294967295, or -1, not '-2'"),
        ] {
            assert_eq!(parse(list).unwrap_err(), said);
        }
    }
}
