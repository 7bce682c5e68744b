//! The compatible `App.Sip_*` API: one URL, the service named by a field.

pub mod auth;
mod call;
mod caller_id;
mod cdr;
pub mod clock;
pub mod code;
pub mod envelope;
mod extension;
mod form;
mod group;
pub mod lead_rows;
mod parameter;
mod queue;
mod recording;
pub mod request;
mod service;
mod status;
mod task;
pub mod task_create;
mod task_info;
mod task_list;
mod trail;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::{AgentId, AgentView, CompanyId, Timestamp};
use store::{Company, Extension, Group, Scopes, Store};

use self::clock::Zone;
use self::code::{Code, Language, Ret};
use self::envelope::{Failure, Form};
use self::parameter::Parameters;
use self::request::{Fields, Unreadable};
use self::service::Service;
#[cfg(test)]
pub use self::service::names as service_names;
use crate::config::Api;
use crate::handle::{Command, Handle, HandleError};
use crate::recording::Archive;

/// The run loop answers within this or counts as not answering: clients wait three seconds for the whole.
const VIEW_TIMEOUT: Duration = Duration::from_millis(1000);

/// The API's state.
pub struct AppSip {
    handle: Handle,
    doorkeeper: auth::Doorkeeper,
    shows_passwords: bool,
}

/// One request, before it is known who sends it.
pub struct Request {
    pub fields: Fields,
    pub peer: IpAddr,
    /// Token of an `Authorization: Bearer` header.
    pub bearer: Option<String>,
    pub received: Timestamp,
    /// Where the client reached us, such as `http://10.0.0.5:8080`.
    pub base_url: String,
}

impl Request {
    pub fn has_token(&self) -> bool {
        self.token().is_some()
    }

    fn token(&self) -> Option<&str> {
        let field = self.fields.text("token").filter(|t| !t.is_empty());
        field.or(self.bearer.as_deref()).filter(|t| !t.is_empty())
    }

    fn wished_language(&self) -> Option<Language> {
        self.fields.text("lang").and_then(Language::from_tag)
    }

    /// Until the company is known.
    fn language(&self) -> Language {
        self.wished_language().unwrap_or(Language::Chinese)
    }
}

impl AppSip {
    pub fn new(handle: Handle, config: &Api) -> AppSip {
        AppSip {
            handle,
            doorkeeper: auth::Doorkeeper::new(config.login_failures_per_minute_max),
            shows_passwords: config.show_extension_passwords,
        }
    }

    /// Passwords of extensions, to whoever may see them.
    pub fn shows_passwords(&self) -> bool {
        self.shows_passwords
    }

    pub fn now(&self) -> Timestamp {
        self.handle.now()
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    pub fn archive(&self) -> Option<&Arc<Archive>> {
        self.handle.archive()
    }

    /// The answer to a request as JSON text. Checks in the order of the contract: the service, the token, the
    /// parameters, then what they mean.
    pub async fn answer(self: Arc<Self>, request: Request) -> String {
        let language = request.language();
        let service = match Service::of(&request.fields, language) {
            Ok(service) => service,
            Err(Failure::Platform { ret, message }) => {
                return envelope::platform_failure(ret, message.as_deref(), language);
            }
            Err(Failure::Business { .. }) => {
                return envelope::platform_failure(Ret::Internal, None, language);
            }
        };
        let wished = request.wished_language();
        let requested_at = request.received.unix_seconds();
        let (company, reply) = match service {
            Service::Login => auth::login(&self, &request).await,
            Service::Logout => auth::logout(&self, &request).await,
            service => match auth::caller(&self, request).await {
                Ok(caller) => {
                    let reply = service.run(&caller).await;
                    trail::note(&caller, service, &reply).await;
                    (Some(caller.company.clone()), reply)
                }
                Err(failure) => (None, Err(failure)),
            },
        };
        let language = wished.or_else(|| company.as_deref().map(language_of)).unwrap_or(language);
        let form = Form {
            language,
            int_codes: company.is_some_and(|c| c.settings.int_codes),
            descriptions: service.descriptions(),
            requested_at,
            answered_at: self.now().unix_seconds(),
        };
        tracing::debug!(service = service.name(), failed = reply.is_err(), "answered");
        envelope::write(&reply, &form)
    }

    /// The answer to a request that could not be read.
    pub fn answer_unreadable(unreadable: &Unreadable) -> String {
        let mut message = format!(
            "{}：{}",
            Ret::BadRequest.text().of(Language::Chinese),
            unreadable.why.of(Language::Chinese)
        );
        if !unreadable.detail.is_empty() {
            message.push_str(&format!(" ({})", unreadable.detail));
        }
        envelope::platform_failure(Ret::BadRequest, Some(&message), Language::Chinese)
    }
}

fn language_of(company: &Company) -> Language {
    Language::from_tag(&company.settings.language).unwrap_or(Language::Chinese)
}

/// A request with a good token.
pub struct Caller {
    app: Arc<AppSip>,
    request: Request,
    company: Arc<Company>,
    appid: String,
    scopes: Scopes,
    zone: Zone,
    language: Language,
}

impl Caller {
    fn new(app: Arc<AppSip>, request: Request, admitted: auth::Admitted) -> Caller {
        let auth::Admitted { company, appid, scopes } = admitted;
        let zone = Zone::named(&company.settings.time_zone);
        let language = request.wished_language().unwrap_or_else(|| language_of(&company));
        Caller { app, request, company, appid, scopes, zone, language }
    }

