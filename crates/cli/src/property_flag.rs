//! `-D command property value [value]`: MQTT 5.0 properties from the command line.

use std::num::{NonZeroU16, NonZeroU32};
use std::str::FromStr;

use colibri_client::{OwnedProperties, Property, PropertyId, TopicName};
use colibri_codec::{
    Auth, BinaryData, Connect, Disconnect, PropertySet, Puback, Pubcomp, Publish, Pubrec, Subscribe,
    Unsubscribe, Utf8String, VARIABLE_BYTE_INTEGER_MAX, Will,
};

use crate::arguments::Arguments;
use crate::failure::Failure;

/// The properties that `-D` gave, per packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PropertyFlags {
    pub(crate) connect: OwnedProperties,
    pub(crate) publish: OwnedProperties,
    pub(crate) subscribe: OwnedProperties,
    pub(crate) unsubscribe: OwnedProperties,
    pub(crate) disconnect: OwnedProperties,
    pub(crate) will: OwnedProperties,
    /// Of packets that the client sends on its own; they are checked and not used, as in mosquitto.
    unused: OwnedProperties,
}

impl PropertyFlags {
    /// Takes the values of one `-D`.
    pub(crate) fn take(&mut self, arguments: &mut Arguments) -> Result<(), Failure> {
        let command = arguments.text()?.to_lowercase();
        let name = arguments.text()?;
        let Some((allowed, place)) = self.place(&command) else {
            let known = "connect, publish, subscribe, unsubscribe, disconnect and will";
            return Err(Failure::usage(format!("-D knows {known}, not '{command}'")));
        };
        let Some(id) = PropertyId::ALL.into_iter().find(|id| flag_name(*id) == name.to_lowercase()) else {
            return Err(Failure::usage(format!("there is no property '{name}', see --help")));
        };
        if !allowed.contains(id) {
            return Err(Failure::usage(format!("{command} may not carry the property {name}")));
        }
        let first = arguments.text()?;
        let second = if id == PropertyId::UserProperty { arguments.text()? } else { String::new() };
        let property = property(id, &first, &second)
            .ok_or_else(|| Failure::usage(format!("'{first}' is no value for the property {name}")))?;
        place.push(property);
        place
            .checked(allowed)
            .map_err(|malformed| Failure::usage(format!("-D {command} {name}: {malformed}")))?;
        Ok(())
    }

    fn place(&mut self, command: &str) -> Option<(PropertySet, &mut OwnedProperties)> {
        Some(match command {
            "connect" => (Connect::PROPERTIES, &mut self.connect),
            "publish" => (Publish::PROPERTIES, &mut self.publish),
            "subscribe" => (Subscribe::PROPERTIES, &mut self.subscribe),
            "unsubscribe" => (Unsubscribe::PROPERTIES, &mut self.unsubscribe),
            "disconnect" => (Disconnect::PROPERTIES, &mut self.disconnect),
            "will" => (Will::PROPERTIES, &mut self.will),
            "puback" => (Puback::PROPERTIES, &mut self.unused),
            "pubrec" => (Pubrec::PROPERTIES, &mut self.unused),
            "pubcomp" => (Pubcomp::PROPERTIES, &mut self.unused),
            "auth" => (Auth::PROPERTIES, &mut self.unused),
            _ => return None,
        })
    }
}

/// The standard's name in small letters with hyphens, which is mosquitto's name too.
pub(crate) fn flag_name(id: PropertyId) -> String {
    id.name().to_lowercase().replace(' ', "-")
}

/// The property with the value that the text says, or `None` if it says none.
fn property<'a>(id: PropertyId, first: &'a str, second: &'a str) -> Option<Property<'a>> {
    let number = || u32::from_str(first).ok();
    let small = || u16::from_str(first).ok();
    let positive = || NonZeroU16::from_str(first).ok();
    let text = || Utf8String::new(first).ok();
    let binary = || BinaryData::new(first.as_bytes()).ok();
    let flag = || match first {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    Some(match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(flag()?),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(number()?),
        PropertyId::ContentType => Property::ContentType(text()?),
        PropertyId::ResponseTopic => Property::ResponseTopic(TopicName::new(first).ok()?),
        PropertyId::CorrelationData => Property::CorrelationData(binary()?),
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(
            number().filter(|number| (1..=VARIABLE_BYTE_INTEGER_MAX).contains(number))?,
        ),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(number()?),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text()?),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(small()?),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text()?),
        PropertyId::AuthenticationData => Property::AuthenticationData(binary()?),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag()?),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(number()?),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag()?),
        PropertyId::ResponseInformation => Property::ResponseInformation(text()?),
        PropertyId::ServerReference => Property::ServerReference(text()?),
        PropertyId::ReasonString => Property::ReasonString(text()?),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(positive()?),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(small()?),
        PropertyId::TopicAlias => Property::TopicAlias(positive()?),
        PropertyId::MaximumQos => Property::MaximumQos(flag()?),
        PropertyId::RetainAvailable => Property::RetainAvailable(flag()?),
        PropertyId::UserProperty => Property::UserProperty((text()?, Utf8String::new(second).ok()?)),
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(NonZeroU32::from_str(first).ok()?),
        PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(flag()?),
        PropertyId::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(flag()?),
        PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag()?),
    })
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Property, PropertyFlags};

    fn take(list: &[&str]) -> Result<PropertyFlags, String> {
        let mut flags = PropertyFlags::default();
        let mut arguments = Arguments::new(list.iter().map(Into::into).collect());
        while arguments.next_flag().map_err(|failure| failure.to_string())?.is_some() {
            flags.take(&mut arguments).map_err(|failure| failure.to_string())?;
        }
        Ok(flags)
    }

    #[test]
    fn each_packet_has_its_own_properties() {
        let flags = take(&[
            "-D",
            "CONNECT",
            "receive-maximum",
            "20",
            "-D",
            "publish",
            "user-property",
            "a",
            "b",
            "-D",
            "publish",
            "user-property",
            "a",
            "c",
            "-D",
            "will",
            "will-delay-interval",
            "3",
        ])
        .unwrap();
        assert_eq!(flags.connect.view().receive_maximum().unwrap().get(), 20);
        let pairs: Vec<_> = flags.publish.view().user_properties().map(|(_, value)| value.as_str()).collect();
        assert_eq!(pairs, ["b", "c"]);
        assert!(flags.will.view().iter().eq([Property::WillDelayInterval(3)]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (list, said) in [
            (&["-D", "publish", "foo", "x"][..], "there is no property 'foo', see --help"),
            (
                &["-D", "publish", "session-expiry-interval", "5"][..],
                "publish may not carry the property session-expiry-interval",
            ),
            (
                &["-D", "publish", "message-expiry-interval", "abc"][..],
                "'abc' is no value for the property message-expiry-interval",
            ),
            (&["-D", "publish", "user-property", "a"][..], "-D wants a value behind it"),
            (
                &["-D", "foo", "user-property", "a", "b"][..],
                "-D knows connect, publish, subscribe, unsubscribe, disconnect and will, not 'foo'",
            ),
        ] {
            assert_eq!(take(list).unwrap_err(), said);
        }
        let twice = take(&["-D", "publish", "content-type", "a", "-D", "publish", "content-type", "b"]);
        assert!(twice.unwrap_err().starts_with("-D publish content-type: "));
    }
}
