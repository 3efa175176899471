//! Proving to the server who the client is, with challenges (5.0, section 4.12).

use std::fmt;

use colibri_codec::{BinaryData, Property};

/// One Authentication Method, for [`Options::authenticator`](crate::Options::authenticator).
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Its name, which goes with CONNECT and each AUTH.
    fn method(&self) -> &str;

    /// Begins anew: for each connection, and each time that the client authenticates again on one.
    fn begin(&self) -> Box<dyn Exchange>;
}

/// One exchange, from the client's first data to the server's last. It is called in the task of the
/// connection, so it must not wait.
pub trait Exchange: Send + Sync {
    /// The data of CONNECT, or of the AUTH that begins anew; at most 65,535 bytes.
    fn first(&mut self) -> Option<Vec<u8>>;

    /// Answers a challenge of the server with at most 65,535 bytes.
    ///
    /// # Errors
    /// [`Rejected`] when the challenge is none: the connection ends.
    fn answer(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, Rejected>;

    /// Looks at what the server has sent when it accepted.
    ///
    /// # Errors
    /// [`Rejected`] when the server has not proved who it is: the connection ends.
    fn finish(&mut self, proof: Option<&[u8]>) -> Result<(), Rejected>;
}

/// Why a client does not go on with an authentication, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected(pub String);

/// Why the client has not authenticated again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticateError {
    /// There is no [`Options::authenticator`](crate::Options::authenticator), or no 5.0. [v5 MQTT-4.12.0-7]
    NoMethod,
    /// An exchange is under way already.
    UnderWay,
    /// The connection ended first; [`Client::status`](crate::Client::status) says why.
    Lost,
    /// The client has ended.
    Ended,
}

/// Data as a property of CONNECT or AUTH.
pub(crate) fn data_property(data: Option<&[u8]>) -> Result<Option<Property<'_>>, Rejected> {
    let data = data.map(BinaryData::new).transpose();
    let data = data.map_err(|_| Rejected("the data are longer than 65,535 bytes".to_owned()))?;
    Ok(data.map(Property::AuthenticationData))
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the authentication failed at this end: {}", self.0)
    }
}

impl std::error::Error for Rejected {}

impl fmt::Display for AuthenticateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMethod => "the connection has no authentication method",
            Self::UnderWay => "an authentication is under way",
            Self::Lost => "the connection ended during the authentication",
            Self::Ended => "the client has ended",
        })
    }
}

impl std::error::Error for AuthenticateError {}