    /// Whoever sends the request with a good token.
    pub async fn of(app: &Arc<AppSip>, request: Request) -> Result<Caller, Failure> {
        auth::caller(app, request).await
    }

    pub fn id(&self) -> CompanyId {
        self.company.id
    }

    /// When the request came.
    pub fn now(&self) -> Timestamp {
        self.request.received
    }

    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    pub fn language(&self) -> Language {
        self.language
    }

    pub fn handle(&self) -> &Handle {
        &self.app.handle
    }

    /// Where the client reached us.
    pub fn base_url(&self) -> &str {
        &self.request.base_url
    }

    fn parameters(&self) -> Parameters<'_> {
        Parameters { fields: &self.request.fields, language: self.language }
    }

    /// Runs a verb of the store on a thread that may block.
    pub async fn store<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&dyn Store) -> store::Result<T> + Send + 'static,
    ) -> Result<T, HandleError> {
        self.app.handle.with_store(verb).await
    }

    /// Tells the run loop of a change that the client may ask for again when this fails.
    async fn tell(&self, command: Command) -> Result<(), Failure> {
        Ok(self.app.handle.tell(command).await?)
    }

    /// Tells the run loop of a change that is stored and must not be asked for again.
    async fn announce(&self, command: impl Fn() -> Command + Send + 'static) {
        self.app.handle.announce(command).await;
    }

    /// The company's agents as the engine sees them now.
    async fn agents(&self) -> Result<BTreeMap<AgentId, AgentView>, Failure> {
        match tokio::time::timeout(VIEW_TIMEOUT, self.app.handle.agents(self.id())).await {
            Ok(Ok(views)) => Ok(views.into_iter().map(|view| (view.agent, view)).collect()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(HandleError::Unavailable.into()),
        }
    }

    fn registration(&self, agent: AgentId) -> Option<std::net::SocketAddr> {
        self.app.handle.registration(agent)
    }

    /// The company's extensions, all of these numbers: 1012 for one that nobody has, 1011 for another company's.
    async fn extensions(&self, numbers: Vec<String>) -> Result<Vec<Extension>, Failure> {
        let company = self.id();
        let found = self.store(move |s| numbered_extensions(s, company, numbers));
        found
            .await?
            .into_iter()
            .map(|(number, lookup)| lookup.map_err(|c| Failure::about(c, number)))
            .collect()
    }

    /// One extension, as `extensions`.
    async fn extension(&self, number: &str) -> Result<Extension, Failure> {
        let found = self.extensions(vec![number.to_owned()]).await?;
        found.into_iter().next().ok_or_else(|| Failure::about(Code::NO_EXTENSION, number))
    }

    /// The company's group of this name, or 1043.
    async fn group(&self, name: &str) -> Result<Group, Failure> {
        let company = self.id();
        let groups = self.store(move |s| s.groups(company)).await?;
        let found = groups.into_iter().find(|g| g.name == name);
        found.ok_or_else(|| Failure::about(Code::NO_GROUP, name))
    }
}

type Lookup = (String, Result<Extension, Code>);

fn numbered_extensions(
    store: &dyn Store,
    company: CompanyId,
    numbers: Vec<String>,
) -> store::Result<Vec<Lookup>> {
    // One extension is looked up by itself; many in what the company has.
    let own: BTreeMap<String, Extension> = match numbers.len() {
        0 | 1 => BTreeMap::new(),
        _ => store.extensions(Some(company))?.into_iter().map(|e| (e.number.clone(), e)).collect(),
    };
    let mut found = Vec::with_capacity(numbers.len());
    for number in numbers {
        let lookup = match own.get(&number) {
            Some(extension) => Ok(extension.clone()),
            None => match store.extension(&number)? {
                Some(extension) if extension.company == company => Ok(extension),
                Some(_) => Err(Code::FOREIGN_EXTENSION),
                None => Err(Code::NO_EXTENSION),
            },
        };
        let failed = lookup.is_err();
        found.push((number, lookup));
        if failed {
            break;
        }
    }
    Ok(found)
}
