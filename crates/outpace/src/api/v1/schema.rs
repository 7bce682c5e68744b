//! What the JSON of the API looks like. One declaration checks what comes in, is held against what goes out, and writes
//! the OpenAPI document, so that the three cannot differ.

use std::sync::Arc;

use serde_json::{Map, Value, json};

/// Faults of one request that are told at most.
const FAULTS_MAX: usize = 20;

#[derive(Clone, Debug)]
pub struct Schema {
    kind: Kind,
    nullable: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Text {
        min: usize,
        max: usize,
        form: Form,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Boolean,
    Word(&'static [&'static str]),
    List {
        items: Box<Schema>,
        min: usize,
        max: usize,
    },
    Object(Arc<Object>),
    /// Exactly one of these.
    Either(Vec<Schema>),
    /// Any JSON.
    Anything,
}

/// What a text must look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Free,
    /// No control characters.
    Line,
    /// RFC 3339 §5.6.
    Time,
    /// RFC 9562.
    Uuid,
    Digits,
    /// In an order by time: when, and the row.
    Place,
    /// ASCII letters and digits.
    Alphanumeric,
    /// Digits with an optional `+`.
    Phone,
    /// `http://…` or `https://…`, or empty.
    Url,
}

#[derive(Debug)]
pub struct Object {
    name: &'static str,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub struct Field {
    name: &'static str,
    schema: Schema,
    about: &'static str,
    required: bool,
    secret: bool,
}

/// What is wrong with a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Such as `leads[3].number`.
    pub field: String,
    pub problem: String,
}

/// Any text of at most `max` characters.
pub const fn text(max: usize) -> Schema {
    Schema { kind: Kind::Text { min: 0, max, form: Form::Free }, nullable: false }
}

/// A text in one line, of `min` to `max` characters.
pub const fn line(min: usize, max: usize) -> Schema {
    formed(min, max, Form::Line)
}

pub const fn formed(min: usize, max: usize, form: Form) -> Schema {
    Schema { kind: Kind::Text { min, max, form }, nullable: false }
}

pub const fn time() -> Schema {
    formed(20, 35, Form::Time)
}

pub const fn uuid() -> Schema {
    formed(36, 36, Form::Uuid)
}

pub const fn integer(min: i64, max: i64) -> Schema {
    Schema { kind: Kind::Integer { min, max }, nullable: false }
}

/// A count that is shown: from 0.
pub const fn count() -> Schema {
    integer(0, i64::MAX)
}

pub const fn number(min: f64, max: f64) -> Schema {
    Schema { kind: Kind::Number { min, max }, nullable: false }
}

pub const fn boolean() -> Schema {
    Schema { kind: Kind::Boolean, nullable: false }
}

pub const fn word(words: &'static [&'static str]) -> Schema {
    Schema { kind: Kind::Word(words), nullable: false }
}

pub fn list(items: Schema, min: usize, max: usize) -> Schema {
    Schema { kind: Kind::List { items: Box::new(items), min, max }, nullable: false }
}

/// `name`: what the document calls it; one name, one object.
pub fn object(name: &'static str, fields: Vec<Field>) -> Schema {
    Schema { kind: Kind::Object(Arc::new(Object { name, fields })), nullable: false }
}

pub const fn either(schemas: Vec<Schema>) -> Schema {
    Schema { kind: Kind::Either(schemas), nullable: false }
}

pub const fn anything() -> Schema {
    Schema { kind: Kind::Anything, nullable: false }
}

/// A page of a list.
pub fn page(name: &'static str, items: Schema, cursor: &'static str) -> Schema {
    object(
        name,
        vec![
            field("items", list(items, 0, usize::MAX), "The page."),
            field("next", text(64).nullable(), cursor),
        ],
    )
}

/// One that must be there.
pub const fn field(name: &'static str, schema: Schema, about: &'static str) -> Field {
    Field { name, schema, about, required: true, secret: false }
}

/// One that may be left out.
pub const fn optional(name: &'static str, schema: Schema, about: &'static str) -> Field {
    Field { name, schema, about, required: false, secret: false }
}

impl Field {
    /// Never shown again, nor written to the audit trail.
    pub const fn secret(mut self) -> Field {
        self.secret = true;
        self
    }
}

impl Schema {
    pub const fn nullable(mut self) -> Schema {
        self.nullable = true;
        self
    }

    /// What is wrong with the value, at most a few things.
    pub fn faults(&self, value: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check("", value, &mut faults);
        faults.truncate(FAULTS_MAX);
        faults
    }

