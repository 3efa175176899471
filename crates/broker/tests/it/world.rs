//! The worlds of these tests, and the clients that come into them.

use colibri_broker::Config;
use colibri_codec::Version;
use colibri_sim::{World, config};

use crate::hello::Hello;
use crate::peer::Peer;

/// What a test says about one setting that it wants changed.
pub(crate) fn configured(shards: usize, change: impl FnOnce(&mut Config)) -> World {
    let mut config = config(shards);
    change(&mut config);
    World::with(config, 1)
}

/// How clients come into a world.
pub(crate) trait Clients {
    /// A connection on which nothing has been sent.
    fn open(&self, version: Version) -> Peer;

    /// A connection on which CONNECT has been sent.
    fn dial(&self, hello: &Hello) -> Peer {
        let peer = self.open(hello.version);
        peer.send_bytes(&hello.encode());
        peer
    }

    /// A client that is connected.
    fn join(&self, hello: &Hello) -> Peer {
        let peer = self.dial(hello);
        peer.expect_accepted();
        peer
    }
}

impl Clients for World {
    fn open(&self, version: Version) -> Peer {
        Peer::new(self.clone(), self.connect(), version)
    }
}
