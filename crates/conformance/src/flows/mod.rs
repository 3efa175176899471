//! The cases of what spans packets, in one file each, for both versions.

mod alias;
mod expiry;
mod flow_control;
mod format;
mod keep_alive;
mod layout;
mod order;
mod packet_size;
mod qos1;
mod qos2;
mod receipt;
mod retained;
mod session;
mod shared;
mod subscription_id;
mod takeover;
mod will;

use crate::Case;

/// All of them.
pub(crate) const ALL: &[&[Case]] = &[
    qos1::CASES,
    qos2::CASES,
    flow_control::CASES,
    order::CASES,
    session::CASES,
    will::CASES,
    retained::CASES,
    shared::CASES,
    takeover::CASES,
    keep_alive::CASES,
    alias::CASES,
    expiry::CASES,
    format::CASES,
    packet_size::CASES,
    layout::CASES,
    subscription_id::CASES,
    receipt::CASES,
];
