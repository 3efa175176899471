//! The layers in which a statement is shown: which end, and how near to a real connection.

/// A kind of test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// The server's side, in memory and on a virtual clock.
    ServerMemory,
    /// A conformance case against a server, over a socket.
    ServerWire,
    /// The client's side, in memory and on a virtual clock.
    ClientMemory,
    /// A conformance case in which a scripted server talks to the client, over a socket.
    ClientMock,
    /// The codec alone, which both ends share.
    Vectors,
}

impl Layer {
    /// All of them, in the order of the page.
    pub(crate) const ALL: [Self; 5] =
        [Self::ServerMemory, Self::ServerWire, Self::ClientMemory, Self::ClientMock, Self::Vectors];

    /// What the waivers and the page call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ServerMemory => "server memory",
            Self::ServerWire => "server wire",
            Self::ClientMemory => "client memory",
            Self::ClientMock => "client mock",
            Self::Vectors => "vectors",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }

    /// Where a test of this layer is written.
    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::ServerMemory => {
                "a server case (all of them are run on crates/sim too), or a test in crates/broker or crates/protocol"
            }
            Self::ServerWire => "a server case in crates/conformance/src",
            Self::ClientMemory => "a test in crates/protocol or crates/client",
            Self::ClientMock => "a client case in crates/conformance/src/client",
            Self::Vectors => "a vector in crates/codec/tests/vectors",
        }
    }
}

/// The names of several, with commas.
pub(crate) fn names(layers: &[Layer]) -> String {
    layers.iter().map(|layer| layer.name()).collect::<Vec<_>>().join(", ")
}
