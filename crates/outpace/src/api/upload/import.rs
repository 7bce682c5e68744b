//! A file that is here as a whole becomes the leads of a campaign that nobody sees yet: one thread reads, one stores.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use engine::{CampaignId, Timestamp};
use store::{Appended, NewLead, Store, StoreError};

use super::columns::Columns;
use super::progress::Upload;
use super::report::Report;
use super::table::{self, Fault, Row};
use super::{Uploads, lead};
use crate::api::app_sip::clock::Zone;
use crate::api::app_sip::code::{Language, Text};
use crate::api::app_sip::lead_rows::{DUPLICATE, ON_DNC};

/// Rows of one transaction. While it runs nobody else writes.
const BATCH_ROWS: usize = 10_000;
/// Leads that one transaction deletes.
const DISCARD_ROWS: u32 = 10_000;
/// A header is looked for in so many rows.
const HEADER_ROWS: u64 = 5;
/// Attempts to get a place with a store that is busy; each waits for some seconds.
const BUSY_ATTEMPTS: u32 = 6;

pub struct Import {
    pub store: Arc<dyn Store>,
    pub uploads: Arc<Uploads>,
    pub upload: Arc<Upload>,
    pub campaign: CampaignId,
    pub now: Timestamp,
    pub zone: Zone,
    pub language: Language,
}

/// What came of a file.
#[derive(Debug)]
pub struct Imported {
    pub stored: u64,
    pub refused: u64,
    /// Line and reason of the first row that was refused.
    pub first_refused: Option<(u64, Text)>,
}

#[derive(Default)]
struct Batch {
    leads: Vec<NewLead>,
    lines: Vec<u64>,
    refused: Vec<(u64, String, Text)>,
}

impl Batch {
    fn rows(&self) -> usize {
        self.leads.len() + self.refused.len()
    }
}

impl Import {
    /// Blocks until all is stored. When it fails the campaign is discarded.
    pub fn run(self, mut file: File) -> Result<Imported, Fault> {
        let name = report_name(&self.upload);
        let imported = self.import(&mut file, &name);
        let has_leads = imported.as_ref().is_ok_and(|i| i.stored > 0);
        if !has_leads {
            discard(&*self.store, self.campaign);
        }
        if imported.as_ref().is_ok_and(|i| i.refused == 0) {
            self.uploads.folder.delete_report(&name);
        }
        imported
    }

    fn import(&self, file: &mut File, report: &str) -> Result<Imported, Fault> {
        let mut report = Report::begin(self.uploads.folder.new_report(report)?, self.language)?;
        let (batches, received) = sync_channel::<Batch>(1);
        let mut stored = 0;
        let (read, kept) = std::thread::scope(|scope| {
            let reader = std::thread::Builder::new()
                .name("upload-reader".to_owned())
                .spawn_scoped(scope, || self.read(file, batches));
            let kept = received.into_iter().try_for_each(|batch| self.keep(batch, &mut stored, &mut report));
            let read = reader.map(std::thread::ScopedJoinHandle::join);
            (read, kept)
        });
        kept?;
        read?.unwrap_or_else(|_| Err(io::Error::other("reading a file panicked").into()))?;
        let (refused, first_refused) = report.finish()?;
        Ok(Imported { stored, refused, first_refused })
    }

    fn read(&self, file: &mut File, batches: SyncSender<Batch>) -> Result<(), Fault> {
        let (mut batch, mut columns, mut rows) = (Batch::default(), None, 0u64);
        let rows_max = self.uploads.limits.rows_max;
        let mut sink = |row: &Row| {
            rows += 1;
            if rows > rows_max + HEADER_ROWS {
                return Err(Fault::TooManyRows(rows_max));
            }
            if columns.is_none()
                && rows <= HEADER_ROWS
                && let Some(named) = Columns::of(row)
            {
                columns = Some(named);
                return Ok(());
            }
            self.sort(row, &columns.unwrap_or_default(), &mut batch);
            if batch.rows() >= BATCH_ROWS {
                batches.send(std::mem::take(&mut batch)).map_err(|_| Fault::Stopped)?;
            }
            Ok(())
        };
        table::read(file, &|| self.uploads.folder.temporary_file(), &mut sink)?;
        if rows == 0 {
            return Err(Fault::Empty);
        }
        batches.send(batch).map_err(|_| Fault::Stopped)
    }

    fn sort(&self, row: &Row, columns: &Columns, batch: &mut Batch) {
        match lead::read(row, columns, self.now, &self.zone) {
            Ok(lead) => {
                batch.leads.push(lead);
                batch.lines.push(row.line);
            }
            Err(reason) => batch.refused.push((row.line, row.cell(columns.phone).to_owned(), reason)),
        }
        self.upload.rows_read.fetch_add(1, Ordering::Relaxed);
    }

    fn keep(&self, mut batch: Batch, stored: &mut u64, report: &mut Report) -> Result<(), Fault> {
        if !batch.leads.is_empty() {
            let appended = self.append(&batch.leads).map_err(Fault::Store)?;
            *stored += appended.stored;
            for (rows, reason) in [(&appended.duplicates, DUPLICATE), (&appended.on_dnc, ON_DNC)] {
                let refused = |i: &usize| {
                    let number = batch.leads.get(*i)?.number.as_str().to_owned();
                    Some((*batch.lines.get(*i)?, number, reason))
                };
                batch.refused.extend(rows.iter().filter_map(refused));
            }
            batch.refused.sort_by_key(|(line, ..)| *line);
        }
        for (line, phone, reason) in &batch.refused {
            report.add(*line, phone, *reason)?;
        }
        self.upload.rows_stored.store(*stored, Ordering::Relaxed);
        self.upload.rows_refused.fetch_add(batch.refused.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn append(&self, leads: &[NewLead]) -> Result<Appended, StoreError> {
        for _ in 1..BUSY_ATTEMPTS {
            match self.store.append_leads(self.now, self.campaign, leads) {
                Err(StoreError::Busy) => {}
                other => return other,
            }
        }
        self.store.append_leads(self.now, self.campaign, leads)
    }
}

/// Of an upload's refused rows. Letters and digits, so that it is a name of a file.
pub fn report_name(upload: &Upload) -> String {
    format!("{}-{}-{}.csv", upload.company.0, upload.begun_at().0, upload.id)
}

/// Deletes a campaign that is not to be. What fails here is found again at the next start.
pub fn discard(store: &dyn Store, campaign: CampaignId) {
    let mut failures = 0;
    loop {
        match store.discard_campaign(campaign, DISCARD_ROWS) {
            Ok(true) | Err(StoreError::NotFound(_)) => return,
            Ok(false) => {}
            Err(error) if failures < BUSY_ATTEMPTS => {
                tracing::warn!(%error, "an upload that failed is not deleted yet");
                failures += 1;
                std::thread::sleep(Duration::from_secs(1));
            }
            Err(error) => {
                tracing::error!(%error, "an upload that failed was not deleted; the next start does it");
                return;
            }
        }
    }
}
