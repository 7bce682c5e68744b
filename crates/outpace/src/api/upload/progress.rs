//! How far each upload is, for those who ask while it runs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::{CompanyId, Timestamp};
use serde_json::{Value, json};

use crate::api::v1::moment;

/// Uploads that are remembered, of all companies.
const UPLOADS_MAX: usize = 1000;
/// Shown of one company at once.
pub const SHOWN_MAX: usize = 100;

#[derive(Default)]
pub struct Progress {
    /// Oldest first.
    uploads: Mutex<VecDeque<Arc<Upload>>>,
}

pub struct Upload {
    pub id: String,
    pub company: CompanyId,
    begun_at: Timestamp,
    /// Of the whole body; 0: the client did not say.
    bytes_announced: u64,
    pub bytes_received: AtomicU64,
    pub rows_read: AtomicU64,
    pub rows_stored: AtomicU64,
    pub rows_refused: AtomicU64,
    end: Mutex<State>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    Receiving,
    Importing,
    Done { task_id: String },
    Failed { message: String },
}

impl Progress {
    /// None when the company has an upload with this id that did not fail.
    pub fn begin(&self, company: CompanyId, id: String, now: Timestamp, announced: u64) -> Option<Begun> {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = uploads.iter().position(|u| u.company == company && u.id == id) {
            if !matches!(uploads[at].state(), State::Failed { .. }) {
                return None;
            }
            uploads.remove(at);
        }
        if uploads.len() >= UPLOADS_MAX {
            // Those under way are few.
            let ended =
                uploads.iter().position(|u| !matches!(u.state(), State::Receiving | State::Importing));
            uploads.remove(ended.unwrap_or(0));
        }
        let upload = Arc::new(Upload {
            id,
            company,
            begun_at: now,
            bytes_announced: announced,
            bytes_received: AtomicU64::new(0),
            rows_read: AtomicU64::new(0),
            rows_stored: AtomicU64::new(0),
            rows_refused: AtomicU64::new(0),
            end: Mutex::new(State::Receiving),
        });
        uploads.push_back(upload.clone());
        Some(Begun(upload))
    }

    pub fn of(&self, company: CompanyId, id: &str) -> Option<Arc<Upload>> {
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.iter().find(|u| u.company == company && u.id == id).cloned()
    }

    /// Newest first.
    pub fn all(&self, company: CompanyId) -> Vec<Arc<Upload>> {
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.iter().rev().filter(|u| u.company == company).take(SHOWN_MAX).cloned().collect()
    }
}

impl Upload {
    fn state(&self) -> State {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, state: State) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// `report_url`: where the refused rows are listed.
    pub fn shown(&self, report_url: Option<String>) -> Value {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (state, task_id, error) = match self.state() {
            State::Receiving => ("receiving", None, None),
            State::Importing => ("importing", None, None),
            State::Done { task_id } => ("done", Some(task_id), None),
            State::Failed { message } => ("failed", None, Some(message)),
        };
        json!({
            "upload_id": self.id,
            "state": state,
            "begun_at": moment::json(self.begun_at),
            "bytes_total": (self.bytes_announced > 0).then_some(self.bytes_announced),
            "bytes_received": of(&self.bytes_received),
            "rows_read": of(&self.rows_read),
            "rows_stored": of(&self.rows_stored),
            "rows_refused": of(&self.rows_refused),
            "task_id": task_id,
            "report_url": report_url,
            "error": error,
        })
    }

    pub fn begun_at(&self) -> Timestamp {
        self.begun_at
    }

    pub fn has_refused(&self) -> bool {
        self.rows_refused.load(Ordering::Relaxed) > 0
            && matches!(self.state(), State::Done { .. } | State::Failed { .. })
    }
}

/// An upload under way. When it is dropped without having ended, the client has hung up or something has failed.
pub struct Begun(Arc<Upload>);

impl std::ops::Deref for Begun {
    type Target = Arc<Upload>;

    fn deref(&self) -> &Arc<Upload> {
        &self.0
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if matches!(self.0.state(), State::Receiving | State::Importing) {
            self.0.set(State::Failed { message: "interrupted".to_owned() });
        }
    }
}
