//! `App.Sip_Cdr`: what finished calls came to.

use serde::Serialize;
use store::{Bill, BillBody, BillFilter, bill_body};

use super::Caller;
use super::code::Text;
use super::envelope::{Done, Failure, Reply};
use super::parameter::Paging;

const EXTENSIONS_MAX: usize = 1000;
const CALL_METHOD_MAX: i64 = 6;

#[derive(Serialize)]
struct BillsResult<'a> {
    totalitems: u64,
    currentpage: u32,
    itemsperpage: u32,
    bills: Vec<BillRow<'a>>,
}

/// A bill as it is pushed, and one field more.
#[derive(Serialize)]
struct BillRow<'a> {
    #[serde(flatten)]
    bill: BillBody<'a>,
    displaynumber: &'a str,
}

#[derive(Clone, Copy)]
enum Sync {
    /// Not fetched yet; they are by this answer.
    New,
    Fetched,
    All,
}

pub async fn bills(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let paging = p.paging()?;
    let sync = p.word("syncflag", &[("1", Sync::New), ("2", Sync::Fetched), ("3", Sync::All)])?;
    let sync = sync.unwrap_or(Sync::New);
    let filter = filter(caller, sync)?;
    let (totalitems, bills) = found(caller, sync, filter, paging).await?;
    let row =
        |bill| BillRow { bill: bill_body(bill, &caller.company.settings), displaynumber: &bill.caller_id };
    Done::with(&BillsResult {
        totalitems,
        currentpage: paging.currentpage,
        itemsperpage: paging.itemsperpage,
        bills: bills.iter().map(row).collect(),
    })
}

fn filter(caller: &Caller, sync: Sync) -> Result<BillFilter, Failure> {
    let p = caller.parameters();
    let zone = &caller.zone;
    p.required("starttime")?;
    p.required("endtime")?;
    let time = |name| Failure::missing(p.language, name);
    let from = p.time_as("starttime", |t| zone.parse_from(t))?.ok_or_else(|| time("starttime"))?;
    let to = p.time_as("endtime", |t| zone.parse_to(t))?.ok_or_else(|| time("endtime"))?;
    let method = p.int("callmethod", 0..=CALL_METHOD_MAX)?.filter(|m| *m != 0);
    let is_inbound = match p.int("direction", 1..=3)? {
        Some(1) => Some(true),
        Some(2) => Some(false),
        _ => None,
    };
    let extensions = p.list("extnumber");
    if extensions.len() > EXTENSIONS_MAX {
        return Err(p.wrong("extnumber", Text::new("数量过多", "has too many items")));
    }
    let text = |name: &str| p.text(name).unwrap_or_default().to_owned();
    let ext = p.text("ext").or_else(|| p.text("chengshudu")).unwrap_or_default().to_owned();
    Ok(BillFilter {
        is_inbound,
        from,
        to,
        fetched: match sync {
            Sync::New => Some(false),
            Sync::Fetched => Some(true),
            Sync::All => None,
        },
        method: method.and_then(|m| u16::try_from(m).ok()),
        extensions,
        number: text("destnumber"),
        user_id: text("userid"),
        member_id: text("memberid"),
        ext,
        custom_uuid: text("customuuid"),
        taskid: text("taskid"),
    })
}

async fn found(
    caller: &Caller,
    sync: Sync,
    filter: BillFilter,
    paging: Paging,
) -> Result<(u64, Vec<Bill>), Failure> {
    let (company, page) = (caller.id(), paging.page());
    if !matches!(sync, Sync::New) {
        return Ok(caller.store(move |s| s.list_bills(company, &filter, page)).await?);
    }
    // What an earlier page handed out is not among the new ones any more, so each page takes the first of what is left;
    // and it still counts in the total, so that a client can go from page to page to the end.
    let (left, bills) = caller.store(move |s| s.fetch_bills(company, &filter, page.limit)).await?;
    let total = if bills.is_empty() { 0 } else { left.saturating_add(page.offset) };
    Ok((total, bills))
}
