//! Clients are authenticated, by user name and password and by a method with challenges (section 4.12).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use colibri_broker::{Authenticator, Claim, Config, Exchange, Reply};
use colibri_codec::Version::{V3_1_1, V5};
use colibri_codec::{Auth, BinaryData, Properties, Property, ReasonCode, Utf8String};
use colibri_sim::World;

use crate::hello::Hello;
use crate::packets::Got;
use crate::peer::Peer;
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

/// Lets in who says "open", after two challenges of the method `riddle`, or whose password is that.
#[derive(Debug, Default)]
struct Riddles {
    /// Replies that a test answers later, as another thread would.
    later: Option<Arc<Mutex<Vec<Reply>>>>,
}

/// How far one client has come.
struct Riddle {
    password: Option<Vec<u8>>,
    solved: u8,
    later: Option<Arc<Mutex<Vec<Reply>>>>,
}

impl Authenticator for Riddles {
    fn begin(&self, claim: &Claim<'_>) -> Option<Box<dyn Exchange>> {
        let password = match claim.method {
            None => Some(claim.password.unwrap_or_default().to_vec()),
            Some("riddle") => None,
            Some(_) => return None,
        };
        Some(Box::new(Riddle { password, solved: 0, later: self.later.clone() }))
    }
}

impl Exchange for Riddle {
    fn step(&mut self, data: Option<&[u8]>, reply: Reply) {
        if let Some(later) = &self.later {
            return later.lock().unwrap().push(reply);
        }
        match (&self.password, self.solved, data) {
            (Some(password), _, _) if password == b"open" => reply.accept(None),
            (Some(_), _, _) => reply.refuse(ReasonCode::BadUserNameOrPassword, "try another"),
            (None, _, Some(b"silence")) => drop(reply),
            (None, 0, _) => {
                self.solved = 1;
                reply.challenge(Some(b"first".to_vec()));
            }
            (None, 1, Some(b"one")) => {
                self.solved = 2;
                reply.challenge(None);
            }
            (None, 2, Some(b"two")) => reply.accept(Some(b"proof".to_vec())),
            (None, _, _) => reply.refuse(ReasonCode::NotAuthorized, "that is not it"),
        }
    }
}

fn world(shards: usize) -> World {
    with(shards, |_| {})
}

fn with(shards: usize, change: impl FnOnce(&mut Config)) -> World {
    configured(shards, |config| {
        config.authenticator = Some(Arc::new(Riddles::default()));
        change(config);
    })
}

