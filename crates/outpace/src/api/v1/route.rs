//! A route of `/v1`: what it is for, what it takes, who may use it, what it answers. The router, the checks and the
//! document are all made from it.

use std::pin::Pin;

use axum::http::Method;
use store::Scope;

use super::problem::Problem;
use super::schema::{Schema, integer, word};
use super::visit::{Answer, Visit};

/// Rows of a page at most, and when nothing is said.
pub const LIMIT_MAX: i64 = 500;
pub const LIMIT_DEFAULT: u32 = 100;

pub type Run = fn(Visit) -> Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;

/// A function of a resource as a route's `run`.
macro_rules! run {
    ($function:path) => {
        |visit| Box::pin($function(visit))
    };
}
pub(super) use run;

#[derive(Clone)]
pub struct Route {
    pub method: Method,
    /// With `{name}` for what varies.
    pub path: &'static str,
    /// Unique: what the document and the audit trail call it.
    pub name: &'static str,
    pub about: &'static str,
    pub needs: Needs,
    pub parameters: Vec<Parameter>,
    pub body: Option<Schema>,
    /// Takes an `Idempotency-Key`.
    pub repeatable: bool,
    pub status: u16,
    pub content: Content,
    /// May be answered with these, besides what every route may be answered with.
    pub refusals: &'static [u16],
    pub run: Run,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    Nobody,
    /// Anyone who is known.
    Anyone,
    Scope(Scope),
    /// As `Scope(Calls)`; an agent is held to the own extension, which the path names.
    OwnExtension,
}

#[derive(Clone)]
pub enum Content {
    Nothing,
    Json(Schema),
    /// JSON, or a file when asked for.
    JsonOrFile(Schema),
    /// Server-sent events.
    Events,
}

#[derive(Clone)]
pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub schema: Schema,
    pub about: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Path,
    Query,
}

impl Route {
    pub fn get(path: &'static str, name: &'static str, run: Run) -> Route {
        Route::new(Method::GET, path, name, Needs::Scope(Scope::Read), run)
    }

    pub fn post(path: &'static str, name: &'static str, run: Run) -> Route {
        Route::new(Method::POST, path, name, Needs::Scope(Scope::Write), run)
    }

    pub fn put(path: &'static str, name: &'static str, run: Run) -> Route {
        Route::new(Method::PUT, path, name, Needs::Scope(Scope::Write), run)
    }

    pub fn patch(path: &'static str, name: &'static str, run: Run) -> Route {
        Route::new(Method::PATCH, path, name, Needs::Scope(Scope::Write), run)
    }

    pub fn delete(path: &'static str, name: &'static str, run: Run) -> Route {
        Route::new(Method::DELETE, path, name, Needs::Scope(Scope::Write), run)
    }

    fn new(method: Method, path: &'static str, name: &'static str, needs: Needs, run: Run) -> Route {
        let refusals: &[u16] = match method {
            Method::GET => &[],
            _ => &[409],
        };
        Route {
            method,
            path,
            name,
            about: "",
            needs,
            parameters: Vec::new(),
            body: None,
            repeatable: false,
            status: 204,
            content: Content::Nothing,
            refusals,
            run,
        }
    }

    pub fn about(mut self, about: &'static str) -> Route {
        self.about = about;
        self
    }

    pub fn needs(mut self, needs: Needs) -> Route {
        self.needs = needs;
        self
    }

    pub fn needs_scope(self, scope: Scope) -> Route {
        self.needs(Needs::Scope(scope))
    }

    pub fn path_part(mut self, name: &'static str, schema: Schema, about: &'static str) -> Route {
        self.parameters.push(Parameter { name, place: Place::Path, schema, about });
        self
    }

    pub fn query(mut self, name: &'static str, schema: Schema, about: &'static str) -> Route {
        self.parameters.push(Parameter { name, place: Place::Query, schema, about });
        self
    }

    /// `limit` and `after`, for a list that goes page by page. `cursor`: what `next` looks like.
    pub fn pages(self, cursor: Schema) -> Route {
        self.query("limit", integer(1, LIMIT_MAX), "Rows of the page at most; 100 when it is not given.")
            .query("after", cursor, "The page after this one: what `next` of a page gave.")
    }

    /// `format=csv` or `xlsx`: the whole list instead of a page.
    pub fn or_file(mut self) -> Route {
        if let Content::Json(schema) = &self.content {
            self.content = Content::JsonOrFile(schema.clone());
        }
        let about = "`csv`, `xlsx`: the whole list as a file, streamed; `limit` has no effect then.";
        self.query("format", word(&["json", "csv", "xlsx"]), about)
    }

    pub fn body(mut self, schema: Schema) -> Route {
        self.body = Some(schema);
        self
    }

    pub fn repeatable(mut self) -> Route {
        self.repeatable = true;
        self
    }

    pub fn answers(mut self, status: u16, schema: Schema) -> Route {
        self.status = status;
        self.content = Content::Json(schema);
        self
    }

    pub fn answers_events(mut self) -> Route {
        self.status = 200;
        self.content = Content::Events;
        self
    }

    pub fn refused_with(mut self, refusals: &'static [u16]) -> Route {
        self.refusals = refusals;
        self
    }

    pub fn changes(&self) -> bool {
        self.method != Method::GET
    }

    /// First part of the path after `/v1/`.
    pub fn tag(&self) -> &'static str {
        self.path.trim_start_matches("/v1/").split(['/', '.']).next().unwrap_or_default()
    }
}
