//! Every failure that the simulation has found, as the shortest run that showed it.

use std::time::Duration;

use colibri_broker::{Durability, QueueFull};
use colibri_sim::{Action, Message, Plan, Setting, Step, WILLS};
use colibri_storage::faulty::Fault;

/// The steps of a run, each with the number of turns behind it.
fn run(seed: u64, shards: usize, steps: &[(Action, usize)]) {
    run_with(Setting::PLAIN, seed, shards, steps);
}

/// The same for another broker or other clients.
fn run_with(setting: Setting, seed: u64, shards: usize, steps: &[(Action, usize)]) {
    let steps = steps.iter().map(|(action, turns)| Step { action: *action, turns: *turns }).collect();
    let outcome = Plan { seed, shards, setting, steps }.run(false);
    assert_eq!(outcome.err(), None);
}

/// A message that had to wait was sent while the joint with its row was not whole. The row as it was sent was
/// committed alone, without the Packet Identifier that its publisher had used, and a kill made it come twice.
#[test]
fn a_qos_2_message_that_had_to_wait_is_not_stored_without_its_joint() {
    run(
        4187,
        3,
        &[
            (Action::Publish(1, Message::new('t', 0, 1)), 33),
            (Action::Publish(1, Message::new('t', 1, 2)), 3),
            (Action::Read(1, 400), 5),
            (Action::Publish(2, Message::new('r', 0, 1)), 5),
            (Action::Publish(1, Message::new('t', 2, 2)), 0),
            (Action::Answer(1, 2), 3),
            (Action::Kill, 0),
        ],
    );
}

/// The same with a body that several queues share, which was in the joint: the row that spoke of it was alone
/// in the store, and the broker did not start any more.
#[test]
fn a_row_is_not_stored_without_the_body_that_it_speaks_of() {
    run(
        9529,
        2,
        &[
            (Action::Pass(100_000), 4),
            (Action::LosePower(8_984_818_490_604_904_892), 5),
            (Action::Start, 5),
            (Action::Connect(4, false), 2),
            (Action::Pass(100_000), 0),
            (Action::Kill, 1),
            (Action::Start, 3),
            (Action::Pass(1_100), 1),
            (Action::Connect(7, false), 3),
            (Action::Pass(300), 45),
            (Action::Pass(7_000), 3),
            (Action::Settle, 3),
            (Action::Connect(0, false), 5),
            (Action::Publish(7, Message::new('r', 1, 2)), 2),
            (Action::Kill, 1),
        ],
    );
}

/// Two messages with QoS 2 for a subscriber with QoS 1: the first waited in the gate for its joint, the second
/// had to wait for the client's quota and then went past it.
#[test]
fn a_message_that_had_to_wait_does_not_overtake_one_in_the_gate() {
    let large = Message { large: true, ..Message::new('t', 1, 2) };
    let expiring = Message { expiry: Some(1), ..Message::new('t', 2, 1) };
    run(
        58252,
        2,
        &[
            (Action::Connect(4, false), 2),
            (Action::Pass(1_100), 2),
            (Action::Publish(1, expiring), 5),
            (Action::Stall(178), 1),
            (Action::Publish(4, Message::new('r', 2, 2)), 2),
            (Action::Publish(4, large), 1),
            (Action::Publish(4, Message::new('r', 2, 2)), 0),
            (Action::Settle, 2),
        ],
    );
}

/// A clean session ended an older one while nothing could be written, and its client went before CONNACK. The
/// next CONNACK said at once that no session was there, and after a crash the old one was there again.
#[test]
fn a_session_that_has_ended_for_one_connack_does_not_come_back_after_the_next() {
    let large = Message { large: true, ..Message::new('t', 1, 1) };
    run(
        344_800,
        2,
        &[
            (Action::Connect(7, false), 6),
            (Action::Publish(1, large), 2),
            (Action::Cut(1), 2),
            (Action::FailSync, 3),
            (Action::Settle, 5),
            (Action::Subscribe(7, 2, 2), 3),
            (Action::Silence(7), 5),
            (Action::Connect(7, true), 2),
            (Action::Vanish(7, 29), 5),
            (Action::Connect(7, false), 2),
            (Action::Settle, 0),
        ],
    );
}

/// A sync failed and the process was killed: the next one found changes that were written and not synced. It
/// told a client that its session was gone, and power loss brought that back.
#[test]
fn what_a_broker_finds_at_its_start_outlives_power_loss() {
    let message = |family, number| Message { large: true, ..Message::new(family, number, 2) };
    run(
        1_071_067,
        2,
        &[
            (Action::Connect(6, false), 5),
            (Action::Pass(100_000), 4),
            (Action::Subscribe(6, 5, 2), 1),
            (Action::Publish(1, Message { empty: true, ..Message::new('r', 0, 2) }), 0),
            (Action::Silence(6), 1),
            (Action::Answer(4, 20), 4),
            (Action::Connect(6, true), 3),
            (Action::FailSync, 27),
            (Action::Kill, 3),
            (Action::Start, 1),
            (Action::Connect(6, false), 1),
            (Action::Settle, 5),
            (Action::FailSync, 4),
            (Action::Publish(6, message('t', 2)), 2),
            (Action::Publish(1, message('t', 0)), 58),
            (Action::LosePower(2_395_105_059_900_311_318), 4),
        ],
    );
}

