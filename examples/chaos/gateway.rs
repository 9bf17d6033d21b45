//! A payment gateway and a warehouse, as folders that all worker processes share and that outlive them.
//!
//! Both accept an idempotency key: a step with a known key is not repeated. Every request is logged, so that the report
//! can count how often a dead worker's step was repeated.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Clone)]
pub(crate) struct Gateway {
    folder: PathBuf,
}

/// The content of the gateway's books at the end.
#[derive(Debug, Default)]
pub(crate) struct Report {
    orders: usize,
    done_under_a_foreign_key: usize,
    not_done: Vec<String>,
    requests: usize,
    repeated: usize,
}

const STEPS: [&str; 2] = ["charge", "shipment"];

impl Gateway {
    /// Creates empty books in the system's folder for temporary files.
    pub(crate) fn temporary() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("abide-chaos-{}", std::process::id()));
        for step in STEPS {
            fs::create_dir_all(folder.join(step))?;
        }
        Ok(Self { folder })
    }

    pub(crate) fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Does the step unless it was done with this key before. Creating the file can succeed only once.
    pub(crate) fn once(&self, step: &str, key: &str) -> io::Result<()> {
        let mut log = OpenOptions::new().append(true).create(true).open(self.folder.join("requests"))?;
        log.write_all(format!("{step} {key}\n").as_bytes())?;
        match OpenOptions::new().write(true).create_new(true).open(self.folder.join(step).join(key)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map(drop),
        }
    }

    /// Compares the books with the orders that were placed, and removes the books.
    pub(crate) fn report<'a>(&self, orders: impl Iterator<Item = &'a str>) -> io::Result<Report> {
        let mut report = Report::default();
        let orders: Vec<&str> = orders.collect();
        for step in STEPS {
            let folder = self.folder.join(step);
            let missing = orders.iter().filter(|order| !folder.join(order).exists());
            report.not_done.extend(missing.map(|order| format!("{step} of {order}")));
            report.done_under_a_foreign_key += fs::read_dir(&folder)?.count();
        }
        report.orders = orders.len();
        report.done_under_a_foreign_key -= STEPS.len() * orders.len() - report.not_done.len();
        report.requests = fs::read_to_string(self.folder.join("requests"))?.lines().count();
        report.repeated = report.requests.saturating_sub(STEPS.len() * orders.len());
        fs::remove_dir_all(&self.folder)?;
        Ok(report)
    }
}

impl Report {
    /// Returns true if each order was charged and shipped, and nothing else was.
    pub(crate) fn is_clean(&self) -> bool {
        self.not_done.is_empty() && self.done_under_a_foreign_key == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} orders, {} requests to the gateway, {} of them repeated",
            self.orders, self.requests, self.repeated
        )?;
        if !self.is_clean() {
            write!(
                f,
                "; not done: {:?}; charged or shipped without an order: {}",
                self.not_done, self.done_under_a_foreign_key
            )?;
        }
        Ok(())
    }
}
