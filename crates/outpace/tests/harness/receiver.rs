//! A company's own HTTP server, which is told what happens: keeps a record, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One POST that came in.
#[derive(Clone, Debug)]
pub struct Push {
    pub at: Instant,
    pub path: String,
    /// Lines as they came, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// How it was answered.
    pub status: u16,
}

impl Push {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    pub fn event(&self) -> &str {
        self.header("x-outpace-event")
    }

    /// The body, or the JSON text of its field `detail`.
    pub fn json(&self) -> Value {
        let form = self.header("content-type") == "application/x-www-form-urlencoded";
        let detail = form_urlencoded::parse(self.body.as_bytes()).find(|(name, _)| name == "detail");
        let text = detail.filter(|_| form).map_or(self.body.clone(), |(_, text)| text.into_owned());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

/// How a push is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    Redirect(String),
    /// Never.
    Nothing,
}

type Answer = dyn Fn(&Push) -> Reply + Send + Sync;

struct Shared {
    pushes: Mutex<Vec<Push>>,
    came: Condvar,
    answer: Box<Answer>,
    is_down: AtomicBool,
    is_over: AtomicBool,
}

pub struct Receiver {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Receiver {
    pub fn start(port: u16, answer: impl Fn(&Push) -> Reply + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let shared = Arc::new(Shared {
            pushes: Mutex::default(),
            came: Condvar::new(),
            answer: Box::new(answer),
            is_down: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of_thread.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = of_thread.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Receiver { port, shared }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Down: every connection is closed without an answer.
    pub fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::Relaxed);
    }

    pub fn pushes(&self) -> Vec<Push> {
        self.shared.pushes.lock().expect("no panic").clone()
    }

    /// Those that were answered with a 2xx, each event once.
    pub fn taken(&self) -> Vec<Push> {
        let mut taken: Vec<Push> = Vec::new();
        for push in self.pushes().into_iter().filter(|p| p.status / 100 == 2) {
            if !taken.iter().any(|t| t.event() == push.event()) {
                taken.push(push);
            }
        }
        taken
    }

    /// Waits until what was taken is enough.
    pub fn wait(&self, what: &str, limit: Duration, is_enough: impl Fn(&[Push]) -> bool) -> Vec<Push> {
        let end = Instant::now() + limit;
        loop {
            let taken = self.taken();
            if is_enough(&taken) {
                return taken;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {limit:?} in vain for: {what}; had {taken:#?}");
            let pushes = self.shared.pushes.lock().expect("no panic");
            drop(self.shared.came.wait_timeout(pushes, left.min(Duration::from_millis(100))));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that listens.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let Ok(reading) = stream.try_clone() else { return };
    let (mut reading, mut writing) = (BufReader::new(reading), stream);
    while let Some(mut push) = read(&mut reading) {
        if shared.is_down.load(Ordering::Relaxed) || shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        let reply = (shared.answer)(&push);
        push.status = match reply {
            Reply::Status(status) => status,
            Reply::Redirect(_) => 307,
            Reply::Nothing => 0,
        };
        let status = push.status;
        shared.pushes.lock().expect("no panic").push(push);
        shared.came.notify_all();
        let location = match reply {
            Reply::Redirect(url) => format!("location: {url}\r\n"),
            Reply::Status(_) => String::new(),
            Reply::Nothing => {
                // Until the far end has had enough.
                let _ = reading.read(&mut [0]);
                return;
            }
        };
        let answer = format!("HTTP/1.1 {status} X\r\n{location}content-length: 0\r\n\r\n");
        if writing.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(stream: &mut impl BufRead) -> Option<Push> {
    let mut line = String::new();
    let mut next = || {
        line.clear();
        let read = stream.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let path = next()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    while let Some((name, value)) = next()?.split_once(": ") {
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(n, _)| n == "content-length").map_or("0", |(_, v)| v);
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Push { at: Instant::now(), path, headers, body, status: 0 })
}
