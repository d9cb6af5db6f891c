//! Freeze Training in Burn's own trainer. Random numbers belong to the whole process, so nothing here draws any but
//! the nets' first weights, one net at a time.
#![cfg(feature = "train")]

mod kill;
mod layers;
mod net;
mod replicas;
mod trainer;
