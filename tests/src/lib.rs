//! The tests in `tests/` cross crates: they see the project as its user does.
