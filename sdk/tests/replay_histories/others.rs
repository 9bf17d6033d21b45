//! Histories of other repositories' test suites.

use abide::WorkflowReplayer;
use abide::prelude::*;
use serde::{Deserialize, Serialize};

use super::{differs, fits, from_elsewhere, replayed};
