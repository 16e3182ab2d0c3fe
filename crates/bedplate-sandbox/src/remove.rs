//! Deletes what builds have left behind on disk.

use std::io;
use std::path::Path;

use bedplate_sys::sandbox::Helper;

use crate::channel::{Order, Report};
use crate::error::SandboxError;
use crate::handle::Keeper;

/// Deletes a folder with all that builds wrote below it. An ordinary user needs this instead of `remove_dir_all`, because the
/// builder's files belong to one of their sub-ids. If it is not there, that is as good.
///
/// # Errors
/// [`SandboxError`]: something could not be deleted.
pub fn remove(folder: &Path, helper: &Helper) -> Result<(), SandboxError> {
    let result = match bedplate_sys::remove::remove_folder(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result,
    };
    if result.is_ok() || rustix::process::geteuid().is_root() {
        return result.map_err(SandboxError::io("remove", folder));
    }
    let path = std::path::absolute(folder).map_err(SandboxError::io("find", folder))?;
    let keeper = Keeper::start(helper)?;
    keeper.order(&Order::Remove(path.into()))?;
    let mut is_removed = false;
    while let Some((report, _)) = keeper.report()? {
        match report {
            Report::Removed => is_removed = true,
            Report::Refused(why) => return Err(SandboxError::Refused(why)),
            _ => {}
        }
    }
    if is_removed { Ok(()) } else { Err(SandboxError::Lost("it ended before the folder was removed".to_owned())) }
}
