//! A folder for what is only passing: nobody else may read it, and it goes away with its contents.

use crate::base::fault::Fault;
use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// A folder of one's own (mode 0700) that goes away, with its contents, when this does.
pub(super) struct Folder {
    path: PathBuf,
    stays: bool,
}

impl Folder {
    /// Makes it; what it stands in has to exist, and itself must not.
    ///
    /// # Errors
    /// A fault that names the folder.
    pub(super) fn make(path: PathBuf) -> Result<Self, Fault> {
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| Fault::new(format!("making the folder {}, which must not exist", path.display()), e))?;
        Ok(Self { path, stays: false })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it is whole and wanted: it stays.
    pub(super) fn keep(mut self) {
        self.stays = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(folder = %self.path.display(), %error, "a folder could not be removed: what is in it is nobody else's to read");
        }
    }
}
