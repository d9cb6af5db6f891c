use frostline::report::escaped;

use crate::out;

/// Why a command ends without its result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked for what can't be: exit code 2, as the command line's own errors.
    Usage(String),
    /// What it was given can't be read or compared, or its result can't be written: exit code 1.
    Data(String),
    /// Whoever read the output has gone, as `head` does once it has enough: exit code 0, and nothing to say.
    Closed,
}

impl Failure {
    /// Says on standard error what is wrong.
    pub(crate) fn tell(&self) {
        match self {
            Failure::Usage(message) | Failure::Data(message) => {
                out::tell(&format!("error: {}", escaped(message)));
            }
            Failure::Closed => {}
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Data(_) => 1,
            Failure::Closed => 0,
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    /// The error and what caused it, each cause once: some errors say theirs themselves.
    fn from(error: E) -> Failure {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            let said = next.to_string();
            if !message.ends_with(&said) {
                message.push_str(&format!(": {said}"));
            }
            cause = next.source();
        }
        Failure::Data(message)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use frostline::activations;

    use super::*;

    #[test]
    fn every_cause_is_said_once() {
        let source = io::Error::other("the disk is gone");
        let path = "run.json".into();
        let Failure::Data(said) = activations::Error::Io { path, source }.into() else {
            panic!("an error of the library is about data");
        };
        assert_eq!(said, "run.json: the disk is gone");

        let device = frostline::svcca::Error::Device(burn::tensor::ExecutionError::WithContext {
            reason: "lost".to_string(),
        });
        let Failure::Data(said) = device.into() else {
            panic!("an error of the library is about data");
        };
        assert!(
            said.starts_with("the device failed: ") && said.contains("lost"),
            "{said}"
        );
    }
}
