//! Subscriptions and what they bring (sections 3.3.4, 3.8, 3.10 and 4.7).

use colibri_codec::Version::{V3_1_1, V5};
use colibri_codec::{Property, ReasonCode};

use crate::hello::Hello;
use crate::packets::Got;
use crate::peer::wish;
use crate::world::{World, configured};
use crate::{SHARDS, everywhere};

#[test]
fn a_message_comes_with_the_lower_of_both_qos() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for name in ["a", "b", "c", "d"] {
            for other in [V3_1_1, V5] {
                let client = world.join(&Hello::new(other, name));
                for granted in 0..3 {
                    for qos in 0..3 {
                        client.subscribe("t", granted);
                        publisher.publish("t", "x", qos);
                        let message = client.expect_publish("t", "x", qos.min(granted));
                        assert!(!message.dup && !message.retain);
                    }
                }
                client.expect_nothing();
                client.leave();
            }
        }
    }
}

#[test]
fn several_filters_get_one_suback_in_their_order() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let client = world.join(&Hello::new(version, "a"));
        let id = client.ask(&[wish("a", 2), wish("b/#", 0), wish("+/c", 1)]);
        client.expect(&Got::Suback(id, vec![2, 0, 1]));
        for topic in ["a", "b", "x/c"] {
            client.publish(topic, "x", 0);
            client.expect_publish(topic, "x", 0);
        }
        let id = client.ask_off(&["a", "nothing", "+/c"]);
        let codes = if version == V5 { vec![0, 0x11, 0] } else { vec![] };
        client.expect(&Got::Unsuback(id, codes));
        client.publish("a", "x", 0);
        client.publish("b", "fence", 0);
        client.expect_publish("b", "fence", 0);
        assert_eq!(world.metrics().subscriptions, 1);
    }
}

#[test]
fn overlapping_subscriptions_bring_one_copy_with_the_highest_qos_and_all_identifiers() {
    for shards in SHARDS {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        let client = world.join(&Hello::new(V5, "client"));
        client.subscribe_to(wish("a/#", 0).identifier(1));
        client.subscribe_to(wish("a/b", 2).identifier(268_435_455));
        client.subscribe_to(wish("+/b", 1));
        client.subscribe_to(wish("#", 1).identifier(3).as_published());
        publisher.publish_with("a/b", b"x", 2, true, &[]);
        let message = client.expect_publish("a/b", "x", 2);
        assert_eq!(message.identifiers, [1, 3, 268_435_455]);
        assert!(message.retain);
        client.expect_nothing();
        // The retained copy of one subscription has its identifier alone.
        client.subscribe_to(wish("a/#", 1).identifier(9));
        assert_eq!(client.expect_publish("a/b", "x", 1).identifiers, [9]);
        publisher.publish("z", "y", 0);
        assert_eq!(client.expect_publish("z", "y", 0).identifiers, [3]);
        client.expect_nothing();
    }
    for shards in SHARDS {
        let world = World::new(shards);
        let client = world.join(&Hello::new(V3_1_1, "client"));
        client.subscribe("a/#", 0);
        client.subscribe("a/b", 2);
        client.subscribe("+/b", 1);
        client.publish("a/b", "x", 2);
        client.expect_publish("a/b", "x", 2);
        client.expect_nothing();
    }
}

#[test]
fn no_local_keeps_a_clients_own_messages_away() {
    for shards in SHARDS {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for name in ["a", "b", "c"] {
            let client = world.join(&Hello::resume(V5, name));
            client.subscribe_to(wish("t", 1).no_local());
            client.publish_with("t", b"own", 1, true, &[]);
            publisher.publish("t", "other", 1);
            client.expect_publish("t", "other", 1);
            client.cut();
            let again = world.join(&Hello::resume(V5, name));
            again.publish("t", "own", 1);
            again.expect_nothing();
            // Another subscription without it brings the message.
            again.subscribe_to(wish("+", 1).handling(colibri_codec::RetainHandling::DoNotSend));
            again.publish("t", "own", 1);
            again.expect_publish("t", "own", 1);
            again.leave();
            publisher.retain("t", "", 1);
        }
    }
}

