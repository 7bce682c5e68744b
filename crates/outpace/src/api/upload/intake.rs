//! The body of an upload: its fields, and its file on the disk.

use std::fs::File;
use std::io::{Seek, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request;
use tokio::sync::OwnedSemaphorePermit;

use super::Uploads;
use super::multipart::{Broken, Parts};
use super::progress::{Begun, State};
use super::table::Fault;
use crate::api::app_sip::code::{Code, Language, Ret, Text};
use crate::api::app_sip::envelope::Failure;
use crate::api::app_sip::request::{Encoding, Fields, named_boundary};
use crate::api::app_sip::{AppSip, Caller, Request};
use crate::api::{base_url, bearer_token, content_length, text_header, turn};

/// Of all fields but the file.
const FIELDS_BYTES_MAX: usize = 1 << 20;
/// Written to the disk at once.
const WRITE_BYTES: usize = 256 << 10;
const ID_CHARS_MAX: usize = 64;

/// A request whose body is here as a whole.
pub struct Taken {
    pub caller: Caller,
    pub file: File,
    pub upload: Begun,
    /// Held until the upload has ended.
    pub permit: OwnedSemaphorePermit,
}

pub struct Intake<'a> {
    pub app: &'a Arc<AppSip>,
    pub uploads: &'a Uploads,
    pub peer: IpAddr,
    pub head: &'a request::Parts,
    fields: Fields,
    /// From when it is known who sends it.
    upload: Option<Begun>,
}

impl<'a> Intake<'a> {
    /// Reads the body. The caller is let in before the file is stored where the token is known by then; else few such
    /// files are taken at once.
    pub async fn take(
        app: &'a Arc<AppSip>,
        uploads: &'a Uploads,
        peer: IpAddr,
        head: &'a request::Parts,
        body: Body,
    ) -> Result<Taken, (Language, Failure)> {
        let fields = Fields::read(&Encoding::Form, head.uri.query(), b"").unwrap_or_default();
        let mut intake = Intake { app, uploads, peer, head, fields, upload: None };
        let content_type = text_header(&head.headers, CONTENT_TYPE.as_str()).unwrap_or_default();
        let is_multipart = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/");
        let Some(boundary) = named_boundary(content_type).filter(|_| is_multipart) else {
            let text = Text::new("应为multipart/form-data", "the body must be multipart/form-data");
            return Err((intake.language(), bad_request(intake.language(), text)));
        };
        let mut parts = Parts::new(body, &boundary, uploads.limits.bytes_max);
        let taken = match tokio::time::timeout(uploads.limits.timeout, intake.read(&mut parts)).await {
            Ok(taken) => taken,
            Err(_) => Err(intake.broken(Broken::TooSlow)),
        };
        let language = intake.language();
        match taken {
            Ok(taken) => Ok(taken),
            Err(failure) => {
                if let Some(upload) = intake.upload.take() {
                    upload.set(State::Failed { message: super::message(&failure, language).1 });
                }
                parts.drain().await;
                Err((language, failure))
            }
        }
    }

    async fn read(&mut self, parts: &mut Parts) -> Result<Taken, Failure> {
        if content_length(&self.head.headers).is_some_and(|n| n as u64 > self.uploads.limits.bytes_max) {
            return Err(self.broken(Broken::TooLarge));
        }
        let (mut file, mut fields_bytes) = (None, 0);
        while let Some(head) = parts.next().await.map_err(|b| self.broken(b))? {
            let is_list = head.name == "telphone" || (head.is_file && head.name == "file");
            if is_list && file.is_none() {
                let permit = self.permit().await?;
                file = Some((self.store(parts).await?, permit));
                continue;
            }
            let mut content = Vec::new();
            while parts.read(&mut content).await.map_err(|b| self.broken(b))? {
                if is_list || head.is_file {
                    let text = Text::new("只能上传一个文件", "there must be one file only");
                    return Err(bad_request(self.language(), text));
                }
                if fields_bytes + content.len() > FIELDS_BYTES_MAX {
                    return Err(self.broken(Broken::TooLarge));
                }
            }
            fields_bytes += content.len();
            let text = String::from_utf8_lossy(&content).into_owned();
            let put = self.fields.put_text(head.name, text);
            put.map_err(|why| bad_request(self.language(), why.why))?;
        }
        let (file, permit) = file.ok_or_else(|| Failure::missing(self.language(), "telphone"))?;
        let caller = self.caller().await?;
        let upload = match self.upload.take() {
            Some(upload) => upload,
            None => self.begin(&caller)?,
        };
        upload.bytes_received.store(parts.received(), Ordering::Relaxed);
        Ok(Taken { caller, file, upload, permit })
    }

