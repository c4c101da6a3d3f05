//! From paths to findings: load, lower, read certificates, lint. Pure given files, configuration and time.

mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Finding, Severity, Unjudged};
use crate::lint;
use crate::model::{Deployment, ServerKind};
use crate::pki;
use crate::platform::{self, Part, Platform, TlsLibrary, Version};
use crate::server::{Form, Input, Root, Understood, nginx};
use crate::source::{FileSystem, Limits, Sources, Text};
