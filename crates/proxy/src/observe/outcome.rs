//! How requests end, in log, audit, metrics and traces alike.

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The upstream answered.
    Allowed,
    /// One of our own URLs answered, or a preflight.
    Answered,
    Refused,
    /// The upstream or the gateway itself could not.
    Failed,
    /// The client left before the answer was complete.
    ClientGone,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::ClientGone => "client_gone",
        }
    }
}
