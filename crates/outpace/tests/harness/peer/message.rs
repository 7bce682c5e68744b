//! SIP as text, as much of it as a well-behaved test phone needs.

/// A request or response. Header names are kept in lower case.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    pub fn parse(bytes: &[u8]) -> Option<Message> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (full_name(name), value.trim().to_owned()))
            .collect();
        Some(Message { start, headers, body: body.to_owned() })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|h| h.0 == name).map_or("", |h| h.1.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |h| h.0 == name).map(|h| h.1.as_str())
    }

    /// Status of a response, 0 for a request.
    pub fn status(&self) -> u16 {
        let status = self.start.strip_prefix("SIP/2.0 ").and_then(|s| s.get(..3));
        status.and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or("")
    }

    pub fn call_id(&self) -> &str {
        self.header("call-id")
    }

    pub fn cseq(&self) -> (u32, &str) {
        let (number, method) = self.header("cseq").split_once(' ').unwrap_or(("0", ""));
        (number.parse().unwrap_or(0), method.trim())
    }

    /// User part of the Request-URI.
    pub fn user(&self) -> &str {
        let uri = self.start.split(' ').nth(1).unwrap_or("");
        uri.strip_prefix("sip:").and_then(|u| u.split('@').next()).unwrap_or("")
    }

    /// User part of the From URI.
    pub fn caller(&self) -> &str {
        let from = self.header("from").split("sip:").nth(1).unwrap_or("");
        from.split('@').next().unwrap_or("")
    }

    pub fn has_to_tag(&self) -> bool {
        self.header("to").contains(";tag=")
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> String {
        let contact = self.header("contact");
        match contact.split_once('<') {
            Some((_, rest)) => rest.split('>').next().unwrap_or("").to_owned(),
            None => contact.split(';').next().unwrap_or("").to_owned(),
        }
    }

    /// Where the SDP wants its RTP.
    pub fn rtp_address(&self) -> Option<std::net::SocketAddr> {
        let ip = self.body.lines().find_map(|l| l.strip_prefix("c=IN IP4 "))?.trim();
        let port = self.body.lines().find_map(|l| l.strip_prefix("m=audio "))?.split(' ').next()?;
        Some((ip.parse::<std::net::IpAddr>().ok()?, port.parse().ok()?).into())
    }

    /// Payload types of the SDP, the preferred one first.
    pub fn payload_types(&self) -> Vec<u8> {
        let line = self.body.lines().find_map(|l| l.strip_prefix("m=audio ")).unwrap_or("");
        line.split_whitespace().skip(2).filter_map(|t| t.parse().ok()).collect()
    }

    /// A response with the headers that RFC 3261 §8.2.6 wants copied; `tag` goes to To.
    pub fn response(&self, status: &str, tag: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (name, value) in &self.headers {
            match name.as_str() {
                "via" | "record-route" | "from" | "call-id" | "cseq" => {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                "to" if value.contains(";tag=") || tag.is_empty() => {
                    text.push_str(&format!("to: {value}\r\n"))
                }
                "to" => text.push_str(&format!("to: {value};tag={tag}\r\n")),
                _ => {}
            }
        }
        text.push_str(more);
        finish(text, body)
    }
}

/// Ends the header part and puts the body behind it.
pub fn finish(mut text: String, body: &str) -> String {
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}

/// One codec only, so that what comes back can be compared byte by byte. `keys`: payload type of events; 0: none.
pub fn sdp(port: u16, payload_type: u8, keys: u8) -> String {
    let codec = if payload_type == 0 { "PCMU" } else { "PCMA" };
    let (format, map) = match keys {
        0 => (String::new(), String::new()),
        _ => (format!(" {keys}"), format!("a=rtpmap:{keys} telephone-event/8000\r\na=fmtp:{keys} 0-15\r\n")),
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type}{format}\r\na=rtpmap:{payload_type} {codec}/8000\r\n{map}a=ptime:20\r\n\
         a=sendrecv\r\n"
    )
}

// RFC 3261 §7.3.3
fn full_name(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let full = match name.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "l" => "content-length",
        "c" => "content-type",
        _ => return name,
    };
    full.to_owned()
}