    /// Whether the file may be stored now. One whose sender is not known yet waits for one of few places.
    async fn permit(&mut self) -> Result<OwnedSemaphorePermit, Failure> {
        match self.request().has_token() {
            true => {
                let caller = self.caller().await?;
                let permit = turn(&self.uploads.places).await?;
                self.upload = Some(self.begin(&caller)?);
                Ok(permit)
            }
            false => Ok(turn(&self.uploads.anonymous_places).await?),
        }
    }

    fn request(&self) -> Request {
        Request {
            fields: self.fields.clone(),
            peer: self.peer,
            bearer: text_header(&self.head.headers, AUTHORIZATION.as_str()).and_then(bearer_token),
            received: self.app.now(),
            base_url: base_url(&self.head.headers),
        }
    }

    async fn caller(&self) -> Result<Caller, Failure> {
        Caller::of(self.app, self.request()).await
    }

    fn begin(&self, caller: &Caller) -> Result<Begun, Failure> {
        let id = match self.fields.text("uploadid").filter(|id| !id.is_empty()) {
            Some(id) => id.to_owned(),
            None => random_id()?,
        };
        let is_good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if id.len() > ID_CHARS_MAX || !id.bytes().all(is_good) {
            let text = Text::new("应为1至64个字母、数字、-或_", "must be 1 to 64 letters, digits, - or _");
            return Err(Failure::wrong(caller.language(), "uploadid", text.of(caller.language())));
        }
        let announced = content_length(&self.head.headers).unwrap_or(0) as u64;
        self.uploads.progress.begin(caller.id(), id, self.app.now(), announced).ok_or_else(|| {
            let text = Text::new("uploadid已存在", "uploadid exists already");
            Failure::about(Code::CHECK_FAILED, text.of(caller.language()))
        })
    }

    /// Stores the current part in a temporary file.
    async fn store(&self, parts: &mut Parts) -> Result<File, Failure> {
        let announced = content_length(&self.head.headers).unwrap_or(0) as u64;
        let language = self.language();
        let failed = |fault: Fault| refused(&fault, language);
        self.uploads.folder.check_room(announced).map_err(failed)?;
        let mut file = self.uploads.folder.temporary_file().map_err(|e| failed(e.into()))?;
        if let Some(upload) = &self.upload {
            upload.bytes_received.store(parts.received(), Ordering::Relaxed);
        }
        let mut piece = Vec::with_capacity(2 * WRITE_BYTES);
        let mut unchecked = 0;
        loop {
            let is_more = parts.read(&mut piece).await.map_err(|b| self.broken(b))?;
            if let Some(upload) = &self.upload {
                upload.bytes_received.store(parts.received(), Ordering::Relaxed);
            }
            if piece.len() < WRITE_BYTES && is_more {
                continue;
            }
            unchecked += piece.len();
            if unchecked > 64 * WRITE_BYTES {
                // A body may say nothing of its length.
                self.uploads.folder.check_room(0).map_err(failed)?;
                unchecked = 0;
            }
            let written = tokio::task::spawn_blocking(move || {
                file.write_all(&piece)?;
                piece.clear();
                if !is_more {
                    file.rewind()?;
                }
                std::io::Result::Ok((file, piece))
            });
            (file, piece) =
                written.await.map_err(|e| Failure::internal(&e))?.map_err(|e| failed(e.into()))?;
            if !is_more {
                return Ok(file);
            }
        }
    }

    fn language(&self) -> Language {
        self.fields.text("lang").and_then(Language::from_tag).unwrap_or(Language::Chinese)
    }

    fn broken(&self, broken: Broken) -> Failure {
        match broken {
            Broken::TooLarge => Failure::from(Ret::TooLarge),
            Broken::Malformed => bad_request(
                self.language(),
                Text::new(
                    "multipart格式错误或内容不完整",
                    "the multipart body is not well-formed, or cut off",
                ),
            ),
            Broken::TooSlow => {
                bad_request(self.language(), Text::new("上传超时", "the upload took too long"))
            }
        }
    }
}

fn random_id() -> Result<String, Failure> {
    let mut random = [0u8; 12];
    getrandom::fill(&mut random).map_err(|e| Failure::internal(&e))?;
    Ok(random.iter().map(|b| format!("{b:02x}")).collect())
}

fn bad_request(language: Language, why: Text) -> Failure {
    let what = Ret::BadRequest.text().of(language);
    Failure::bad_request(match language {
        Language::Chinese => format!("{what}：{}", why.of(language)),
        Language::English => format!("{what}: {}", why.of(language)),
    })
}

/// A file that is not taken.
pub fn refused(fault: &Fault, language: Language) -> Failure {
    match fault {
        Fault::Store(store::StoreError::Busy) => Failure::from(Ret::TooMany),
        Fault::Store(error) => Failure::internal(error),
        Fault::Disk(error) => Failure::internal(error),
        fault => match fault.told(language) {
            Some(why) => Failure::about(Code::CHECK_FAILED, why),
            None => Failure::internal(&format!("an upload failed: {fault:?}")),
        },
    }
}