/// A queue lost its oldest message in the turn in which that had come, and the row of a joint was deleted before
/// it was put: it stayed in the store, and at the next start so many waited again.
#[test]
fn what_a_full_queue_drops_is_not_in_the_store_behind_a_restart() {
    let setting = Setting { queue: Some((QueueFull::DropOldest, 3)), ..Setting::PLAIN };
    for seed in [2699, 3, 6] {
        run_with(setting, seed, 3, &[(Action::Flood(4, 300), 20), (Action::Kill, 0), (Action::Start, 3)]);
    }
}

/// Messages with QoS 0 stay behind others that wait in the gate, and those there did not count as output: while the
/// disk stood still they came without end.
#[test]
fn what_waits_in_a_gate_counts_against_the_budget_of_its_client() {
    run(
        551,
        3,
        &[
            (Action::Publish(0, Message::new('t', 0, 2)), 4),
            (Action::Connect(6, false), 0),
            (Action::Stall(2_000), 2),
            (Action::Settle, 1),
            (Action::Publish(0, Message::new('t', 0, 2)), 4),
            (Action::Leave(6, true), 5),
            (Action::Pour(6, 400), 6),
        ],
    );
}

/// A client that came back to a full queue was disconnected for the first message that came before it had been
/// sent what waited. Its own were enough, as it sent them again each time.
#[test]
fn a_client_with_a_full_queue_can_come_back_while_somebody_publishes() {
    let setting = Setting { queue: Some((QueueFull::Disconnect, 3)), ..Setting::PLAIN };
    run_with(
        setting,
        3916,
        2,
        &[
            (Action::Publish(1, Message::new('t', 1, 1)), 0),
            (Action::Publish(1, Message { expiry: Some(1), ..Message::new('r', 2, 2) }), 4),
            (Action::Silence(1), 0),
            (Action::Flood(5, 100), 20),
        ],
    );
}

/// A queue was full, and what had waited longest in it was retained messages for a SUBSCRIBE, which do not count.
/// Each made way for one message that does, so that more waited than may.
#[test]
fn retained_messages_that_are_dropped_for_others_do_not_make_a_queue_longer() {
    let setting = Setting { queue: Some((QueueFull::DropOldest, 3)), ..Setting::PLAIN };
    for seed in 0..20 {
        run_with(
            setting,
            seed,
            1,
            &[
                (Action::Publish(0, Message::new('r', 0, 1)), 0),
                (Action::Publish(0, Message::new('r', 1, 1)), 0),
                (Action::Publish(0, Message::new('r', 2, 1)), 5),
                (Action::Connect(5, false), 2),
                (Action::Settle, 1),
                (Action::Subscribe(5, 3, 2), 5),
                (Action::Publish(3, Message::new('t', 0, 1)), 5),
                (Action::Publish(3, Message::new('t', 1, 1)), 5),
                (Action::Publish(3, Message::new('t', 2, 1)), 5),
                (Action::Publish(3, Message::new('s', 0, 1)), 5),
                (Action::Publish(3, Message::new('s', 1, 1)), 5),
            ],
        );
    }
}

/// A client came back to a queue that was not full. What it sent again filled it, and as it got that itself, it was
/// disconnected before its answers were through the store; and so each time.
#[test]
fn a_client_with_a_queue_that_is_nearly_full_can_come_back_and_send_again() {
    let queue = Some((QueueFull::Disconnect, 3));
    let durability = Durability::Periodic(Duration::from_millis(500));
    run_with(
        Setting { durability, unsynced: 12, queue, protocol: 209, ..Setting::PLAIN },
        620_835,
        1,
        &[
            (Action::Publish(0, Message::new('t', 2, 1)), 3),
            (Action::Publish(0, Message::new('t', 1, 1)), 1),
            (Action::Publish(2, Message::new('t', 1, 1)), 4),
            (Action::Kill, 0),
        ],
    );
}

/// The oracle took a will for called off: a client broke the protocol, and DISCONNECT came behind that.
#[test]
fn a_disconnect_behind_a_violation_does_not_call_a_will_off() {
    run_with(
        Setting { fragment: Some(1), ..Setting::PLAIN },
        WILLS | 607_092,
        2,
        &[
            (Action::Connect(4, false), 1),
            (Action::Settle, 1),
            (Action::Misbehave(4, 3), 4),
            (Action::Leave(4, false), 5),
            (Action::Settle, 5),
        ],
    );
}

