//! The commands of the shell: one row each, from which parsing, asking, help and completion follow.

use colibri_codec::{
    Auth, Connect, Disconnect, PacketType, PropertySet, Puback, Publish, Subscribe, Unsubscribe, Will,
};

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Sends the packet of this type.
    Send(PacketType),
    /// Sends any bytes.
    Raw,
    /// Takes bytes apart without sending them.
    Explain,
    /// Opens the TCP connection.
    Open,
    /// Closes the TCP connection.
    Close,
    /// Waits for anything.
    Wait,
    /// Waits for a certain packet.
    Expect,
    /// Switches automatic answers.
    Auto,
    /// Chooses the protocol version.
    Version,
    /// Copies the output to a file.
    Log,
    /// Explains the commands.
    Help,
    /// Ends the shell.
    Quit,
}

/// A command.
#[derive(Debug, PartialEq)]
pub(super) struct Command {
    /// How it is called.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) verb: Verb,
    /// What it does, for people.
    pub(super) about: &'static str,
    /// Its arguments; those with a place come first, in their order.
    pub(super) arguments: &'static [Argument],
    /// The 5.0 properties it takes as options.
    pub(super) properties: PropertySet,
    /// The same for the will, with `will-` before their names.
    pub(super) will_properties: PropertySet,
}

/// An argument of a command.
#[derive(Debug, PartialEq)]
pub(super) struct Argument {
    /// Its name, as in `name=value`.
    pub(super) name: &'static str,
    /// Whether it can be left out.
    pub(super) need: Need,
    /// Whether the name can be left out.
    pub(super) placed: bool,
    /// Whether it may stand more than once.
    pub(super) several: bool,
    /// Whether a terminal is asked for it when the command comes alone.
    pub(super) asked: bool,
    /// What it is, for people.
    pub(super) about: &'static str,
}

/// Whether an argument can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It cannot.
    Required,
    /// It has this value then.
    Default(&'static str),
    /// It is absent then.
    Optional,
}

const fn placed(name: &'static str, need: Need, about: &'static str) -> Argument {
    Argument { name, need, placed: true, several: false, asked: true, about }
}

const fn named(name: &'static str, need: Need, about: &'static str) -> Argument {
    Argument { name, need, placed: false, several: false, asked: false, about }
}

impl Argument {
    const fn several(mut self) -> Self {
        self.several = true;
        self
    }

    const fn unasked(mut self) -> Self {
        self.asked = false;
        self
    }

    const fn asked(mut self) -> Self {
        self.asked = true;
        self
    }
}

const fn send(
    packet_type: PacketType,
    name: &'static str,
    about: &'static str,
    arguments: &'static [Argument],
    properties: PropertySet,
) -> Command {
    let will_properties = match packet_type {
        PacketType::Connect => Will::PROPERTIES,
        _ => PropertySet::NONE,
    };
    Command { name, verb: Verb::Send(packet_type), about, arguments, properties, will_properties }
}

const fn plain(
    verb: Verb,
    name: &'static str,
    about: &'static str,
    arguments: &'static [Argument],
) -> Command {
    let none = PropertySet::NONE;
    Command { name, verb, about, arguments, properties: none, will_properties: none }
}

const CONNECT: &[Argument] = &[
    placed("id", Need::Optional, "Client Identifier; colibri-shell-PID if left out"),
    placed("keep-alive", Need::Default("60"), "seconds; 0 is off"),
    placed("clean", Need::Default("yes"), "Clean Start, before 5.0 Clean Session: yes or no"),
    named("user", Need::Optional, "User Name").asked(),
    named("password", Need::Optional, "Password").asked(),
    named("will-topic", Need::Optional, "topic of the will"),
    named("will-payload", Need::Default(""), "payload of the will"),
    named("will-qos", Need::Default("0"), "QoS of the will: 0, 1 or 2"),
    named("will-retain", Need::Default("no"), "whether the will is retained: yes or no"),
];

const PUBLISH: &[Argument] = &[
    placed("topic", Need::Required, "Topic Name"),
    placed("payload", Need::Default(""), "the message"),
    placed("qos", Need::Default("0"), "0, 1 or 2"),
    placed("retain", Need::Default("no"), "whether the server is to keep it: yes or no"),
    named("dup", Need::Default("no"), "whether it was sent before: yes or no"),
    named("id", Need::Optional, "Packet Identifier; the next free one if left out"),
    named("payload-hex", Need::Optional, "the message as hex digits"),
];

const SUBSCRIBE: &[Argument] = &[
    placed("filter", Need::Required, "Topic Filter; filter=... again for more").several(),
    placed("qos", Need::Default("0"), "highest QoS wanted: 0, 1 or 2"),
    named("no-local", Need::Default("no"), "whether own messages stay away: yes or no (5.0)"),
    named("retain-as-published", Need::Default("no"), "whether RETAIN is passed on: yes or no (5.0)"),
    named("retain-handling", Need::Default("0"), "when retained messages come: 0, 1 or 2 (5.0)"),
    named("id", Need::Optional, "Packet Identifier; the next free one if left out"),
];

