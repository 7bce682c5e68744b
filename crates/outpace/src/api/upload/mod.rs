//! `POST /api/predictiveCall/submitTask/file`: a task whose numbers come in a file, of any length.
//!
//! The body goes to the disk while it comes in. Then the file is read row by row into a campaign that nobody sees; when
//! all is in, it is shown. Whatever goes wrong before, nothing is left of it.

mod columns;
mod folder;
mod import;
mod intake;
mod lead;
mod multipart;
mod progress;
mod report;
pub mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use engine::{CampaignId, CompanyId, Timestamp};
use serde_json::{Value, json};
use store::Campaign;
use tokio::sync::Semaphore;

use self::folder::Folder;
use self::import::{Import, Imported, report_name};
use self::intake::{Intake, Taken};
use self::progress::{Progress, State as UploadState, Upload};
use super::app_sip::code::{Code, Language, Ret};
use super::app_sip::envelope::Failure;
use super::app_sip::{Caller, task_create};
use super::{Server, json as json_body};
use crate::config::{Config, StoreKind};
use crate::handle::Handle;
use crate::recording::key;

/// Uploads of callers who are known, at once.
const PLACES: usize = 4;
/// Uploads whose token comes after the file, at once: anybody may send those.
const ANONYMOUS_PLACES: usize = 2;
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Where uploads are taken in, and how far they are.
pub struct Uploads {
    pub folder: Folder,
    progress: Progress,
    limits: Limits,
    places: Arc<Semaphore>,
    anonymous_places: Arc<Semaphore>,
}

pub struct Limits {
    pub bytes_max: u64,
    pub rows_max: u64,
    /// For a body to come in.
    pub timeout: Duration,
}

impl Uploads {
    pub fn open(config: &Config) -> anyhow::Result<Uploads> {
        let is_temporary = config.server.store == StoreKind::Memory;
        let key = key::open(config)?;
        let path = match is_temporary {
            false => config.server.data.join("uploads"),
            true => temporary_folder()?,
        };
        let keep = Duration::from_secs(u64::from(config.api.upload_report_keep_days) * 86_400);
        let folder = Folder::open(path.clone(), is_temporary, keep, key)
            .with_context(|| format!("cannot make the folder of uploads {}", path.display()))?;
        Ok(Uploads {
            folder,
            progress: Progress::default(),
            limits: Limits {
                bytes_max: config.api.upload_max_bytes,
                rows_max: config.api.upload_rows_max,
                timeout: Duration::from_secs(config.api.upload_timeout_s.max(1)),
            },
            places: Arc::new(Semaphore::new(PLACES)),
            anonymous_places: Arc::new(Semaphore::new(ANONYMOUS_PLACES)),
        })
    }
}

fn temporary_folder() -> anyhow::Result<PathBuf> {
    let random = getrandom::u64().map_err(|e| anyhow::anyhow!("the system has no randomness: {e}"))?;
    Ok(std::env::temp_dir().join(format!("outpace-uploads-{random:016x}")))
}

/// Deletes what the last run left half done (`leftover`), then old reports now and then. Runs until it is aborted.
pub async fn tend(uploads: Arc<Uploads>, handle: Handle, leftover: Vec<CampaignId>) {
    for campaign in leftover {
        tracing::warn!("an upload was cut off by the last stop; what was stored of it is deleted");
        let store = handle.store().clone();
        // Only a panic fails, and it was told.
        let _ = tokio::task::spawn_blocking(move || import::discard(&*store, campaign)).await;
    }
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        let uploads = uploads.clone();
        let _ = tokio::task::spawn_blocking(move || uploads.folder.sweep()).await;
    }
}

/// The endpoint. Its HTTP status is 200, as all of this API's.
pub(super) async fn submit(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let answer = match (server.admit(peer), server.app_sip.handle().uploads()) {
        (Err(ret), _) => Err((Language::Chinese, Failure::from(ret))),
        (_, None) => Err((Language::Chinese, Failure::from(Ret::NotFound))),
        (Ok(()), Some(uploads)) => {
            match Intake::take(&server.app_sip, uploads, peer.ip(), &head, body).await {
                Ok(taken) => carry_out(uploads.clone(), taken).await,
                Err(failure) => Err(failure),
            }
        }
    };
    let body = answer.unwrap_or_else(|(language, failure)| failed(&failure, language));
    json_body(body.to_string()).into_response()
}

