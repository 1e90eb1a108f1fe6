//! The contents of files, kept by the names that git gives them.

use super::{Files, Folder, KEPT_BYTES, locked};
use crate::judge::Error;
use crate::layout::File;

impl Folder<'_> {
    pub(super) fn file(&self, id: &str) -> Result<File, Error> {
        if let Some(file) = self.kept_file(id) {
            return Ok(file);
        }
        let blob = self.repo.read(id, self.max)?;
        let file = File { id: id.to_owned(), bytes: blob.bytes, size: blob.size, is_link: false };
        self.keep(&file);
        Ok(file)
    }

    pub(super) fn kept_file(&self, id: &str) -> Option<File> {
        let files = locked(&self.kept.files);
        let file = files.by_id.get(id).filter(|file| file.bytes.is_some() || file.size > self.max)?;
        // It may have been read while the limit was a higher one.
        let bytes = file.bytes.clone().filter(|_| file.size <= self.max);
        Some(File { bytes, ..file.clone() })
    }

    pub(super) fn keep(&self, file: &File) {
        let mut files = locked(&self.kept.files);
        if files.by_id.get(&file.id).is_some_and(|kept| kept.bytes.is_some() || file.bytes.is_none()) {
            return;
        }
        let bytes = file.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        if files.bytes + bytes > KEPT_BYTES {
            *files = Files::default();
        }
        if bytes <= KEPT_BYTES / 4 {
            files.bytes += bytes;
            files.by_id.insert(file.id.clone(), file.clone());
        }
    }
}
