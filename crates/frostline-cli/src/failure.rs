use std::fmt;

/// Why a command ends without its result, and with which exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked for what can't be: exit code 2, as the command line's own errors.
    Usage(String),
    /// What it was given can't be read or compared: exit code 1.
    Data(String),
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Data(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Usage(message) | Failure::Data(message)) = self;
        f.write_str(message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    /// The error and what caused it.
    fn from(error: E) -> Failure {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            message.push_str(&format!(": {next}"));
            cause = next.source();
        }
        Failure::Data(message)
    }
}
