//! What an operator does with a store while no broker has it open: check, dump, export, import.

mod check;
mod dump;
mod transfer;

pub use check::{Problem, Report, check};
pub use dump::{describe, dump};
pub use transfer::{TransferError, export, fill, import, read};
