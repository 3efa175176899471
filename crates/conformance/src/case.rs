//! What a case is, and the list of all of them.

use colibri_codec::Version;

use crate::client::{self, Stage};
use crate::{Context, Stop, Verdict, cases, flows};

/// One test of one or more statements: of a server, which is given a [`Context`], or of a client, which is
/// given a [`Stage`].
#[derive(Clone, Copy, Debug)]
pub struct Case<C = Context> {
    /// The statements it shows, such as `v5 MQTT-3.1.0-2`. It runs once for each version among them.
    pub ids: &'static [&'static str],
    /// What the server or the client does, as a sentence.
    pub name: &'static str,
    /// The script.
    pub run: fn(&C) -> Result<(), Stop>,
}

impl<C> Case<C> {
    /// What it is about.
    pub const fn heading(&self) -> Heading {
        Heading { ids: self.ids, name: self.name }
    }

    /// Runs the script to its end.
    pub fn judge(&self, given: &C) -> Verdict {
        match (self.run)(given) {
            Ok(()) => Verdict::Passed,
            Err(Stop::Failed(failure)) => Verdict::Failed(failure),
            Err(Stop::NotApplicable(evidence)) => Verdict::NotApplicable(evidence),
        }
    }
}

/// What a case is about, whichever end it tests.
#[derive(Clone, Copy, Debug)]
pub struct Heading {
    /// See [`Case::ids`].
    pub ids: &'static [&'static str],
    /// See [`Case::name`].
    pub name: &'static str,
}

impl Heading {
    /// The statements of one version.
    pub fn ids_of(&self, version: Version) -> impl Iterator<Item = &'static str> {
        let prefix = prefix(version);
        self.ids.iter().copied().filter(move |id| id.starts_with(prefix))
    }
}

/// What stands in front of the ids of a version.
pub(crate) fn prefix(version: Version) -> &'static str {
    match version {
        Version::V3_1 | Version::V3_1_1 => "v3.1.1 ",
        Version::V5 => "v5 ",
    }
}

/// All cases of servers, packet by packet and then flow by flow.
pub fn all_cases() -> impl Iterator<Item = &'static Case> {
    cases::ALL.iter().chain(flows::ALL).copied().flatten()
}

/// All cases of clients, in the same order.
pub fn all_client_cases() -> impl Iterator<Item = &'static Case<Stage>> {
    client::cases::ALL.iter().chain(client::flows::ALL).copied().flatten()
}
