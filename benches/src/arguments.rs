//! Command lines of the form `FILE --reps 5 --quiet -- COMMAND`: sufficient for these programs, without a dependency.

use std::str::FromStr;

/// The arguments after the program's name.
#[derive(Debug)]
pub struct Arguments {
    rest: Vec<String>,
}

impl Arguments {
    /// Returns the arguments that this process was started with.
    pub fn of_process() -> Self {
        Self { rest: std::env::args().skip(1).collect() }
    }

    /// Takes the value of `--name`; `default` if the option is not given.
    ///
    /// # Errors
    /// Returns an error if the value is missing or not a `T`.
    pub fn option<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, String> {
        let Some(at) = self.rest.iter().position(|argument| argument == name) else { return Ok(default) };
        let value = self.rest.get(at + 1).ok_or_else(|| format!("{name} needs a value"))?;
        let value = value.parse().map_err(|_| format!("{name}: `{value}` is not a valid value"))?;
        self.rest.drain(at..at + 2);
        Ok(value)
    }

    /// Takes `--name`; returns true if it is given.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.rest.iter().position(|argument| argument == name);
        found.map(|at| self.rest.remove(at)).is_some()
    }

    /// Takes everything after `--`: a command with its own arguments.
    pub fn after_dashes(&mut self) -> Vec<String> {
        let Some(at) = self.rest.iter().position(|argument| argument == "--") else { return Vec::new() };
        let command = self.rest.split_off(at + 1);
        self.rest.truncate(at);
        command
    }

    /// Returns the remaining arguments once all options are taken: exactly `N`.
    ///
    /// # Errors
    /// Returns an error with the usage if there are more or fewer arguments, or an unknown option.
    pub fn finish<const N: usize>(self, usage: &str) -> Result<[String; N], String> {
        self.rest.try_into().map_err(|rest: Vec<String>| format!("unexpected arguments {rest:?}; usage: {usage}"))
    }
}
