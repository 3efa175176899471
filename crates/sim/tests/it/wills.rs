//! Runs in which a will is published at the instant of a crash, as the shortest that showed a failure.

use colibri_sim::{Action, Message, Plan, Setting, Step};

/// The steps of a run, each with the number of turns behind it.
fn run(seed: u64, shards: usize, steps: &[(Action, usize)]) {
    let steps = steps.iter().map(|(action, turns)| Step { action: *action, turns: *turns }).collect();
    let plan = Plan { seed, shards, setting: Setting::PLAIN, steps };
    assert_eq!(plan.run(false).map(drop), Ok(()));
}

/// A client was silent for too long. Its shard had stored that the will was published, and the shards of the
/// subscribers had not stored the will.
#[test]
fn a_will_is_not_lost_between_two_shards() {
    run(
        3_014_519,
        3,
        &[
            (Action::Pass(300), 4),
            (Action::Connect(4, false), 0),
            (Action::Answer(4, 1), 5),
            (Action::Publish(2, Message { empty: true, ..Message::new('r', 2, 2) }), 5),
            (Action::Read(4, 50), 53),
            (Action::Silence(4), 4),
            (Action::Settle, 5),
            (Action::LosePower(8_832_025_051_191_428_290), 1),
            (Action::Start, 4),
            (Action::LosePower(6_131_226_954_485_612_625), 1),
        ],
    );
}

/// The same after a stop of the disk that took longer than the silence.
#[test]
fn a_will_is_not_lost_while_the_disk_stands() {
    run(
        3_021_578,
        3,
        &[
            (Action::Publish(1, Message::new('s', 0, 2)), 0),
            (Action::Kill, 2),
            (Action::Start, 0),
            (Action::Stall(144), 2),
            (Action::Connect(5, false), 56),
            (Action::Connect(0, false), 3),
            (Action::Publish(2, Message::new('t', 2, 2)), 22),
            (Action::Settle, 46),
            (Action::Leave(0, true), 4),
            (Action::Read(1, 3), 3),
            (Action::Connect(2, false), 2),
            (Action::Settle, 26),
            (Action::Silence(5), 2),
            (Action::Pass(1_100), 3),
            (Action::Renew(2), 4),
            (Action::Connect(1, false), 5),
            (Action::Pass(7_000), 3),
            (Action::Connect(7, false), 1),
            (Action::Settle, 0),
            (Action::Stall(82), 4),
            (Action::Vanish(2, 38), 5),
            (Action::Pass(7_000), 4),
            (Action::LosePower(13_077_079_489_886_347_338), 5),
            (Action::Start, 4),
            (Action::Read(5, 400), 3),
            (Action::Kill, 1),
        ],
    );
}

/// A crash took the connection, and the next broker was killed while it published the will of that.
#[test]
fn a_will_is_not_lost_by_a_second_crash() {
    run(
        5_392,
        3,
        &[
            (Action::Connect(7, false), 32),
            (Action::Publish(3, Message::new('r', 0, 2)), 2),
            (Action::Answer(4, 2), 1),
            (Action::Connect(6, false), 3),
            (Action::Read(3, 50), 0),
            (Action::Read(2, 50), 3),
            (Action::Publish(2, Message::new('s', 1, 2)), 4),
            (Action::Publish(3, Message::new('t', 1, 2)), 1),
            (Action::Pass(1_100), 2),
            (Action::Connect(4, false), 4),
            (Action::Cut(1), 5),
            (Action::Connect(1, false), 0),
            (Action::Silence(7), 0),
            (Action::Publish(2, Message { expiry: Some(1_000), ..Message::new('s', 0, 2) }), 4),
            (Action::Settle, 39),
            (Action::Publish(3, Message::new('t', 2, 2)), 5),
            (Action::Kill, 5),
            (Action::Start, 3),
            (Action::LosePower(7_981_965_643_889_024_391), 5),
        ],
    );
}
