//! Tests of the engine as scripts of requests and the resulting histories (see [`spec`] for the notation).

mod activities;
mod cancel_commands;
mod chains;
mod children;
mod completion_pages;
mod cron;
mod external;
mod invariants;
mod lists;
mod nexus;
mod print;
mod queries;
mod reading;
mod reset_children;
mod reset_points;
mod resets;
mod retention;
mod signals;
mod spec;
mod spec_updates;
mod speculative_tasks;
mod starting;
mod timers;
mod update_ends;
mod updates;
mod workflow_tasks;