/// The oracle gave a client that had broken the protocol, and was not read for a moment because the disk failed,
/// its time while the process was suspended.
#[test]
fn a_suspended_process_need_not_close_who_breaks_the_protocol() {
    run(
        725_569,
        2,
        &[
            (Action::FailCommit(Fault::FullAfterWriting), 2),
            (Action::Connect(7, false), 2),
            (Action::Settle, 0),
            (Action::Connect(5, true), 3),
            (Action::FailCommit(Fault::FullAfterWriting), 5),
            (Action::Read(5, usize::MAX), 4),
            (Action::Publish(5, Message::new('t', 2, 2)), 5),
            (Action::Publish(5, Message::new('s', 2, 2)), 56),
            (Action::Misbehave(5, 0), 1),
            (Action::Suspend(7_000), 4),
        ],
    );
}

/// A client lost its connection while a retained message waited behind a live one. What is retained stays in memory
/// and was sent first on the next connection, so the identifiers were not in the order of the rows. After a kill two
/// of the exchanges could not be found: their acknowledgements had no effect, and their rows stayed in the store.
#[test]
fn what_was_sent_in_another_order_than_it_was_stored_can_be_acknowledged_after_a_kill() {
    let expiring = Message { expiry: Some(3), ..Message::new('r', 1, 2) };
    let large = Message { large: true, ..Message::new('s', 0, 2) };
    run_with(
        Setting { protocol: 10, receive_maximum: 3, ..Setting::PLAIN },
        1_004_512,
        2,
        &[
            (Action::Connect(6, false), 1),
            (Action::Connect(7, false), 3),
            (Action::Settle, 3),
            (Action::Settle, 3),
            (Action::Publish(6, expiring), 5),
            (Action::Subscribe(6, 3, 2), 4),
            (Action::Stall(166), 3),
            (Action::Publish(2, large), 5),
            (Action::Answer(7, 20), 2),
            (Action::Publish(7, Message::new('r', 2, 1)), 3),
            (Action::Subscribe(6, 6, 1), 1),
            (Action::Read(4, 50), 36),
            (Action::Read(2, usize::MAX), 2),
            (Action::Publish(2, Message::new('t', 2, 1)), 1),
            (Action::Read(4, 50), 5),
            (Action::Settle, 4),
            (Action::Answer(4, 20), 4),
            (Action::Answer(2, 20), 5),
            (Action::Read(7, 3), 1),
            (Action::Connect(2, false), 2),
            (Action::Answer(4, 20), 45),
            (Action::SetClock(-60_000), 3),
            (Action::Intrude(6), 2),
            (Action::Settle, 3),
            (Action::Answer(7, 20), 2),
            (Action::Free, 2),
            (Action::Leave(7, false), 4),
            (Action::Leave(7, false), 5),
            (Action::Publish(2, Message::new('s', 2, 1)), 2),
            (Action::FailSync, 2),
            (Action::Read(2, 50), 3),
        ],
    );
}

/// The oracle let somebody else begin a session anew that had ended with the clock set forward, while the client's
/// CONNECT was on its way: it found a session, and sent its QoS 2 message again to one that did not know it.
#[test]
fn nobody_takes_over_from_a_client_that_cannot_tell_the_new_session_from_its_own() {
    run_with(
        Setting { protocol: 199, ..Setting::PLAIN },
        1_099_513_832_311,
        2,
        &[
            (Action::SetClock(10_000_000), 5),
            (Action::Connect(7, true), 5),
            (Action::Settle, 1),
            (Action::Publish(7, Message::new('t', 2, 2)), 41),
            (Action::Vanish(7, 21), 2),
            (Action::Silence(5), 5),
            (Action::Kill, 48),
            (Action::Start, 3),
            (Action::Connect(7, false), 1),
            (Action::Intrude(7), 4),
        ],
    );
}

/// The oracle took the close of a connection for the answer to its DISCONNECT, when somebody else had taken it over,
/// for which its will is due.
#[test]
fn a_will_of_a_client_that_was_taken_over_before_its_disconnect_may_come() {
    run(
        1_099_513_852_729,
        2,
        &[
            (Action::Leave(1, false), 2),
            (Action::Connect(7, false), 3),
            (Action::Connect(4, false), 1),
            (Action::Publish(5, Message { expiry: Some(1000), ..Message::new('r', 2, 2) }), 5),
            (Action::Renew(7), 3),
            (Action::Read(4, usize::MAX), 5),
            (Action::Intrude(4), 4),
            (Action::Leave(4, false), 3),
            (Action::Settle, 4),
        ],
    );
}

/// The oracle held a broker to the limit of its queues that had just begun. What a full queue drops is deleted behind
/// the joints of the turn, so a crash between the two brings it back, once.
#[test]
fn what_a_full_queue_dropped_may_wait_again_when_its_deletion_was_lost() {
    let queue = Some((QueueFull::DropOldest, 3));
    let durability = Durability::Periodic(Duration::from_secs(5));
    run_with(
        Setting { durability, queue, protocol: 154, ..Setting::PLAIN },
        1_324_112,
        3,
        &[
            (Action::Publish(3, Message::new('s', 1, 1)), 18),
            (Action::Flood(7, 1_300), 27),
            (Action::LosePower(11_732_356_609_005_266_939), 1),
            (Action::Start, 4),
        ],
    );
}
