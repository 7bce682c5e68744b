//! References to recordings.

use super::*;

impl Tables {
    pub(super) fn put_recording(&mut self, recording: &Recording) -> Result<()> {
        if let Some(known) = self.recordings.get_mut(&recording.call) {
            known.seconds = known.seconds.max(recording.seconds);
            known.bytes = known.bytes.max(recording.bytes);
            return Ok(());
        }
        if self.recording(recording.company, &recording.filename).is_some() {
            return Err(StoreError::Taken("filename"));
        }
        self.recordings.insert(recording.call, recording.clone());
        Ok(())
    }

    pub(super) fn recording(&self, company: CompanyId, filename: &str) -> Option<Recording> {
        self.recordings.values().find(|r| r.company == company && r.filename == filename).cloned()
    }

    pub(super) fn expired_recordings(
        &self,
        company: CompanyId,
        before: Timestamp,
        limit: u32,
    ) -> Vec<Recording> {
        let is_old = |r: &&Recording| r.company == company && r.created_at < before;
        let mut expired: Vec<Recording> = self.recordings.values().filter(is_old).cloned().collect();
        expired.sort_by_key(|r| (r.created_at, r.call));
        expired.truncate(limit.min(rule::PAGE_MAX) as usize);
        expired
    }
}