#[test]
fn the_same_filter_replaces_the_subscription() {
    for shards in SHARDS {
        let world = World::new(shards);
        let client = world.join(&Hello::new(V5, "a"));
        client.subscribe_to(wish("t", 0).identifier(1).no_local());
        client.publish("t", "own", 1);
        client.subscribe_to(wish("t", 1).identifier(2));
        client.publish("t", "x", 1);
        assert_eq!(client.expect_publish("t", "x", 1).identifiers, [2]);
        client.subscribe_to(wish("t", 0));
        client.publish("t", "y", 1);
        assert_eq!(client.expect_publish("t", "y", 0).identifiers, [0; 0]);
        client.expect_nothing();
        assert_eq!(world.metrics().subscriptions, 1);
        client.unsubscribe("t");
        client.publish("t", "z", 1);
        client.expect_nothing();
    }
}

#[test]
fn unsubscribing_goes_by_the_exact_filter_and_ends_nothing_that_has_begun() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let client = world.join(&Hello::new(version, "client"));
        client.subscribe("a/+", 2);
        let id = client.ask_off(&["a/b"]);
        client.expect(&Got::Unsuback(id, if version == V5 { vec![0x11] } else { vec![] }));
        publisher.publish("a/b", "x", 2);
        publisher.publish("a/b", "y", 1);
        let two = client.expect_unanswered("a/b", "x", 2);
        let one = client.expect_unanswered("a/b", "y", 1);
        client.unsubscribe("a/+");
        publisher.publish("a/b", "z", 2);
        client.pubrec(two.id);
        client.expect(&Got::Pubrel(two.id, 0));
        client.pubcomp(two.id);
        client.puback(one.id);
        client.expect_nothing();
    }
}

#[test]
fn wildcards_do_not_match_topics_that_begin_with_a_dollar() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let client = world.join(&Hello::new(version, "client"));
        for filter in ["#", "+/x", "+/#"] {
            client.subscribe(filter, 0);
        }
        publisher.publish("$t/x", "x", 0);
        publisher.retain("$t/x", "x", 0);
        client.expect_nothing();
        client.subscribe("$t/#", 0);
        assert!(client.expect_publish("$t/x", "x", 0).retain);
        publisher.publish("$t/y", "y", 0);
        client.expect_publish("$t/y", "y", 0);
    }
}

#[test]
fn clients_do_not_publish_to_sys_topics() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let client = world.join(&Hello::new(version, "a"));
        client.subscribe("$SYS/#", 2);
        let id = client.post("$SYS/broker/version", b"mine", 1);
        client.expect(&Got::Puback(id, if version == V5 { 0x87 } else { 0 }));
        let id = client.post("$SYS/broker/version", b"mine", 2);
        client.expect(&Got::Pubrec(id, if version == V5 { 0x87 } else { 0 }));
        client.post("$SYS/broker/version", b"mine", 0);
        client.expect_nothing();
    }
}

#[test]
fn sys_topics_tell_what_the_broker_has() {
    for shards in SHARDS {
        let world = configured(shards, |config| config.sys_interval = std::time::Duration::from_secs(10));
        let all: Vec<_> = (0..5).map(|name| world.join(&Hello::new(V5, &format!("c{name}")))).collect();
        world.advance(10);
        all[0].subscribe("$SYS/broker/clients/connected", 0);
        assert!(all[0].expect_publish("$SYS/broker/clients/connected", "5", 0).retain);
        all[1].leave();
        world.advance(10);
        all[0].expect_publish("$SYS/broker/clients/connected", "4", 0);
        all[2].subscribe("#", 0);
        world.advance(10);
        all[2].expect_nothing();
    }
}

#[test]
fn topics_and_filters_have_only_so_many_levels() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.topic_levels_maximum = 3);
        let client = world.join(&Hello::new(version, "a"));
        let id = client.ask(&[wish("a/b/c", 1), wish("a/b/c/d", 1), wish("a/b/#", 1)]);
        client.expect(&Got::Suback(id, vec![1, if version == V5 { 0x8F } else { 0x80 }, 1]));
        client.publish("a/b/c", "x", 0);
        client.expect_publish("a/b/c", "x", 0);
        let id = client.post("a/b/c/d", b"x", 1);
        client.expect(&Got::Puback(id, if version == V5 { 0x90 } else { 0 }));
        client.expect_nothing();
    }
}

#[test]
fn a_session_has_only_so_many_subscriptions() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.subscriptions_maximum = 2);
        let client = world.join(&Hello::new(version, "a"));
        let id = client.ask(&[wish("a", 0), wish("b", 0), wish("c", 0), wish("a", 1)]);
        client.expect(&Got::Suback(id, vec![0, 0, if version == V5 { 0x97 } else { 0x80 }, 1]));
        client.unsubscribe("a");
        client.subscribe("c", 0);
        assert_eq!(world.metrics().subscriptions, 2);
    }
}

