//! `App.Sip_Cdr.GetRecodeFile`: a link to a recording.

use serde::Serialize;

use super::Caller;
use super::code::Code;
use super::envelope::{Done, Failure, Reply};

#[derive(Serialize)]
struct LinkResult {
    downurl: String,
    expiredtime: String,
}

pub async fn link(caller: &Caller) -> Reply {
    let filename = caller.parameters().required("filename")?.to_owned();
    let unknown = || Failure::about(Code::NO_FILE, filename.clone());
    let archive = caller.app.archive().cloned().ok_or_else(unknown)?;
    let (company, name, files) = (caller.id(), filename.clone(), archive.clone());
    let found = caller.store(move |store| {
        let is_there = files.path(&name).is_some_and(|path| path.is_file());
        Ok(is_there && store.recording(company, &name)?.is_some())
    });
    if !found.await? {
        return Err(unknown());
    }
    let link = archive.link(&filename, caller.now());
    let base = archive.base_url.as_deref().unwrap_or(&caller.request.base_url);
    Done::with(&LinkResult {
        downurl: format!("{base}{}", link.path),
        expiredtime: caller.zone.format(link.expires_at),
    })
}
