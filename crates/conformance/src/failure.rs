//! How a case ends before its end: it fails, or it does not apply.

/// What was sent, what was expected and what came, in words and in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The last packets sent, one a line.
    pub sent: String,
    /// The last packets that came on that connection, one a line.
    pub received: String,
    /// What the statement asks for.
    pub expected: String,
    /// What came instead.
    pub came: String,
}

/// Why a case ends before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The server does something else than the statement asks for.
    Failed(Box<Failure>),
    /// The server declines what the statement is about, with the evidence.
    NotApplicable(String),
}

impl Stop {
    /// A failure that no single packet shows.
    pub fn failed(sent: impl Into<String>, expected: impl Into<String>, came: impl Into<String>) -> Self {
        let (sent, expected, came) = (sent.into(), expected.into(), came.into());
        Self::Failed(Box::new(Failure { sent, received: String::new(), expected, came }))
    }

    /// With what had come on that connection.
    pub(crate) fn with_received(self, received: String) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(Box::new(Failure { received, ..*failure })),
            Self::NotApplicable(evidence) => Self::NotApplicable(evidence),
        }
    }
}