    /// A value that came as text, in a path or a query.
    pub fn read(&self, text: &str) -> Value {
        let as_text = |value: &Value| value.to_string();
        let canonical = |value: &Value| as_text(value) == text;
        match self.kind {
            Kind::Integer { .. } => text.parse::<i64>().ok().map(Value::from).filter(canonical),
            Kind::Boolean => text.parse::<bool>().ok().map(Value::from),
            _ => None,
        }
        .unwrap_or_else(|| Value::from(text))
    }

    fn check(&self, at: &str, value: &Value, faults: &mut Vec<Fault>) {
        if faults.len() > FAULTS_MAX || (self.nullable && value.is_null()) {
            return;
        }
        let mut wrong = |problem: String| faults.push(Fault { field: at.to_owned(), problem });
        match (&self.kind, value) {
            (Kind::Anything, _) | (Kind::Boolean, Value::Bool(_)) => {}
            (Kind::Text { min, max, form }, Value::String(text)) => {
                let chars = text.chars().count();
                if chars < *min || chars > *max {
                    wrong(format!("must have {min} to {max} characters"));
                } else if !form.admits(text) {
                    wrong(format!("must be {}", form.words()));
                }
            }
            (Kind::Integer { min, max }, Value::Number(_)) => match whole(value) {
                Some(n) if (*min..=*max).contains(&n) => {}
                _ => wrong(format!("must be a whole number from {min} to {max}")),
            },
            (Kind::Number { min, max }, Value::Number(n)) => {
                if !n.as_f64().is_some_and(|n| (*min..=*max).contains(&n)) {
                    wrong(format!("must be a number from {min} to {max}"));
                }
            }
            (Kind::Word(words), Value::String(text)) => {
                if !words.contains(&text.as_str()) {
                    wrong(format!("must be one of: {}", words.join(", ")));
                }
            }
            (Kind::List { items, min, max }, Value::Array(values)) => {
                if values.len() < *min || values.len() > *max {
                    wrong(format!("must have {min} to {max} items"));
                    return;
                }
                for (i, value) in values.iter().enumerate() {
                    items.check(&format!("{at}[{i}]"), value, faults);
                }
            }
            (Kind::Object(object), Value::Object(map)) => object.check(at, map, faults),
            (Kind::Either(schemas), value) => {
                if schemas.iter().filter(|s| s.faults(value).is_empty()).count() != 1 {
                    let names: Vec<String> = schemas.iter().map(Schema::outline).collect();
                    wrong(format!("must be exactly one of: {}", names.join(", ")));
                }
            }
            (kind, _) => wrong(format!("must be {}", kind.words())),
        }
    }

    fn outline(&self) -> String {
        match &self.kind {
            Kind::Object(object) => {
                let names: Vec<&str> = object.fields.iter().map(|f| f.name).collect();
                format!("{{{}}}", names.join(", "))
            }
            kind => kind.words().to_owned(),
        }
    }

    /// The value without secrets, and with long lists as their length: for the audit trail.
    pub fn without_secrets(&self, value: &Value) -> Value {
        const ITEMS_MAX: usize = 20;
        match (&self.kind, value) {
            (Kind::Object(object), Value::Object(map)) => {
                let shown = map.iter().map(|(name, value)| {
                    let field = object.fields.iter().find(|f| f.name == name);
                    let value = match field {
                        Some(field) if field.secret => Value::from("***"),
                        Some(field) => field.schema.without_secrets(value),
                        None => Value::from("***"),
                    };
                    (name.clone(), value)
                });
                Value::Object(shown.collect())
            }
            // A list of objects is data of many, such as leads: it is not kept a second time.
            (Kind::List { items: schema, .. }, Value::Array(items))
                if items.len() > ITEMS_MAX || matches!(schema.kind, Kind::Object(_)) =>
            {
                json!({ "items": items.len() })
            }
            (Kind::List { items: schema, .. }, Value::Array(items)) => {
                items.iter().map(|item| schema.without_secrets(item)).collect()
            }
            _ => value.clone(),
        }
    }

