//! One request to `/v1` whose form is good and whose sender is known, and its answer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::response::{IntoResponse, Response};
use engine::{AgentId, AgentView, CampaignView, CompanyId, PhoneNumber, Timestamp};
use serde_json::{Map, Value, json};
use store::{Campaign, Extension, Group, Scope, Store};

use super::moment;
use super::problem::Problem;
use super::route::LIMIT_DEFAULT;
use super::schema::whole;
use super::visitor::Visitor;
use crate::api::{Server, json as json_body};
use crate::handle::{Command, Handle, HandleError};

pub struct Visit {
    pub server: Arc<Server>,
    /// None only where a route needs nobody.
    pub visitor: Option<Visitor>,
    pub now: Timestamp,
    pub peer: IpAddr,
    /// Where the client reached us, such as `http://10.0.0.5:8080`.
    pub base_url: String,
    pub path: BTreeMap<&'static str, String>,
    pub query: Fields,
    pub body: Fields,
    pub last_event_id: Option<String>,
}

/// Fields of a checked object. One that is null is as one that is absent.
#[derive(Clone, Default, Debug)]
pub struct Fields(pub Map<String, Value>);

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Null too.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Empty when absent.
    pub fn text_or_empty(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        whole(self.get(name)?)
    }

    /// Of a field whose schema has no greater value.
    pub fn small(&self, name: &str) -> Option<u32> {
        u32::try_from(self.integer(name)?).ok()
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    pub fn time(&self, name: &str) -> Option<Timestamp> {
        moment::parse(self.text(name)?)
    }

    pub fn object(&self, name: &str) -> Option<Fields> {
        self.get(name)?.as_object().cloned().map(Fields)
    }

    pub fn list(&self, name: &str) -> Option<&Vec<Value>> {
        self.get(name)?.as_array()
    }

    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let texts = self.list(name)?.iter().filter_map(|v| v.as_str().map(str::to_owned));
        Some(texts.collect())
    }
}

/// What a route gives back.
pub struct Answer {
    pub status: u16,
    pub body: Body,
    pub headers: Vec<(HeaderName, String)>,
}

pub enum Body {
    Nothing,
    Json(Value),
    /// Written as it comes.
    Stream(Response),
}

impl Answer {
    pub fn ok(value: Value) -> Answer {
        Answer { status: 200, body: Body::Json(value), headers: Vec::new() }
    }

    pub fn created(value: Value) -> Answer {
        Answer { status: 201, ..Answer::ok(value) }
    }

    pub fn nothing() -> Answer {
        Answer { status: 204, body: Body::Nothing, headers: Vec::new() }
    }

    pub fn stream(response: Response) -> Answer {
        Answer { status: 200, body: Body::Stream(response), headers: Vec::new() }
    }

    /// Rows of a page, `limit` + 1 when there is another one. `cursor`: what the next page begins after.
    pub fn page<T>(
        mut rows: Vec<T>,
        limit: u32,
        cursor: impl Fn(&T) -> String,
        shown: impl Fn(T) -> Value,
    ) -> Answer {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(cursor);
        let items: Vec<Value> = rows.into_iter().map(shown).collect();
        Answer::ok(json!({"items": items, "next": next}))
    }

    pub fn with(mut self, name: HeaderName, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = match self.body {
            Body::Nothing => status.into_response(),
            Body::Json(value) => (status, json_body(value.to_string())).into_response(),
            Body::Stream(response) => response,
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            if let Ok(value) = value.parse() {
                headers.append(name, value);
            }
        }
        response
    }
}

impl Visit {
    pub fn who(&self) -> &Visitor {
        self.visitor.as_ref().expect("the router lets nobody unknown to a route that asks who it is")
    }

    pub fn company(&self) -> CompanyId {
        self.who().company.id
    }

    pub fn handle(&self) -> &Handle {
        self.server.app_sip.handle()
    }

