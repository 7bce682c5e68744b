//! An .xlsx file as what it is outside: a zip file with XML files that name each other (ECMA-376 part 2).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use memchr::memmem;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::Fault;
use super::meter::{Meter, PastBound, Total};

/// A workbook with hundreds of sheets has fewer.
const PARTS_MAX: usize = 5000;
const BUFFER_BYTES: usize = 64 << 10;

pub struct Package<'a> {
    zip: ZipArchive<BufReader<&'a File>>,
    /// By name in lower case with `/`: some writers are careless about it.
    parts: HashMap<String, usize>,
    total: Total,
}

/// A reference from one part to another.
pub struct Relation {
    pub id: String,
    /// The last word of its kind: `worksheet`, `sharedStrings`.
    pub kind: String,
    /// The part's name.
    pub target: String,
}

impl<'a> Package<'a> {
    pub fn open(file: &'a File) -> Result<Package<'a>, Fault> {
        check_parts(file)?;
        let zip = ZipArchive::new(BufReader::with_capacity(BUFFER_BYTES, file)).map_err(of_zip)?;
        let named = |index| zip.name_for_index(index)?.ok().map(|name| (key(&name), index));
        let parts = (0..zip.len()).filter_map(named).collect();
        Ok(Package { zip, parts, total: Total::default() })
    }

    pub fn has(&self, name: &str) -> bool {
        self.parts.contains_key(&key(name))
    }

    /// `Damaged` when there is no such part.
    pub fn part(&mut self, name: &str) -> Result<Xml<'_, 'a>, Fault> {
        let index = *self.parts.get(&key(name)).ok_or(Fault::Damaged)?;
        let file = self.zip.by_index(index).map_err(of_zip)?;
        let packed = file.compressed_size();
        let meter = Meter::new(BufReader::with_capacity(BUFFER_BYTES, file), packed, self.total.clone());
        let mut reader = Reader::from_reader(meter);
        // A workbook that Excel opens is read, even where it is not quite as it should be.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        reader.config_mut().allow_dangling_amp = true;
        Ok(Xml { reader, buffer: Vec::new() })
    }

    /// What the part refers to; nothing when it refers to nothing.
    pub fn relations(&mut self, part: &str) -> Result<Vec<Relation>, Fault> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let name = format!("{prefix}_rels/{file}.rels");
        let mut found = Vec::new();
        if !self.has(&name) {
            return Ok(found);
        }
        let mut xml = self.part(&name)?;
        while let Some(event) = xml.next()? {
            let (Event::Start(element) | Event::Empty(element)) = event else { continue };
            if element.local_name().as_ref() != "Relationship" {
                continue;
            }
            let target = attribute(&element, "Target").unwrap_or_default();
            let target = match target.strip_prefix('/') {
                Some(absolute) => absolute.to_owned(),
                None => format!("{prefix}{}", target.trim_start_matches("./")),
            };
            let kind = attribute(&element, "Type").unwrap_or_default();
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            found.push(Relation { id: attribute(&element, "Id").unwrap_or_default(), kind, target });
        }
        Ok(found)
    }
}

/// Before the directory is read, all of which would be in memory: each of its entries begins with this.
fn check_parts(mut file: &File) -> Result<(), Fault> {
    const ENTRY: &[u8] = b"PK\x01\x02";
    let mut window = vec![0; BUFFER_BYTES];
    let (mut kept, mut parts) = (0, 0);
    file.rewind()?;
    loop {
        let read = file.read(&mut window[kept..])?;
        if read == 0 {
            return Ok(file.rewind()?);
        }
        let end = kept + read;
        parts += memmem::find_iter(&window[..end], ENTRY).count();
        if parts > PARTS_MAX {
            return Err(Fault::Bomb);
        }
        // One may be cut in two.
        kept = end.min(ENTRY.len() - 1);
        window.copy_within(end - kept..end, 0);
    }
}

fn key(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_lowercase()
}

/// The value of an attribute, whatever its prefix.
pub fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let found = attributes.with_checks(false).flatten().find(|a| a.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}

type Part<'p, 'a> = Meter<BufReader<ZipFile<'p, BufReader<&'a File>>>>;

/// One part, event by event.
pub struct Xml<'p, 'a> {
    reader: Reader<Part<'p, 'a>>,
    buffer: Vec<u8>,
}

impl Xml<'_, '_> {
    /// None at the end.
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Fault> {
        self.reader.get_mut().reset();
        self.buffer.clear();
        match self.reader.read_event_into(&mut self.buffer) {
            Ok(Event::Eof) => Ok(None),
            Ok(event) => Ok(Some(event)),
            Err(quick_xml::Error::Io(error)) => Err(of_io(&error)),
            Err(_) => Err(Fault::Damaged),
        }
    }
}

/// Adds the text of an event: characters, and what stands for a character.
pub fn add_text(text: &mut String, event: &Event<'_>) {
    match event {
        Event::Text(part) => text.push_str(&part.xml10_content()),
        Event::CData(part) => text.push_str(&part.xml10_content()),
        Event::GeneralRef(reference) => match reference.resolve_char_ref() {
            Ok(Some(c)) => text.push(c),
            _ => match &*reference.xml10_content() {
                "amp" => text.push('&'),
                "lt" => text.push('<'),
                "gt" => text.push('>'),
                "quot" => text.push('"'),
                "apos" => text.push('\''),
                _ => {}
            },
        },
        _ => {}
    }
}

/// A file that is ours can be read, so what cannot be read was not written as it should be.
fn of_io(error: &io::Error) -> Fault {
    match error.get_ref().is_some_and(|inner| inner.is::<PastBound>()) {
        true => Fault::Bomb,
        false => Fault::Damaged,
    }
}

fn of_zip(error: ZipError) -> Fault {
    match error {
        ZipError::UnsupportedArchive(text) if text == ZipError::PASSWORD_REQUIRED => Fault::OldExcel,
        _ => Fault::Damaged,
    }
}
