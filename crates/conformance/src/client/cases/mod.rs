//! The cases of each control packet that clients send or take, in one file each, for both versions.

mod auth;
mod connack;
mod connect;
mod disconnect;
mod pingreq;
mod pingresp;
mod puback;
mod pubcomp;
mod publish;
mod pubrec;
mod pubrel;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;

use super::Stage;
use crate::Case;

/// All of them.
pub(crate) const ALL: &[&[Case<Stage>]] = &[
    connect::CASES,
    connack::CASES,
    publish::CASES,
    puback::CASES,
    pubrec::CASES,
    pubrel::CASES,
    pubcomp::CASES,
    subscribe::CASES,
    suback::CASES,
    unsubscribe::CASES,
    unsuback::CASES,
    pingreq::CASES,
    pingresp::CASES,
    disconnect::CASES,
    auth::CASES,
];
