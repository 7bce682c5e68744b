//! One request, from any of the encodings to its fields.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart};
use axum::http::header::CONTENT_TYPE;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::code::Text;
use super::form;

const FIELDS_MAX: usize = 256;

/// A field as the client sent it.
#[derive(Clone, Debug)]
pub enum Field {
    /// Text, number or boolean. Blanks around it are kept.
    Text(String),
    /// A JSON array or object in a JSON body.
    Json(Box<RawValue>),
}

/// Body and query string as one; the body wins.
#[derive(Clone, Debug, Default)]
pub struct Fields(HashMap<String, Field>);

/// Why a request has no fields.
#[derive(Clone, Debug)]
pub struct Unreadable {
    pub why: Text,
    pub detail: String,
}

impl Fields {
    /// Reads what is not multipart: the form or JSON body and the query string.
    pub fn read(encoding: &Encoding, query: Option<&str>, body: &[u8]) -> Result<Fields, Unreadable> {
        let mut fields = Fields::from_query(query)?;
        match encoding {
            Encoding::Json => fields.put_json(body)?,
            Encoding::Form => fields.put_form(body)?,
            Encoding::Multipart { .. } => {}
        }
        Ok(fields)
    }

    /// Reads a multipart body and the query string.
    pub async fn read_multipart(
        boundary: &str,
        query: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Fields, Unreadable> {
        let mut fields = Fields::from_query(query)?;
        let broken = |e: &dyn std::fmt::Display| Unreadable { why: BROKEN_MULTIPART, detail: e.to_string() };
        let mut request = axum::http::Request::builder()
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary=\"{boundary}\""))
            .body(Body::from(body))
            .map_err(|e| broken(&e))?;
        // The size was checked when the body was read.
        DefaultBodyLimit::disable().apply(&mut request);
        let mut parts = Multipart::from_request(request, &()).await.map_err(|e| broken(&e))?;
        while let Some(part) = parts.next_field().await.map_err(|e| broken(&e))? {
            let Some(name) = part.name().map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()) else {
                continue;
            };
            let bytes = part.bytes().await.map_err(|e| broken(&e))?;
            fields.put(name, Field::Text(String::from_utf8_lossy(&bytes).into_owned()))?;
        }
        Ok(fields)
    }

    pub fn get(&self, name: &str) -> Option<&Field> {
        self.0.get(name)
    }

    /// The text of the field without blanks around it; the JSON text of an array or object. `None` when absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Field::Text(text) => Some(text.trim()),
            Field::Json(raw) => Some(raw.get()),
        }
    }

    pub fn put_text(&mut self, name: String, text: String) -> Result<(), Unreadable> {
        self.put(name, Field::Text(text))
    }

    fn from_query(query: Option<&str>) -> Result<Fields, Unreadable> {
        let mut fields = Fields::default();
        fields.put_form(query.unwrap_or_default().as_bytes())?;
        Ok(fields)
    }

    fn put(&mut self, name: String, field: Field) -> Result<(), Unreadable> {
        if self.0.len() >= 2 * FIELDS_MAX {
            return Err(Unreadable { why: TOO_MANY_FIELDS, detail: String::new() });
        }
        self.0.insert(name, field);
        Ok(())
    }

    fn put_form(&mut self, input: &[u8]) -> Result<(), Unreadable> {
        let pairs = form::read(input, FIELDS_MAX)
            .ok_or_else(|| Unreadable { why: TOO_MANY_FIELDS, detail: String::new() })?;
        pairs.into_iter().try_for_each(|(name, value)| self.put(name, Field::Text(value)))
    }

    fn put_json(&mut self, body: &[u8]) -> Result<(), Unreadable> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.trim_ascii().is_empty() {
            return Ok(());
        }
        let Members(members) = serde_json::from_slice(body)
            .map_err(|e| Unreadable { why: BROKEN_JSON, detail: e.to_string() })?;
        for (name, raw) in members {
            match raw.get().as_bytes().first() {
                // null is as good as absent.
                Some(b'n') => {}
                Some(b'[' | b'{') => self.put(name, Field::Json(raw))?,
                _ => self.put(name, Field::Text(scalar_text(&raw).unwrap_or_default()))?,
            }
        }
        Ok(())
    }
}

/// The members of a JSON object as they are written; no more than `FIELDS_MAX`.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            if members.len() == FIELDS_MAX {
                return Err(serde::de::Error::custom("too many members"));
            }
            members.push(member);
        }
        Ok(Members(members))
    }
}

const BROKEN_JSON: Text = Text::new("JSON格式错误", "the body is not a JSON object");
const BROKEN_MULTIPART: Text = Text::new("multipart格式错误", "the body is not well-formed multipart");
const TOO_MANY_FIELDS: Text = Text::new("参数过多", "too many parameters");

/// Text, number as it is written, boolean as 1 or 0, null as empty. `None` for an array or object.
pub fn scalar_text(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b't' => Some("1".to_owned()),
        b'f' => Some("0".to_owned()),
        b'n' => Some(String::new()),
        b'[' | b'{' => None,
        _ => Some(text.to_owned()),
    }
}

