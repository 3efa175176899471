//! A client's end of a connection under a peer that may send anything, with a driver that does its part.

use colibri_protocol::Role;

use crate::connection::script;

pub(super) fn run(data: &[u8]) {
    script::run(data, Role::Client);
}
