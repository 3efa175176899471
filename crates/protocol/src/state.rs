//! Where a connection is in its life.
//!
//! ```text
//!  server:  AwaitingConnect --CONNECT--> Deciding --accept()--> Open --DISCONNECT, error--> Closed
//!                 |                         |                                                 ^
//!                 +------ error ------------+------ refuse() --------------------------------+
//!
//!  client:  AwaitingConnack --CONNACK, accepted--> Open --disconnect(), DISCONNECT, error--> Closed
//!                 |                                                                           ^
//!                 +------ CONNACK, refused; error --------------------------------------------+
//! ```

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A server that has seen nothing yet.
    AwaitingConnect,
    /// A server that has handed a CONNECT to its driver and waits for `accept` or `refuse`.
    Deciding,
    /// A client that has sent CONNECT.
    AwaitingConnack,
    /// CONNACK has passed: messages flow.
    Open,
    /// Nothing is sent or taken any more.
    Closed,
}
