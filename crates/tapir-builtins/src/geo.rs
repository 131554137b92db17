//! Where addresses are and who announces them: look-ups in databases of the MaxMind format.
//!
//! The databases are those that scripts open, or the first that is found in `mmdb_dir` and its fallbacks. A file that was
//! replaced is read again. Spec: the MaxMind DB file format, version 2.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use maxminddb::{PathElement, Reader};
use tapir_data::value::{Addr, Value};
use tapir_vm::{CallCtx, Severity};

use crate::util::*;

pub const FAMILY: Family = &[
    ("mmdb_open_location_db", |ctx, a| open_named(ctx, a, Kind::Location)),
    ("mmdb_open_asn_db", |ctx, a| open_named(ctx, a, Kind::Asn)),
    ("lookup_location", lookup_location),
    ("lookup_autonomous_system", lookup_autonomous_system),
];

#[derive(Clone, Copy)]
enum Kind {
    Location,
    Asn,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::Location => "location",
            Kind::Asn => "ASN",
        }
    }

    /// The constants that name the files, the best first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Kind::Location => &["mmdb_city_db", "mmdb_country_db"],
            Kind::Asn => &["mmdb_asn_db"],
        }
    }
}

/// An open database.
struct Database {
    reader: Reader<Vec<u8>>,
    path: PathBuf,
    /// Size and time of the file when it was read.
    version: Option<(u64, SystemTime)>,
    checked: Instant,
}

fn version(path: &Path) -> Option<(u64, SystemTime)> {
    let m = std::fs::metadata(path).ok()?;
    Some((m.len(), m.modified().ok()?))
}

impl Database {
    fn open(path: &Path) -> Result<Self, String> {
        let version = version(path);
        let reader = Reader::open_readfile(path).map_err(|e| e.to_string())?;
        Ok(Database {
            reader,
            path: path.to_path_buf(),
            version,
            checked: Instant::now(),
        })
    }

    // Values of the entry of an address; broken entries have none.

