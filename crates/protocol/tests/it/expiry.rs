//! Message Expiry Interval (5.0, section 3.3.2.3.3).

use colibri_codec::{Frame, Packet, QoS, Version};
use colibri_protocol::{Limits, Role, Sent, Session, Time, passed_on};

use crate::both_ends;
use crate::end::Seen;
use crate::message::Message;
use crate::raw::Raw;

const ENDS: [Role; 2] = [Role::Client, Role::Server];
const TEN_SECONDS: Time = Time::from_millis(10_000);

#[test]
fn a_message_carries_the_seconds_it_has_left() {
    // [v5 MQTT-3.3.2-6]
    for role in ENDS {
        let mut end = Raw::open(role, Version::V5);
        for (wait, left) in [(0, "0a"), (1_000, "09"), (999, "08"), (1, "08"), (7_999, "01")] {
            end.advance(wait);
            end.end.send(Message::new("a", QoS::AtMostOnce, "").expiring(TEN_SECONDS), end.now);
            end.expect(&format!("30 L 0001 'a' 05 02 000000{left}"));
        }
        end.advance(1);
        let message = Message::new("a", QoS::AtMostOnce, "").expiring(TEN_SECONDS);
        assert_eq!(end.end.send(message, end.now), Sent::Expired);
        end.expect("");
    }
}

#[test]
fn a_clock_that_is_a_moment_behind_adds_no_second() {
    // [v5 MQTT-3.3.2-6]
    assert_eq!(Time::from_millis(60_001).seconds_from(Time::from_millis(0)), 60);
    assert_eq!(Time::from_millis(1).seconds_from(Time::from_millis(0)), 1);
    assert_eq!(Time::from_millis(1).seconds_from(Time::from_millis(1)), 0);
}

#[test]
fn before_5_0_a_message_expires_without_a_word() {
    for role in ENDS {
        let mut end = Raw::open(role, Version::V3_1_1);
        let message = Message::new("a", QoS::AtMostOnce, "").expiring(TEN_SECONDS);
        end.end.send(message.clone(), end.now);
        end.expect("30 03 0001 'a'");
        end.advance(10_000);
        assert_eq!(end.end.send(message, end.now), Sent::Expired);
    }
}

#[test]
fn a_message_that_expires_while_it_waits_is_dropped() {
    // [v5 MQTT-3.3.2-5]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "03 21 0001");
        end.send("a", QoS::AtLeastOnce, "1");
        end.end.send(Message::new("a", QoS::AtLeastOnce, "2").expiring(TEN_SECONDS), end.now);
        end.end.send(Message::new("a", QoS::AtLeastOnce, "3").expiring(TEN_SECONDS.plus_seconds(1)), end.now);
        end.discard();
        end.advance(10_000);
        end.feed("40 02 0001");
        end.expect("32 L 0001 'a' 0002 05 02 00000001 '3'");
        assert_eq!(end.seen()[1], Seen::Dropped("2".into(), Sent::Expired));
    }
}

#[test]
fn a_message_that_has_been_sent_expires_no_more() {
    // [v5 MQTT-4.3.3-7]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.end.send(Message::new("a", QoS::ExactlyOnce, "").expiring(TEN_SECONDS), end.now);
        end.end.send(Message::new("a", QoS::AtLeastOnce, "").expiring(TEN_SECONDS), end.now);
        end.advance(60_000);
        let mut end = end.resume("P");
        end.expect("3c L 0001 'a' 0001 ?050200000000; 3a L 0001 'a' 0002 ?050200000000");
        end.feed("50 02 0001; 70 02 0001; 40 02 0002");
        assert_eq!(end.end.connection.session().in_flight(), 0);
    }
}

#[test]
fn what_is_passed_on_of_a_message_is_its_own() {
    // [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-17]
    let text = "30 L 0001 'a' 17 01 01 02 0000000a 23 0001 0b 05 26 0001 'k' 0001 'v' 03 0001 't'";
    let packet = crate::hex::bytes(Version::V5, text);
    let Packet::Publish(publish) = Packet::decode(Frame::new(packet[0], &packet[2..]), Version::V5).unwrap()
    else {
        panic!()
    };
    let mut wire = Vec::new();
    let (properties, expires) = passed_on(&publish.properties, Time::from_millis(500), &mut wire);
    assert_eq!(expires, Some(Time::from_millis(10_500)));
    assert_eq!(properties.wire(), crate::hex::bytes(Version::V5, "01 01 26 0001 'k' 0001 'v' 03 0001 't'"));
}

#[test]
fn expired_messages_leave_the_queue_when_it_is_looked_through() {
    // [v5 MQTT-3.3.2-5]
    let seconds = |count| TEN_SECONDS.plus_seconds(count);
    let mut session = Session::new();
    assert_eq!((session.next_expiry(), session.drop_expired(seconds(0))), (None, 0));
    let message = |payload, expires| Message::new("a", QoS::AtLeastOnce, payload).expiring(expires);
    session.enqueue(message("2", seconds(2)));
    session.enqueue(Message::new("a", QoS::AtLeastOnce, "never"));
    session.enqueue(message("0", seconds(0)));
    session.enqueue(message("half", Time::from_millis(10_500)));
    assert_eq!(session.next_expiry(), Some(TEN_SECONDS));
    assert_eq!(session.drop_expired(Time::from_millis(9_999)), 0);
    assert_eq!(session.drop_expired(TEN_SECONDS), 1);
    // Not again within a second.
    assert_eq!(session.next_expiry(), Some(seconds(1)));
    assert_eq!(session.drop_expired(Time::from_millis(10_999)), 0);
    assert_eq!(session.drop_expired(seconds(1)), 1);
    assert_eq!(session.drop_expired(seconds(2)), 1);
    assert_eq!((session.waiting(), session.waiting_counted()), (1, 1));
    assert_eq!(session.drop_expired(seconds(100)), 0);
    session.pop_waiting();
    assert_eq!(session.next_expiry(), None);
}
