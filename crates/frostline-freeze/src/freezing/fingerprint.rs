use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use xxhash_rust::xxh3::Xxh3;

use crate::Error;

/// A number that tells models apart by the bits of their weights and running statistics.
pub(super) fn fingerprint<M: Module>(model: &M) -> Result<String, Error> {
    struct Hashing {
        hash: Xxh3,
        problem: Option<String>,
    }
    impl ModuleVisitor for Hashing {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            match param.val().try_into_data() {
                Ok(data) => self.hash.update(data.bytes()),
                Err(error) => self.problem = Some(error.to_string()),
            }
        }
    }
    let mut hashing = Hashing {
        hash: Xxh3::new(),
        problem: None,
    };
    // `valid()` counts in what batch norm keeps aside.
    model.valid().visit(&mut hashing);
    match hashing.problem {
        Some(problem) => Err(Error::Unreadable { problem }),
        None => Ok(format!("{:032x}", hashing.hash.digest128())),
    }
}
