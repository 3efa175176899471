//! The cases that need more than one packet: exchanges, sessions and what the connection keeps.

mod alias;
mod flow_control;
mod layout;
mod order;
mod qos1;
mod qos2;
mod receipt;
mod session;
mod text;
mod topics;
mod transport;
mod websocket;

use super::Stage;
use crate::Case;

/// All of them.
pub(crate) const ALL: &[&[Case<Stage>]] = &[
    text::CASES,
    layout::CASES,
    topics::CASES,
    qos1::CASES,
    qos2::CASES,
    order::CASES,
    session::CASES,
    receipt::CASES,
    flow_control::CASES,
    alias::CASES,
    transport::CASES,
    websocket::CASES,
];
