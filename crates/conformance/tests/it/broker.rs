//! Our broker passes all cases, and those that do not apply to it are known.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use colibri_broker::{Broker, Config};
use colibri_conformance::{Settings, Verdict, run};

use crate::waivers;

#[test]
fn our_broker_passes_all_cases() {
    let listeners = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let broker = Broker::start(Config { listeners, shards: 2, ..Config::default() }).unwrap();
    let mut settings = Settings::new(broker.addresses()[0]);
    // Patience costs a server nothing that answers, and machines that test are busy.
    settings.patience = Duration::from_secs(10);
    let report = run(&settings, &|_| {}).unwrap();
    broker.stop();
    broker.join().unwrap();
    assert!(report.holds(), "{report}");
    let inapplicable = report.outcomes().iter().filter_map(|outcome| match outcome.verdict {
        Verdict::NotApplicable(_) => Some(outcome.case.name),
        Verdict::Passed | Verdict::Failed(_) => None,
    });
    assert_eq!(inapplicable.collect::<BTreeSet<_>>(), waivers::inapplicable());
}