    fn text(&self, a: IpAddr, path: &[PathElement<'_>]) -> Option<String> {
        self.reader.lookup(a).ok()?.decode_path(path).ok()?
    }

    fn double(&self, a: IpAddr, path: &[PathElement<'_>]) -> Option<f64> {
        self.reader.lookup(a).ok()?.decode_path(path).ok()?
    }

    fn count(&self, a: IpAddr, path: &[PathElement<'_>]) -> Option<u64> {
        self.reader.lookup(a).ok()?.decode_path(path).ok()?
    }
}

/// What a script machine has open.
#[derive(Default)]
struct Databases {
    open: [Option<Database>; 2],
    /// Which of them was complained about.
    missed: [bool; 2],
}

fn address(a: Addr) -> IpAddr {
    IpAddr::from(a.0).to_canonical()
}

fn open_named(ctx: &mut CallCtx<'_>, a: &[Value], kind: Kind) -> Res {
    let name = lossy(a.str(0)?);
    Ok(Value::Bool(match Database::open(Path::new(&name)) {
        Ok(d) => {
            let all = ctx.vm.state::<Databases>();
            all.open[kind as usize] = Some(d);
            all.missed[kind as usize] = false;
            true
        }
        Err(why) => {
            let text = format!("Failed to open {} database {name}: {why}", kind.text());
            ctx.report_plain(Severity::Error, text);
            false
        }
    }))
}

fn text_of(ctx: &CallCtx<'_>, name: &str) -> String {
    match ctx.vm.global_value(name) {
        Some(Value::Str(s)) => lossy(&s),
        _ => String::new(),
    }
}

/// The files in which a database may be.
fn candidates(ctx: &CallCtx<'_>, kind: Kind) -> Vec<PathBuf> {
    let mut dirs = vec![text_of(ctx, "mmdb_dir")];
    if let Some(Value::Vector(more)) = ctx.vm.global_value("mmdb_dir_fallbacks") {
        dirs.extend(more.to_vec().iter().filter_map(|d| match d {
            Value::Str(s) => Some(lossy(s)),
            _ => None,
        }));
    }
    let mut out = Vec::new();
    for dir in dirs.iter().filter(|d| !d.is_empty()) {
        out.extend(kind.names().iter().map(|name| Path::new(dir).join(text_of(ctx, name))));
    }
    out
}

/// The database for look-ups: the one that is open, or the first that can be opened. Says once that there is none.
fn database<'c>(ctx: &'c mut CallCtx<'_>, kind: Kind) -> Option<&'c Database> {
    let i = kind as usize;
    let every = match ctx.vm.global_value("mmdb_stale_check_interval") {
        Some(Value::Interval(s)) if s > 0.0 => Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX),
        _ => Duration::MAX,
    };
    if let Some(d) = &mut ctx.vm.state::<Databases>().open[i]
        && d.checked.elapsed() >= every
    {
        d.checked = Instant::now();
        // While a file is being replaced, the old one serves on.
        if version(&d.path).is_some_and(|v| Some(v) != d.version)
            && let Ok(new) = Database::open(&d.path)
        {
            *d = new;
        }
    }
    let all = ctx.vm.state::<Databases>();
    if all.open[i].is_none() && !all.missed[i] {
        let paths = candidates(ctx, kind);
        let mut why = String::new();
        let mut found = None;
        for path in paths.iter().filter(|p| p.is_file()) {
            match Database::open(path) {
                Ok(d) => {
                    found = Some(d);
                    break;
                }
                Err(e) => why = format!("{}: {e}", path.display()),
            }
        }
        if found.is_none() {
            if why.is_empty() {
                why = "there is none in mmdb_dir and mmdb_dir_fallbacks".into();
            }
            let text = format!("Failed to open {} database: {why}", kind.text());
            if ctx.host.says_first(&text) {
                ctx.error(text);
            }
        }
        let all = ctx.vm.state::<Databases>();
        all.missed[i] = found.is_none();
        all.open[i] = found;
    }
    ctx.vm.state::<Databases>().open[i].as_ref()
}

fn lookup_location(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    use PathElement::{Index, Key};
    let a = address(a.addr(0)?);
    let mut fields = Vec::new();
    if let Some(d) = database(ctx, Kind::Location) {
        let texts: [(&str, &[PathElement<'_>]); 3] = [
            ("country_code", &[Key("country"), Key("iso_code")]),
            ("region", &[Key("subdivisions"), Index(0), Key("iso_code")]),
            ("city", &[Key("city"), Key("names"), Key("en")]),
        ];
        for (name, path) in texts {
            if let Some(text) = d.text(a, path) {
                fields.push((name, string(text)));
            }
        }
        for name in ["latitude", "longitude"] {
            if let Some(n) = d.double(a, &[Key("location"), Key(name)]) {
                fields.push((name, Value::Double(n)));
            }
        }
    }
    Ok(record(ctx.types(), ctx.result_type, &fields))
}

fn lookup_autonomous_system(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    use PathElement::Key;
    let a = address(a.addr(0)?);
    let mut fields = Vec::new();
    if let Some(d) = database(ctx, Kind::Asn) {
        if let Some(n) = d.count(a, &[Key("autonomous_system_number")]) {
            fields.push(("number", Value::Count(n)));
        }
        if let Some(name) = d.text(a, &[Key("autonomous_system_organization")]) {
            fields.push(("organization", string(name)));
        }
    }
    Ok(record(ctx.types(), ctx.result_type, &fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes values of the format: no text here is longer than 28 bytes, and no map larger.
    struct Data(Vec<u8>);

    impl Data {
        fn head(&mut self, kind: u8, size: usize) -> &mut Self {
            if kind > 7 {
                self.0.extend([size as u8, kind - 7]);
            } else {
                self.0.push(kind << 5 | size as u8);
            }
            self
        }
        fn map(&mut self, n: usize) -> &mut Self {
            self.head(7, n)
        }
        fn text(&mut self, s: &str) -> &mut Self {
            self.head(2, s.len()).0.extend(s.as_bytes());
            self
        }
        fn double(&mut self, d: f64) -> &mut Self {
            self.head(3, 8).0.extend(d.to_be_bytes());
            self
        }
        fn number(&mut self, kind: u8, n: u32) -> &mut Self {
            self.head(kind, 4.min(if kind == 5 { 2 } else { 4 }));
            let bytes = n.to_be_bytes();
            self.0.extend(if kind == 5 { &bytes[2..] } else { &bytes[..] });
            self
        }
    }

    /// A database in which the lower half of all IPv4 addresses has one entry.
    fn database(entry: &Data) -> Vec<u8> {
        // One node: its left branch leads to the entry, its right one nowhere.
        let mut out = vec![0, 0, 1 + 16, 0, 0, 1];
        out.extend([0; 16]);
        out.extend(&entry.0);
        out.extend(b"\xab\xcd\xefMaxMind.com");
        let mut meta = Data(Vec::new());
        meta.map(9).text("node_count").number(6, 1);
        meta.text("record_size").number(5, 24);
        meta.text("ip_version").number(5, 4);
        meta.text("database_type").text("Test");
        meta.text("languages").head(11, 0);
        meta.text("binary_format_major_version").number(5, 2);
        meta.text("binary_format_minor_version").number(5, 0);
        meta.text("build_epoch").number(9, 1);
        meta.text("description").map(0);
        out.extend(meta.0);
        out
    }

    #[test]
    fn entries_are_found_and_files_replaced() {
        use PathElement::{Index, Key};
        let dir = std::env::temp_dir().join(format!("tapir-geo-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("a.mmdb");
        let mut entry = Data(Vec::new());
        entry.map(2).text("country").map(1).text("iso_code").text("DE");
        entry
            .text("subdivisions")
            .head(11, 1)
            .map(1)
            .text("iso_code")
            .text("HH");
        std::fs::write(&path, database(&entry)).unwrap();
        let d = Database::open(&path).unwrap();
        let low: IpAddr = "10.0.0.1".parse().unwrap();
        let high: IpAddr = "192.0.2.1".parse().unwrap();
        let country = [Key("country"), Key("iso_code")];
        assert_eq!(d.text(low, &country).as_deref(), Some("DE"));
        assert_eq!(
            d.text(low, &[Key("subdivisions"), Index(0), Key("iso_code")])
                .as_deref(),
            Some("HH")
        );
        assert_eq!(d.text(high, &country), None);
        assert_eq!(d.double(low, &[Key("location"), Key("latitude")]), None);
        let before = version(&path);
        let mut entry = Data(Vec::new());
        entry.map(1).text("location").map(1).text("latitude").double(53.5);
        std::fs::write(&path, database(&entry)).unwrap();
        assert_ne!(version(&path), before);
        let d = Database::open(&path).unwrap();
        assert_eq!(d.double(low, &[Key("location"), Key("latitude")]), Some(53.5));
        std::fs::write(&path, "no database").unwrap();
        assert!(Database::open(&path).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