    /// As JSON Schema 2020-12. Objects go to `named`, and are referred to. `closed`: unknown fields are refused.
    pub fn document(&self, closed: bool, named: &mut Map<String, Value>) -> Value {
        let mut schema = match &self.kind {
            Kind::Object(object) => {
                object.document(closed, named);
                json!({ "$ref": format!("#/components/schemas/{}", object.name) })
            }
            Kind::Either(schemas) => {
                let schemas: Vec<Value> = schemas.iter().map(|s| s.document(closed, named)).collect();
                json!({ "oneOf": schemas })
            }
            Kind::List { items, min, max } => {
                let mut list = json!({ "type": "array", "items": items.document(closed, named) });
                put(&mut list, "minItems", (*min > 0).then(|| json!(min)));
                put(&mut list, "maxItems", (*max < usize::MAX).then(|| json!(max)));
                list
            }
            Kind::Text { min, max, form } => {
                let mut text = json!({ "type": "string" });
                put(&mut text, "minLength", (*min > 0).then(|| json!(min)));
                put(&mut text, "maxLength", Some(json!(max)));
                put(&mut text, "format", form.format().map(|f| json!(f)));
                put(&mut text, "pattern", form.pattern().map(|p| json!(p)));
                text
            }
            Kind::Integer { min, max } => {
                let mut integer = json!({ "type": "integer", "format": "int64", "minimum": min });
                put(&mut integer, "maximum", (*max < i64::MAX).then(|| json!(max)));
                integer
            }
            Kind::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Word(words) => json!({ "type": "string", "enum": words }),
            Kind::Anything => json!({}),
        };
        if self.nullable {
            make_nullable(&mut schema);
        }
        schema
    }
}

fn make_nullable(schema: &mut Value) {
    if schema.get("type").is_none() {
        *schema = json!({ "oneOf": [schema.take(), { "type": "null" }] });
        return;
    }
    schema["type"] = json!([schema["type"].take(), "null"]);
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
}

fn put(schema: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        schema[key] = value;
    }
}

/// 3 and 3.0 are both whole.
pub fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        // Exact below 2^53.
        let n = value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9_007_199_254_740_992.0)?;
        Some(n as i64)
    })
}

impl Object {
    fn check(&self, at: &str, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
        let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        for field in &self.fields {
            match map.get(field.name) {
                Some(value) => field.schema.check(&path(field.name), value, faults),
                None if field.required => {
                    faults.push(Fault { field: path(field.name), problem: "is missing".to_owned() });
                }
                None => {}
            }
        }
        for name in map.keys().filter(|name| !self.fields.iter().any(|f| f.name == *name)) {
            let shown: String = name.chars().take(100).collect();
            faults.push(Fault { field: path(&shown), problem: "is not known".to_owned() });
        }
    }

    fn document(&self, closed: bool, named: &mut Map<String, Value>) {
        if named.contains_key(self.name) {
            return;
        }
        named.insert(self.name.to_owned(), Value::Null);
        let mut properties = Map::new();
        for field in &self.fields {
            let mut schema = field.schema.document(closed, named);
            put(&mut schema, "description", (!field.about.is_empty()).then(|| json!(field.about)));
            put(&mut schema, "writeOnly", field.secret.then(|| json!(true)));
            properties.insert(field.name.to_owned(), schema);
        }
        let required: Vec<&str> = self.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        put(&mut schema, "required", (!required.is_empty()).then(|| json!(required)));
        put(&mut schema, "additionalProperties", closed.then(|| json!(false)));
        named.insert(self.name.to_owned(), schema);
    }
}

impl Kind {
    const fn words(&self) -> &'static str {
        match self {
            Kind::Text { .. } | Kind::Word(_) => "a text",
            Kind::Integer { .. } => "a whole number",
            Kind::Number { .. } => "a number",
            Kind::Boolean => "true or false",
            Kind::List { .. } => "a list",
            Kind::Object(_) | Kind::Either(_) => "an object",
            Kind::Anything => "anything",
        }
    }
}

impl Form {
    fn admits(self, text: &str) -> bool {
        match self {
            Form::Free => true,
            Form::Line => !text.chars().any(|c| c.is_ascii_control()),
            Form::Time => super::moment::parse(text).is_some(),
            Form::Uuid => is_uuid(text),
            Form::Digits => text.bytes().all(|b| b.is_ascii_digit()),
            Form::Place => {
                let is_number =
                    |part: &str| (1..=18).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
                text.split_once('-').is_some_and(|(a, b)| is_number(a) && is_number(b))
            }
            Form::Alphanumeric => text.bytes().all(|b| b.is_ascii_alphanumeric()),
            Form::Phone => {
                let digits = text.strip_prefix('+').unwrap_or(text);
                (3..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
            }
            Form::Url => text.is_empty() || text.starts_with("http://") || text.starts_with("https://"),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Form::Free => "a text",
            Form::Line => "a text without control characters",
            Form::Time => "a time such as 2026-01-10T08:00:00Z",
            Form::Uuid => "a UUID in lower case",
            Form::Digits => "digits",
            Form::Place => "what `next` of a page gave",
            Form::Alphanumeric => "letters and digits",
            Form::Phone => "3 to 20 digits with an optional +",
            Form::Url => "a URL that begins with http:// or https://",
        }
    }

    const fn format(self) -> Option<&'static str> {
        match self {
            Form::Time => Some("date-time"),
            Form::Uuid => Some("uuid"),
            _ => None,
        }
    }