#[test]
fn a_publisher_learns_that_nobody_has_subscribed() {
    for shards in SHARDS {
        let world = World::new(shards);
        let client = world.join(&Hello::new(V5, "a"));
        let id = client.post("nobody", b"x", 1);
        client.expect(&Got::Puback(id, 0x10));
        let id = client.post("nobody", b"x", 2);
        client.expect(&Got::Pubrec(id, 0x10));
        let far = world.join(&Hello::new(V5, "far away"));
        far.subscribe("nobody", 0);
        let id = client.post("nobody", b"x", 1);
        client.expect(&Got::Puback(id, 0));
    }
}

#[test]
fn what_belongs_to_a_message_reaches_every_receiver_unchanged() {
    for shards in SHARDS {
        let world = World::new(shards);
        let text = |text| colibri_codec::Utf8String::new(text).unwrap();
        let publisher = world.join(&Hello::new(V5, "publisher"));
        let data = [
            Property::PayloadFormatIndicator(true),
            Property::ContentType(text("text/plain")),
            Property::ResponseTopic(colibri_codec::TopicName::new("answer/here").unwrap()),
            Property::CorrelationData(colibri_codec::BinaryData::new(&[0, 255, 128]).unwrap()),
            Property::UserProperty((text("b"), text("1"))),
            Property::UserProperty((text("a"), text("2"))),
            Property::UserProperty((text("b"), text("3"))),
        ];
        let wanted: Vec<String> = data.iter().map(|property| format!("{property:?}")).collect();
        for name in ["a", "b", "c", "d"] {
            for qos in 0..3 {
                let client = world.join(&Hello::new(V5, name));
                client.subscribe("t", qos);
                let old = world.join(&Hello::new(V3_1_1, &format!("{name}-old")));
                old.subscribe("t", qos);
                publisher.publish_with("t", b"x", 2, false, &data);
                assert_eq!(client.expect_publish("t", "x", qos).others, wanted);
                old.expect_publish("t", "x", qos);
                let aside = [&data[..], &[Property::MessageExpiryInterval(9)]].concat();
                publisher.publish_with("t", b"y", 2, false, &aside);
                let message = client.expect_publish("t", "y", qos);
                assert_eq!((message.others.as_slice(), message.expiry), (wanted.as_slice(), Some(9)));
                client.leave();
                old.leave();
            }
        }
    }
}

#[test]
fn a_message_published_again_as_dup_goes_out_as_new() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let client = world.join(&Hello::new(version, "a"));
        client.subscribe("t", 1);
        client.send_publish("t", b"x", (1, false, true), 9, &[]);
        client.pick(|got| *got == Got::Puback(9, 0));
        assert!(!client.expect_publish("t", "x", 1).dup);
        client.send_publish("t", b"x", (1, false, true), 9, &[]);
        client.pick(|got| *got == Got::Puback(9, 0));
        assert!(!client.expect_publish("t", "x", 1).dup);
    }
}

#[test]
fn a_failing_acknowledgement_ends_the_delivery() {
    for shards in SHARDS {
        let world = World::new(shards);
        let client = world.join(&Hello::resume(V5, "a").receive_maximum(1));
        client.subscribe("t", 1);
        client.publish("t", "1", 1);
        client.publish("t", "2", 1);
        let message = client.expect_unanswered("t", "1", 1);
        client.puback_with(message.id, ReasonCode::UnspecifiedError);
        client.expect_publish("t", "2", 1);
        client.cut();
        world.join(&Hello::resume(V5, "a")).expect_nothing();
    }
}

#[test]
fn a_hundred_thousand_subscriptions_are_made_and_given_up_in_no_time() {
    let world = World::new(2);
    let client = world.join(&Hello::new(V5, "a"));
    let filters: Vec<String> = (0..100_000).map(|number| format!("topic/{number}")).collect();
    for some in filters.chunks(10_000) {
        let wishes: Vec<_> = some.iter().map(|filter| wish(filter, 0)).collect();
        let id = client.ask(&wishes);
        client.expect(&Got::Suback(id, vec![0; 10_000]));
        let id = client.ask(&wishes);
        client.expect(&Got::Suback(id, vec![0; 10_000]));
    }
    for some in filters.chunks(10_000) {
        let some: Vec<_> = some.iter().map(String::as_str).collect();
        let id = client.ask_off(&some);
        client.expect(&Got::Unsuback(id, vec![0; 10_000]));
    }
    assert_eq!(world.metrics().subscriptions, 0);
}