fn method(name: &'static str) -> Property<'static> {
    Property::AuthenticationMethod(Utf8String::new(name).unwrap())
}

fn riddle(name: &str) -> Hello {
    Hello::new(V5, name).with(method("riddle"))
}

fn send_auth(client: &Peer, reason: ReasonCode, name: &'static str, data: &[u8]) {
    let properties = [method(name), Property::AuthenticationData(BinaryData::new(data).unwrap())];
    let auth = Auth { reason, properties: Properties::new(&properties) };
    let mut bytes = Vec::new();
    auth.encode(V5, &mut bytes).unwrap();
    client.send_bytes(&bytes);
}

fn answer(client: &Peer, data: &[u8]) {
    send_auth(client, ReasonCode::ContinueAuthentication, "riddle", data);
}

#[track_caller]
fn expect_with(client: &Peer, wanted: &Got, properties: &[&str]) {
    let (got, all) = client.next_with_properties().expect("a packet");
    assert_eq!(got, *wanted);
    for property in properties {
        assert!(all.iter().any(|one| one == property), "{property} is not in {all:?}");
    }
}

const METHOD: &str = r#"AuthenticationMethod("riddle")"#;

/// Solves both riddles, and is let in.
fn solve(client: &Peer) {
    client.expect(&Got::Auth(0x18));
    answer(client, b"one");
    client.expect(&Got::Auth(0x18));
    answer(client, b"two");
}

#[test]
fn a_client_that_solves_the_challenges_is_let_in() {
    // [v5 MQTT-4.12.0-2] [v5 MQTT-4.12.0-5]
    for shards in SHARDS {
        let world = world(shards);
        for name in ["a", "b", "c", "d", ""] {
            let client = world.dial(&riddle(name));
            let (got, all) = client.next_with_properties().unwrap();
            assert_eq!(got, Got::Auth(0x18));
            assert!(all.contains(&METHOD.to_owned()), "{all:?}");
            assert!(all.iter().any(|one| one.starts_with("AuthenticationData")), "{all:?}");
            answer(&client, b"one");
            expect_with(&client, &Got::Auth(0x18), &[METHOD]);
            answer(&client, b"two");
            let (got, all) = client.next_with_properties().unwrap();
            assert_eq!(got, Got::Connack { present: false, code: 0 });
            assert!(all.contains(&METHOD.to_owned()), "{all:?}");
            assert!(all.iter().any(|one| one.starts_with("AuthenticationData")), "{all:?}");
            client.subscribe("t", 1);
            client.publish("t", "x", 1);
            client.expect_publish("t", "x", 1);
            client.leave();
        }
        assert_eq!(world.connections(), (0, 0));
    }
}

#[test]
fn a_wrong_answer_another_method_and_an_unknown_one_are_refused() {
    // [v5 MQTT-4.12.0-1] [v5 MQTT-4.12.0-4] [v5 MQTT-4.12.0-5] [v5 MQTT-4.13.2-1]
    for shards in SHARDS {
        let world = world(shards);
        let client = world.dial(&riddle("a"));
        client.expect(&Got::Auth(0x18));
        answer(&client, b"two");
        let words = r#"ReasonString("that is not it")"#;
        expect_with(&client, &Got::Connack { present: false, code: 0x87 }, &[words]);
        client.expect_closed();
        let client = world.dial(&riddle("a"));
        client.expect(&Got::Auth(0x18));
        send_auth(&client, ReasonCode::ContinueAuthentication, "other", b"one");
        client.expect(&Got::Connack { present: false, code: 0x82 });
        client.expect_closed();
        let client = world.dial(&Hello::new(V5, "a").with(method("unknown")));
        client.expect(&Got::Connack { present: false, code: 0x8C });
        client.expect_closed();
        assert_eq!((world.connections(), world.metrics().sessions), ((0, 0), 0));
    }
}

#[test]
fn during_the_exchange_only_auth_and_disconnect_may_come() {
    // [v5 MQTT-3.1.2-30]
    for shards in SHARDS {
        let world = world(shards);
        for packet in ["C0 00", "30 04 0001 61 00", "82 07 0001 00 0001 61 00"] {
            let client = world.dial(&riddle("a"));
            client.expect(&Got::Auth(0x18));
            client.send_hex(packet);
            client.expect(&Got::Connack { present: false, code: 0x82 });
            client.expect_closed();
            // Nor may it be in one piece with CONNECT.
            let client = world.open(V5);
            client.send_bytes(&riddle("a").encode());
            client.send_hex(packet);
            client.expect(&Got::Connack { present: false, code: 0x82 });
            client.expect_closed();
        }
        let client = world.dial(&riddle("a"));
        client.expect(&Got::Auth(0x18));
        client.send_hex("E0 00");
        client.expect_closed();
        assert_eq!(world.connections(), (0, 0));
    }
}

#[test]
fn a_password_lets_in_and_what_came_behind_connect_is_dealt_with_then() {
    for (shards, version) in everywhere() {
        let world = world(shards);
        let client = world.open(version);
        client.send_bytes(&Hello::new(version, "a").credentials("me", "open").encode());
        client.ask(&[crate::peer::wish("t", 1)]);
        client.expect_accepted();
        client.expect(&Got::Suback(1, vec![1]));
        client.publish("t", "x", 1);
        client.expect_publish("t", "x", 1);
    }
}

#[test]
fn a_wrong_password_is_refused_in_each_version() {
    for (shards, version) in everywhere() {
        let world = world(shards);
        for hello in [Hello::new(version, "a").credentials("me", "shut"), Hello::new(version, "a")] {
            let client = world.dial(&hello);
            let code = if version == V3_1_1 { 4 } else { 0x86 };
            client.expect(&Got::Connack { present: false, code });
            client.expect_closed();
        }
        assert_eq!(world.metrics().sessions, 0);
    }
}

#[test]
fn the_session_of_another_client_is_not_taken_over_before_the_answer() {
    for shards in SHARDS {
        let world = world(shards);
        let owner = world.join(&Hello::new(V5, "a").credentials("me", "open"));
        let thief = world.dial(&Hello::new(V5, "a").credentials("me", "guess"));
        thief.expect(&Got::Connack { present: false, code: 0x86 });
        owner.expect_nothing();
        let owner_again = world.join(&Hello::new(V5, "a").credentials("me", "open"));
        owner.expect_disconnect(0x8E);
        owner_again.expect_nothing();
    }
}

#[test]
fn a_client_authenticates_again_while_other_traffic_goes_on() {
    // [v5 MQTT-4.12.1-1]
    for shards in SHARDS {
        let world = world(shards);
        let client = world.dial(&riddle("a"));
        solve(&client);
        client.expect_accepted();
        client.subscribe("t", 0);
        for _ in 0..2 {
            send_auth(&client, ReasonCode::ReAuthenticate, "riddle", b"");
            client.expect(&Got::Auth(0x18));
            client.publish("t", "x", 0);
            client.expect_publish("t", "x", 0);
            answer(&client, b"one");
            client.expect(&Got::Auth(0x18));
            answer(&client, b"two");
            expect_with(&client, &Got::Auth(0), &[METHOD]);
        }
        client.publish("t", "y", 0);
        client.expect_publish("t", "y", 0);
    }
}

#[test]
fn a_failed_or_foreign_re_authentication_ends_the_connection() {
    // [v5 MQTT-4.12.0-7] [v5 MQTT-4.12.1-1] [v5 MQTT-4.12.1-2]
    for shards in SHARDS {
        let world = world(shards);
        let joined = || {
            let client = world.dial(&riddle("a"));
            solve(&client);
            client.expect_accepted();
            client
        };
        let client = joined();
        send_auth(&client, ReasonCode::ReAuthenticate, "riddle", b"");
        client.expect(&Got::Auth(0x18));
        answer(&client, b"wrong");
        client.expect_disconnect(0x87);
        let client = joined();
        send_auth(&client, ReasonCode::ReAuthenticate, "other", b"");
        client.expect_disconnect(0x82);
        let client = world.join(&Hello::new(V5, "a").credentials("me", "open"));
        send_auth(&client, ReasonCode::ReAuthenticate, "riddle", b"");
        client.expect_disconnect(0x82);
    }
}

#[test]
fn an_exchange_may_take_only_so_long() {
    for shards in SHARDS {
        let world = with(shards, |config| {
            config.connect_timeout = Duration::from_secs(3);
            config.authentication_timeout = Duration::from_secs(5);
        });
        let client = world.dial(&riddle("a"));
        client.expect(&Got::Auth(0x18));
        world.advance_millis(4_999);
        client.expect_nothing();
        world.advance_millis(1);
        client.expect(&Got::Connack { present: false, code: 0x87 });
        client.expect_closed();
        // One that ends in time leaves nothing behind.
        let client = world.dial(&riddle("a").keep_alive(4));
        world.advance(4);
        solve(&client);
        client.expect_accepted();
        world.advance_millis(5_999);
        client.expect_nothing();
        world.advance_millis(1);
        client.expect_disconnect(0x8D);
        // The same when a client authenticates again.
        let client = world.dial(&riddle("a"));
        solve(&client);
        client.expect_accepted();
        send_auth(&client, ReasonCode::ReAuthenticate, "riddle", b"");
        client.expect(&Got::Auth(0x18));
        world.advance(5);
        client.expect_disconnect(0x87);
    }
}

#[test]
fn an_exchange_may_take_only_so_many_steps() {
    let world = with(2, |config| config.authentication_steps_maximum = 2);
    let client = world.dial(&riddle("a"));
    client.expect(&Got::Auth(0x18));
    answer(&client, b"one");
    client.expect(&Got::Auth(0x18));
    answer(&client, b"two");
    client.expect(&Got::Connack { present: false, code: 0x87 });
    client.expect_closed();
}

#[test]
fn an_authenticator_that_forgets_to_answer_refuses() {
    let world = world(2);
    let client = world.dial(&riddle("a"));
    client.expect(&Got::Auth(0x18));
    answer(&client, b"silence");
    client.expect(&Got::Connack { present: false, code: 0x80 });
    client.expect_closed();
}

#[test]
fn an_answer_may_come_later_and_from_another_thread() {
    for shards in SHARDS {
        let later = Arc::new(Mutex::new(Vec::new()));
        let riddles = Riddles { later: Some(Arc::clone(&later)) };
        let world = configured(shards, |config| config.authenticator = Some(Arc::new(riddles)));
        let take = || later.lock().unwrap().pop().expect("a reply is awaited");
        let client = world.open(V5);
        client.send_bytes(&Hello::new(V5, "a").encode());
        client.ping();
        world.advance(1);
        client.expect_nothing();
        let reply = take();
        std::thread::spawn(move || reply.accept(None)).join().unwrap();
        client.expect_accepted();
        client.expect(&Got::Pingresp);
        // A client that sends before it is its turn is refused, and the answer finds nobody.
        let hasty = world.dial(&riddle("b"));
        answer(&hasty, b"one");
        hasty.expect(&Got::Connack { present: false, code: 0x82 });
        hasty.expect_closed();
        take().accept(None);
        let next = world.dial(&Hello::new(V5, "c"));
        next.expect_nothing();
        take().accept(None);
        next.expect_accepted();
        assert_eq!(world.metrics().sessions, 2);
    }
}

#[test]
fn without_a_method_there_is_no_challenge() {
    // [v5 MQTT-4.12.0-6]
    let later = Arc::new(Mutex::new(Vec::new()));
    let riddles = Riddles { later: Some(Arc::clone(&later)) };
    let world = configured(1, |config| config.authenticator = Some(Arc::new(riddles)));
    let client = world.dial(&Hello::new(V5, "a"));
    world.run();
    later.lock().unwrap().pop().unwrap().challenge(None);
    client.expect(&Got::Connack { present: false, code: 0x87 });
    client.expect_closed();
}
