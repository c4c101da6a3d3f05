//! Client by client, what a handshake comes to: version, suite, group, certificate, or why not.
//!
//! The server's side is built from a [`crate::model::Deployment`] alone; libraries differ, so that each has a module of its
//! own. Resumption and early data (0-RTT) are left out: a first full handshake is predicted.

pub mod client;
mod client_policy;
pub mod go;
pub mod hello;
mod offer;
pub mod openssl;
mod outcome;
mod predict;

pub use client::{Client, clients, find, one_by_one};
pub use client_policy::{Answering, ClientPolicy, Objection, hangs_on_answer, objections};
pub use offer::{Offer, written};
pub use outcome::{Agreed, Cause, Decisive, Outcome, Stage, Trace};
pub use predict::{Handshake, Predictor, sent_name};