/// How the body is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encoding {
    Form,
    Json,
    Multipart { boundary: String },
}

impl Encoding {
    /// By the content type where it can be true, else by the first bytes: clients send JSON as a form, and nothing at all.
    pub fn of(content_type: Option<&str>, body: &[u8]) -> Encoding {
        let content_type = content_type.unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if let Some(boundary) = multipart_boundary(&essence, content_type, body) {
            return Encoding::Multipart { boundary };
        }
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
        let says_json = essence.ends_with("/json") || essence.ends_with("+json");
        match body.first() {
            Some(b'{') => Encoding::Json,
            Some(b'[' | b'"') if says_json => Encoding::Json,
            Some(_) if says_json && !body.contains(&b'=') => Encoding::Json,
            _ => Encoding::Form,
        }
    }
}

fn multipart_boundary(essence: &str, content_type: &str, body: &[u8]) -> Option<String> {
    if essence.starts_with("multipart/")
        && let Some(named) = named_boundary(content_type)
    {
        return Some(named);
    }
    // No boundary in the header: the body begins with it (RFC 2046 §5.1.1).
    let rest = body.trim_ascii_start().strip_prefix(b"--")?;
    let line = rest.split(|b| *b == b'\r' || *b == b'\n').next()?;
    let head = &rest[..rest.len().min(512)];
    let is_part = head.to_ascii_lowercase().windows(20).any(|w| w == b"content-disposition:");
    let boundary = std::str::from_utf8(line).ok()?.trim_end();
    let usable = (1..=70).contains(&boundary.len()) && !boundary.contains('"');
    (is_part && usable).then(|| boundary.to_owned())
}

/// The boundary that a content type names.
pub fn named_boundary(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let usable = (1..=70).contains(&value.len()) && !value.contains('"');
        (name.trim().eq_ignore_ascii_case("boundary") && usable).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: Option<&str>, query: Option<&str>, body: &str) -> Result<Fields, Unreadable> {
        Fields::read(&Encoding::of(content_type, body.as_bytes()), query, body.as_bytes())
    }

    #[test]
    fn the_body_wins_over_the_query_string() {
        let fields = read(None, Some("a=query&b=query"), "a=body").expect("readable");
        assert_eq!(fields.text("a"), Some("body"));
        assert_eq!(fields.text("b"), Some("query"));
        assert_eq!(fields.text("c"), None);
    }

    #[test]
    fn json_values_may_be_numbers_strings_booleans_and_arrays() {
        let body = r#" {"n":20250110232019949748,"f":1.5,"s":" x\u5f20 ","b":true,"z":null,"a":[1,"2"]}"#;
        let fields = read(Some("application/json; charset=utf-8"), None, body).expect("readable");
        assert_eq!(fields.text("n"), Some("20250110232019949748"));
        assert_eq!(fields.text("f"), Some("1.5"));
        assert_eq!(fields.text("s"), Some("x张"));
        assert_eq!(fields.text("b"), Some("1"));
        assert_eq!(fields.text("z"), None);
        assert_eq!(fields.text("a"), Some(r#"[1,"2"]"#));
    }

    #[test]
    fn a_missing_or_wrong_content_type_is_seen_through() {
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            assert_eq!(Encoding::of(content_type, b"{\"a\":1}"), Encoding::Json);
            assert_eq!(Encoding::of(content_type, b"a=1"), Encoding::Form);
        }
        assert_eq!(Encoding::of(Some("application/json"), b"a=1"), Encoding::Form);
        assert_eq!(Encoding::of(Some("application/json"), b"nonsense"), Encoding::Json);
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz--\r\n";
        assert_eq!(Encoding::of(None, body), Encoding::Multipart { boundary: "xyz".into() });
        assert_eq!(
            Encoding::of(Some("multipart/form-data; boundary=\"q r\""), b""),
            Encoding::Multipart { boundary: "q r".into() }
        );
    }

    #[test]
    fn broken_json_is_unreadable() {
        assert!(read(Some("application/json"), None, "{\"a\":").is_err());
        assert!(read(Some("application/json"), None, "[1]").is_err());
        assert!(read(Some("application/json"), None, "").is_ok(), "an empty body has no fields");
    }

    #[tokio::test]
    async fn multipart_fields_are_read() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"s\"\r\n\r\nApp.X\r\n\
            --b\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t.json\"\r\n\
            Content-Type: application/json\r\n\r\n[\"&=+%\"]\r\n--b--\r\n";
        let fields = Fields::read_multipart("b", Some("s=q&u=1"), body.to_vec()).await.expect("readable");
        assert_eq!(fields.text("s"), Some("App.X"));
        assert_eq!(fields.text("t"), Some("[\"&=+%\"]"));
        assert_eq!(fields.text("u"), Some("1"));
        assert!(Fields::read_multipart("c", None, body.to_vec()).await.is_err());
    }
}