const UNSUBSCRIBE: &[Argument] = &[
    placed("filter", Need::Required, "Topic Filter, one or more").several(),
    named("id", Need::Optional, "Packet Identifier; the next free one if left out"),
];

const ACKNOWLEDGE: &[Argument] = &[
    placed("id", Need::Required, "Packet Identifier of the message"),
    placed("reason", Need::Default("0"), "Reason Code, such as 0x87 (5.0)").unasked(),
];

const DISCONNECT: &[Argument] =
    &[placed("reason", Need::Default("0"), "Reason Code, such as 0x04 (5.0)").unasked()];

const AUTH: &[Argument] = &[placed("reason", Need::Default("0x18"), "Reason Code")];

const SECONDS: Argument = placed("seconds", Need::Default("5"), "how long at most").unasked();

/// All commands; those of packets first, in the order of their numbers.
pub(super) const COMMANDS: &[Command] = &[
    send(
        PacketType::Connect,
        "connect",
        "opens the connection if needed, sends CONNECT",
        CONNECT,
        Connect::PROPERTIES,
    ),
    send(PacketType::Publish, "publish", "sends a message", PUBLISH, Publish::PROPERTIES),
    send(PacketType::Puback, "puback", "acknowledges a QoS 1 message", ACKNOWLEDGE, Puback::PROPERTIES),
    send(PacketType::Pubrec, "pubrec", "acknowledges a QoS 2 message", ACKNOWLEDGE, Puback::PROPERTIES),
    send(PacketType::Pubrel, "pubrel", "releases a QoS 2 message", ACKNOWLEDGE, Puback::PROPERTIES),
    send(PacketType::Pubcomp, "pubcomp", "completes a QoS 2 message", ACKNOWLEDGE, Puback::PROPERTIES),
    send(PacketType::Subscribe, "subscribe", "asks for messages", SUBSCRIBE, Subscribe::PROPERTIES),
    send(
        PacketType::Unsubscribe,
        "unsubscribe",
        "gives subscriptions up",
        UNSUBSCRIBE,
        Unsubscribe::PROPERTIES,
    ),
    send(PacketType::Pingreq, "ping", "sends PINGREQ", &[], PropertySet::NONE),
    send(PacketType::Disconnect, "disconnect", "says goodbye", DISCONNECT, Disconnect::PROPERTIES),
    send(PacketType::Auth, "auth", "sends a step of an authentication (5.0)", AUTH, Auth::PROPERTIES),
    plain(
        Verb::Raw,
        "raw",
        "sends any bytes, also what is no packet",
        &[placed("hex", Need::Required, "hex digits, with spaces or without").several()],
    ),
    plain(
        Verb::Explain,
        "explain",
        "takes bytes apart without sending them",
        &[placed("hex", Need::Required, "hex digits, with spaces or without").several()],
    ),
    plain(
        Verb::Open,
        "open",
        "opens the TCP connection and sends nothing",
        &[
            placed("host", Need::Optional, "name or address").unasked(),
            placed("port", Need::Optional, "number").unasked(),
        ],
    ),
    plain(Verb::Close, "close", "closes the TCP connection without a DISCONNECT", &[]),
    plain(Verb::Wait, "wait", "waits until something comes since the last packet sent", &[SECONDS]),
    plain(
        Verb::Expect,
        "expect",
        "waits until such a packet has come; a script fails if none does",
        &[placed("packet", Need::Required, "name or number of a packet, or close"), SECONDS],
    ),
    plain(
        Verb::Auto,
        "auto",
        "whether acknowledgements and pings are sent by themselves",
        &[placed("state", Need::Optional, "on or off").unasked()],
    ),
    plain(
        Verb::Version,
        "version",
        "chooses the version for the next connect",
        &[placed("version", Need::Optional, "3.1, 3.1.1 or 5.0").unasked()],
    ),
    plain(
        Verb::Log,
        "log",
        "copies everything that is shown to a file",
        &[placed("file", Need::Required, "its path, or off")],
    ),
    plain(
        Verb::Help,
        "help",
        "explains the commands, or one of them",
        &[placed("command", Need::Optional, "its name or number").unasked()],
    ),
    plain(Verb::Quit, "quit", "closes the connection and ends", &[]),
];

impl Command {
    /// How it is written: `publish TOPIC [PAYLOAD] [QOS] [RETAIN] [dup=] [id=] [payload-hex=]`.
    pub(super) fn usage(&self) -> String {
        let mut usage = self.name.to_owned();
        for argument in self.arguments {
            let name = argument.name;
            let dots = if argument.several { "..." } else { "" };
            usage.push_str(&match (argument.placed, argument.need) {
                (true, Need::Required) => format!(" {}{dots}", name.to_uppercase()),
                (true, Need::Default(_) | Need::Optional) => format!(" [{}]", name.to_uppercase()),
                (false, _) => format!(" [{name}=]"),
            });
        }
        usage
    }

    /// The number of the packet it sends.
    pub(super) const fn number(&self) -> Option<u8> {
        match self.verb {
            Verb::Send(packet_type) => Some(packet_type.number()),
            _ => None,
        }
    }
}
