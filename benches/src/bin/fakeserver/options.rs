//! The command line.

use abide_benches::arguments::Arguments;

const USAGE: &str = "fakeserver [--park] [--port N] [--wf TYPE] [--input JSON] [--n N] [--warm N] [--conc N] \
    [--signals N] [--gzip] [--label TEXT] -- WORKER [ARGUMENT ..]";

pub(crate) struct Options {
    /// Port on loopback.
    pub(crate) port: u16,
    /// Workflow type, and the JSON of its input.
    pub(crate) workflow_type: String,
    pub(crate) input: String,
    /// Number of measured workflows, and of those that complete before.
    pub(crate) n: usize,
    pub(crate) warm: usize,
    /// Number of workflows that are open at a time.
    pub(crate) open: usize,
    /// Measures memory: starts all workflows and waits until each has answered its first task.
    pub(crate) park: bool,
    /// Number of signals to each parked workflow.
    pub(crate) signals: u32,
    /// Compresses answers.
    pub(crate) gzip: bool,
    pub(crate) label: String,
    pub(crate) worker: Vec<String>,
}

impl Options {
    pub(crate) fn parse(mut arguments: Arguments) -> Result<Self, String> {
        let worker = arguments.after_dashes();
        let options = Self {
            port: arguments.option("--port", 7299)?,
            workflow_type: arguments.option("--wf", "Small".into())?,
            input: arguments.option("--input", "\"Temporal\"".into())?,
            n: arguments.option("--n", 10_000)?,
            warm: arguments.option("--warm", 2_000)?,
            open: arguments.option("--conc", 100)?,
            park: arguments.flag("--park"),
            signals: arguments.option("--signals", 0)?,
            gzip: arguments.flag("--gzip"),
            label: arguments.option("--label", String::new())?,
            worker,
        };
        let [] = arguments.finish(USAGE)?;
        match options {
            Self { n: 0, .. } | Self { open: 0, .. } => Err(format!("--n, --conc: at least 1; usage: {USAGE}")),
            Self { ref worker, .. } if worker.is_empty() => Err(format!("no worker after `--`; usage: {USAGE}")),
            options => Ok(options),
        }
    }

    /// Returns the number of runs that this server can start.
    pub(crate) fn runs(&self) -> usize {
        // Live, a run that completes is replaced by a new one: the server must not run out before the last is measured.
        if self.park { self.n } else { self.n + self.warm + 2 * self.open }
    }
}