    const fn pattern(self) -> Option<&'static str> {
        match self {
            Form::Free | Form::Time => None,
            Form::Line => Some("^[^\\u0000-\\u001f\\u007f]*$"),
            Form::Uuid => Some("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
            Form::Digits => Some("^[0-9]*$"),
            Form::Place => Some("^[0-9]{1,18}-[0-9]{1,18}$"),
            Form::Alphanumeric => Some("^[A-Za-z0-9]*$"),
            Form::Phone => Some("^\\+?[0-9]{3,20}$"),
            Form::Url => Some("^(https?://.*)?$"),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing() -> Schema {
        object(
            "Thing",
            vec![
                field("name", line(1, 5), "Its name."),
                optional("size", integer(1, 9), ""),
                optional("state", word(&["on", "off"]).nullable(), ""),
                optional("at", time(), ""),
                optional("key", text(9), "").secret(),
                optional("tags", list(text(3), 1, 2), ""),
            ],
        )
    }

    fn problems(value: &Value) -> Vec<(String, String)> {
        thing().faults(value).into_iter().map(|f| (f.field, f.problem)).collect()
    }

    #[test]
    fn what_is_declared_is_admitted() {
        for good in [
            json!({"name": "中文中文中"}),
            json!({"name": "a", "size": 9, "state": null, "at": "2026-01-10T08:00:00.5+08:00", "tags": ["", "abc"]}),
            json!({"name": "a", "size": 3.0}),
        ] {
            assert_eq!(problems(&good), [], "{good}");
        }
    }

    #[test]
    fn every_other_thing_is_a_fault_that_names_its_field() {
        let fault = |value: Value| {
            let found = problems(&value);
            assert_eq!(found.len(), 1, "{value}: {found:?}");
            found.into_iter().next().expect("one").0
        };
        for (value, field) in [
            (json!({}), "name"),
            (json!({"name": ""}), "name"),
            (json!({"name": "sixsix"}), "name"),
            (json!({"name": "a\n"}), "name"),
            (json!({"name": 1}), "name"),
            (json!({"name": null}), "name"),
            (json!({"name": "a", "size": 10}), "size"),
            (json!({"name": "a", "size": 1.5}), "size"),
            (json!({"name": "a", "size": "1"}), "size"),
            (json!({"name": "a", "size": 1e300}), "size"),
            (json!({"name": "a", "state": "of"}), "state"),
            (json!({"name": "a", "at": "2026-01-10 08:00:00"}), "at"),
            (json!({"name": "a", "tags": []}), "tags"),
            (json!({"name": "a", "tags": ["x", "long"]}), "tags[1]"),
            (json!({"name": "a", "more": 1}), "more"),
            (json!([]), ""),
        ] {
            assert_eq!(fault(value), field);
        }
    }

    #[test]
    fn faults_are_bounded() {
        let map: Map<String, Value> = (0..1000).map(|n| (n.to_string(), Value::Null)).collect();
        assert_eq!(thing().faults(&Value::Object(map)).len(), FAULTS_MAX);
    }

    #[test]
    fn the_audit_trail_sees_no_secret_and_no_long_list() {
        let value = json!({"name": "a", "key": "s3cret", "tags": ["x"]});
        assert_eq!(thing().without_secrets(&value), json!({"name": "a", "key": "***", "tags": ["x"]}));
        let long = list(integer(0, 9), 0, 100);
        assert_eq!(long.without_secrets(&json!(vec![1; 30])), json!({"items": 30}));
    }

    #[test]
    fn the_document_says_what_is_checked() {
        let mut named = Map::new();
        assert_eq!(thing().document(true, &mut named), json!({"$ref": "#/components/schemas/Thing"}));
        let thing = &named["Thing"];
        assert_eq!(thing["required"], json!(["name"]));
        assert_eq!(thing["additionalProperties"], json!(false));
        assert_eq!(
            thing["properties"]["state"],
            json!({"type": ["string", "null"], "enum": ["on", "off", null]})
        );
        assert_eq!(thing["properties"]["key"]["writeOnly"], json!(true));
    }
}
