//! What the engine does, as scripts of requests and the histories they lead to (see [`spec`] for the notation).

mod activities;
mod chains;
mod invariants;
mod nexus;
mod print;
mod queries;
mod reading;
mod signals;
mod spec;
mod starting;
mod timers;
mod workflow_tasks;
