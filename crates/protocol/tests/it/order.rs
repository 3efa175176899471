//! The order of acknowledgements (section 4.6).

use colibri_codec::{Delivery, QoS, ReasonCode};

use crate::both_ends;
use crate::end::Answers;
use crate::raw::{Raw, id};

fn release(end: &mut Raw, number: u16) {
    let now = end.now;
    let success = ReasonCode::Success;
    end.end.with(|connection, out| connection.acknowledge_held(id(number), success, now, out));
}

#[test]
fn acknowledgements_leave_in_the_order_of_the_messages() {
    // [v5 MQTT-4.6.0-2] [v5 MQTT-4.6.0-3] [v3.1.1 MQTT-4.6.0-2] [v3.1.1 MQTT-4.6.0-3]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version).answering(Answers::Held);
        end.feed("32 L 0001 'a' 0001 P; 34 L 0001 'a' 0002 P; 32 L 0001 'a' 0003 P; 34 L 0001 'a' 0004 P");
        end.expect("");
        assert_eq!(end.end.connection.held(), 4);
        release(&mut end, 3);
        release(&mut end, 2);
        end.expect("");
        release(&mut end, 1);
        end.expect("40 02 0001; 50 02 0002; 40 02 0003");
        release(&mut end, 4);
        end.expect("50 02 0004");
        assert_eq!(end.end.connection.held(), 0);
    }
}

#[test]
fn an_acknowledgement_given_at_once_waits_behind_one_that_is_held() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version).answering(Answers::Held);
        end.feed("32 L 0001 'a' 0001 P");
        end.end.answers = Answers::AtOnce;
        end.feed("32 L 0001 'a' 0002 P; 34 L 0001 'a' 0003 P; 30 L 0001 'a' P");
        end.expect("");
        release(&mut end, 1);
        end.expect("40 02 0001; 40 02 0002; 50 02 0003");
    }
}

#[test]
fn holding_one_message_back_does_not_hold_the_other_direction_back() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version).answering(Answers::Held);
        end.feed("32 L 0001 'a' 0001 P");
        end.send("a", QoS::ExactlyOnce, "x");
        end.expect("34 L 0001 'a' 0001 P 'x'");
        end.feed("50 02 0001");
        end.expect("62 02 0001");
    }
}

#[test]
fn a_held_qos_2_message_that_comes_again_is_answered_once() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version).answering(Answers::Held);
        end.feed("34 L 0001 'a' 0001 P; 3c L 0001 'a' 0001 P");
        release(&mut end, 1);
        end.expect("50 02 0001");
        assert_eq!(end.seen().len(), 1);
    }
}

#[test]
fn an_identifier_that_is_not_held_releases_nothing() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version).answering(Answers::Held);
        end.feed("32 L 0001 'a' 0001 P");
        release(&mut end, 2);
        end.end.with(|connection, _| connection.hold(Delivery::AtMostOnce));
        end.expect("");
        assert_eq!(end.end.connection.held(), 1);
    }
}

#[test]
fn pubrel_leaves_in_the_order_of_pubrec() {
    // [v5 MQTT-4.6.0-4] [v3.1.1 MQTT-4.6.0-4]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        for payload in ["1", "2", "3"] {
            end.send("a", QoS::ExactlyOnce, payload);
        }
        end.discard();
        end.feed("50 02 0003; 50 02 0001; 50 02 0002");
        end.expect("62 02 0003; 62 02 0001; 62 02 0002");
    }
}
