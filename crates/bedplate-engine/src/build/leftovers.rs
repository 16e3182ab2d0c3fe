//! Deletes what steps left, beside the builds.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use bedplate_cas::WorkFolder;
use bedplate_sandbox::Helper;

/// Takes the folders that are no longer needed. To delete a tree of sources takes seconds; who decides what runs next must not wait for it.
///
/// When it goes, all is deleted.
#[derive(Debug)]
pub struct Leftovers {
    sender: Sender<Option<WorkFolder>>,
    thread: Option<JoinHandle<()>>,
}

impl Leftovers {
    /// One that deletes with the help of this executable what belongs to other users.
    #[must_use]
    pub fn new(helper: Helper) -> Self {
        let (sender, folders) = channel::<Option<WorkFolder>>();
        let thread = std::thread::spawn(move || {
            while let Ok(Some(folder)) = folders.recv() {
                // What cannot be deleted now is deleted by the next run, which says so if it cannot either.
                let _ = bedplate_sandbox::remove(folder.path(), &helper);
            }
        });
        Self { sender, thread: Some(thread) }
    }

    /// Looks after a folder until nobody needs it.
    pub(crate) fn look_after(&self, folder: WorkFolder) -> Left {
        Left { folder: Some(folder), sender: self.sender.clone() }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let _ = self.sender.send(None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a step left in its root. It goes with the value: files of the builder belong to another id than an ordinary user's, who
/// cannot simply delete them.
#[derive(Debug)]
pub(crate) struct Left {
    /// Always there until the value goes.
    folder: Option<WorkFolder>,
    sender: Sender<Option<WorkFolder>>,
}

impl Left {
    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new(""), WorkFolder::path)
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let _ = self.sender.send(self.folder.take());
    }
}