    /// Runs a verb of the store on a thread that may block.
    pub async fn store<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&dyn Store) -> store::Result<T> + Send + 'static,
    ) -> Result<T, HandleError> {
        self.handle().with_store(verb).await
    }

    /// Tells the run loop of a change that is stored.
    pub async fn announce(&self, command: impl Fn() -> Command + Send + 'static) {
        self.handle().announce(command).await;
    }

    /// A part of the path; the router has checked that it is there.
    pub fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// Rows that the page may have.
    pub fn limit(&self) -> u32 {
        self.query.small("limit").unwrap_or(LIMIT_DEFAULT)
    }

    /// The whole list instead of a page.
    pub fn wants_file(&self) -> bool {
        matches!(self.query.text("format"), Some("csv" | "xlsx"))
    }

    /// Telephone numbers in full.
    pub fn sees_all(&self) -> bool {
        self.who().scopes.has(Scope::Personal)
    }

    /// A telephone number as the visitor may see it.
    pub fn shown(&self, number: &str) -> String {
        shown(number, self.sees_all())
    }

    /// The company's campaign that the path names.
    pub async fn campaign(&self) -> Result<Campaign, Problem> {
        let id = self.part("campaign").to_owned();
        self.campaign_named(id).await?.ok_or_else(|| Problem::not_found("campaign"))
    }

    pub async fn campaign_named(&self, id: String) -> Result<Option<Campaign>, HandleError> {
        let company = self.company();
        self.store(move |s| s.campaign(company, &id)).await
    }

    /// The company's group that the path names, by its id.
    pub async fn group(&self) -> Result<Group, Problem> {
        let (company, id) = (self.company(), self.part("group").parse::<i64>().ok());
        let groups = self.store(move |s| s.groups(company)).await?;
        let found = groups.into_iter().find(|g| Some(g.id.0) == id);
        found.ok_or_else(|| Problem::not_found("group"))
    }

    /// The company's extension that the path names.
    pub async fn extension(&self) -> Result<Extension, Problem> {
        let number = self.part("extension").to_owned();
        let found = self.extension_numbered(number).await?;
        found.ok_or_else(|| Problem::not_found("extension"))
    }

    pub async fn extension_numbered(&self, number: String) -> Result<Option<Extension>, HandleError> {
        let company = self.company();
        let found = self.store(move |s| s.extension(&number)).await?;
        Ok(found.filter(|e| e.company == company))
    }

    pub async fn extensions(&self) -> Result<Vec<Extension>, HandleError> {
        let company = self.company();
        self.store(move |s| s.extensions(Some(company))).await
    }

    /// The company's agents as the engine sees them now.
    pub async fn agents(&self) -> Result<BTreeMap<AgentId, AgentView>, HandleError> {
        let views = self.handle().agents(self.company()).await?;
        Ok(views.into_iter().map(|view| (view.agent, view)).collect())
    }

    pub async fn campaign_view(&self, campaign: &Campaign) -> Result<Option<CampaignView>, HandleError> {
        let views = self.handle().campaigns(self.company()).await?;
        Ok(views.into_iter().find(|view| view.campaign == campaign.id))
    }

    /// A number in the query. Who sees numbers only masked may not look for one, or could try the hidden digits.
    pub fn number_in_query(&self) -> Result<Option<PhoneNumber>, Problem> {
        if self.query.text("number").is_some() && !self.sees_all() {
            let message = "to look for a telephone number, this key or user needs the scope personal";
            return Err(Problem::new(403, "forbidden", message));
        }
        let read = |text| PhoneNumber::parse(text).map_err(|e| Problem::of_field("number", e.to_string()));
        self.query.text("number").map(read).transpose()
    }
}

/// 138****5678, unless it may be seen in full.
pub fn shown(number: &str, in_full: bool) -> String {
    let chars = number.chars().count();
    match (in_full, chars) {
        (true, _) | (_, 0) => number.to_owned(),
        (_, 1..8) => "****".to_owned(),
        _ => {
            let head: String = number.chars().take(3).collect();
            let tail: String = number.chars().skip(chars - 4).collect();
            format!("{head}****{tail}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_may_not_be_seen_is_masked() {
        assert_eq!(shown("13812345678", true), "13812345678");
        assert_eq!(shown("13812345678", false), "138****5678");
        assert_eq!(shown("1234567", false), "****");
        assert_eq!(shown("", false), "");
    }
}