/// In a task of its own: a client that hangs up must not stop it halfway.
async fn carry_out(uploads: Arc<Uploads>, taken: Taken) -> Result<Value, (Language, Failure)> {
    let language = taken.caller.language();
    let answer = tokio::spawn(async move {
        let Taken { caller, file, upload, permit: _permit } = taken;
        upload.set(UploadState::Importing);
        let answer = create(&uploads, &caller, &upload, file).await;
        upload.set(match &answer {
            Ok(value) => UploadState::Done {
                task_id: value["data"]["task_id"].as_str().unwrap_or_default().to_owned(),
            },
            Err(failure) => UploadState::Failed { message: message(failure, language).1 },
        });
        answer
    });
    let answer = answer.await.unwrap_or_else(|error| Err(Failure::internal(&error)));
    answer.map_err(|failure| (language, failure))
}

async fn create(
    uploads: &Arc<Uploads>,
    caller: &Caller,
    upload: &Arc<Upload>,
    file: std::fs::File,
) -> Result<Value, Failure> {
    let language = caller.language();
    let campaign = task_create::begin(caller).await?;
    let import = Import {
        store: caller.handle().store().clone(),
        uploads: uploads.clone(),
        upload: upload.clone(),
        campaign,
        now: caller.now(),
        zone: caller.zone().clone(),
        language,
    };
    let imported = tokio::task::spawn_blocking(move || import.run(file)).await;
    let imported = imported.map_err(|e| Failure::internal(&e))?.map_err(|f| intake::refused(&f, language))?;
    if imported.stored == 0 {
        return Err(Failure::about(Code::CHECK_FAILED, nothing_stored(&imported, language)));
    }
    let campaign = task_create::publish(caller, campaign).await?;
    let report = (imported.refused > 0)
        .then(|| report_url(uploads, caller.handle(), upload, caller.base_url(), caller.now()));
    Ok(succeeded(&campaign, &imported, upload, report))
}

fn report_url(uploads: &Uploads, handle: &Handle, upload: &Upload, base: &str, now: Timestamp) -> String {
    let archive = handle.archive();
    let base = archive.and_then(|archive| archive.base_url.as_deref()).unwrap_or(base);
    format!("{base}{}", uploads.folder.link(&report_name(upload), now))
}

fn nothing_stored(imported: &Imported, language: Language) -> String {
    let (line, reason) = match imported.first_refused {
        Some((line, reason)) => (line, reason.of(language)),
        None => (0, ""),
    };
    match language {
        Language::Chinese => format!("没有有效号码，第{line}行：{reason}"),
        Language::English => format!("no valid number; line {line}: {reason}"),
    }
}

fn succeeded(campaign: &Campaign, imported: &Imported, upload: &Upload, report: Option<String>) -> Value {
    json!({
        "code": 0,
        "msg": "Task Created",
        "data": {
            "task_id": campaign.settings.taskid,
            "task_name": campaign.settings.name,
            "success": imported.stored,
            "invalid": imported.refused,
            "report_url": report,
            "upload_id": upload.id,
        },
    })
}

fn failed(failure: &Failure, language: Language) -> Value {
    let (code, msg) = message(failure, language);
    json!({"code": code, "msg": msg, "data": Value::Null})
}

fn message(failure: &Failure, language: Language) -> (u16, String) {
    match failure {
        Failure::Platform { ret, message } => {
            (ret.number(), message.clone().unwrap_or_else(|| ret.text().of(language).to_owned()))
        }
        Failure::Business { code, detail } => {
            let text = code.text().of(language);
            let msg = match (detail.as_str(), language) {
                ("", _) => text.to_owned(),
                (_, Language::Chinese) => format!("{text}：{detail}"),
                (_, Language::English) => format!("{text}: {detail}"),
            };
            (code.0, msg)
        }
    }
}

/// Those of the company, newest first, since the server's start.
pub fn list(handle: &Handle, company: CompanyId, base: &str, now: Timestamp) -> Vec<Value> {
    let Some(uploads) = handle.uploads() else { return Vec::new() };
    uploads.progress.all(company).iter().map(|upload| shown(uploads, handle, upload, base, now)).collect()
}

/// How far it is.
pub fn one(handle: &Handle, company: CompanyId, id: &str, base: &str, now: Timestamp) -> Option<Value> {
    let uploads = handle.uploads()?;
    Some(shown(uploads, handle, &*uploads.progress.of(company, id)?, base, now))
}

fn shown(uploads: &Uploads, handle: &Handle, upload: &Upload, base: &str, now: Timestamp) -> Value {
    upload.shown(upload.has_refused().then(|| report_url(uploads, handle, upload, base, now)))
}
