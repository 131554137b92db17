//! Where scripts come from: the file system, and scripts that are part of the program.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use super::outline::Script;
use crate::symbol::FastMap;

/// The text of a script.
#[derive(Clone)]
pub enum Text {
    /// Part of the program: never copied.
    Embedded(&'static Script),
    Read(Bytes),
}

impl From<&[u8]> for Text {
    fn from(text: &[u8]) -> Self {
        Text::Read(Bytes::copy_from_slice(text))
    }
}

impl From<Vec<u8>> for Text {
    fn from(text: Vec<u8>) -> Self {
        Text::Read(text.into())
    }
}

/// What stands under a path.
pub enum Found {
    File {
        text: Text,
        /// The same for all names of one file.
        canonical: String,
    },
    Directory,
}

/// Gives the loader its texts.
pub trait ScriptSource {
    /// The directories in which names are looked up, in order.
    fn search_path(&self) -> Vec<String>;
    /// What stands under exactly this path.
    fn look(&mut self, path: &str) -> Option<Found>;
    /// The names in a directory, for suggestions.
    fn entries(&mut self, _dir: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Scripts that are part of the program, sorted by path.
pub type Embedded = &'static [Script];

/// The file system, with embedded scripts under a root that looks like a directory.
pub struct Files {
    path: Vec<String>,
    embedded: Embedded,
    /// Where each of them stands in the list.
    places: FastMap<&'static str, usize>,
    /// The directory under which embedded scripts appear.
    root: String,
    /// Scripts of this run: full paths and texts.
    texts: Vec<(String, Text)>,
    /// Whether directories of the file system exist, as far as it was asked: most names that are looked up lie in none.
    directories: HashMap<String, bool>,
}

impl Files {
    /// Reads from the file system only.
    pub fn new(path: Vec<String>) -> Self {
        Files {
            path,
            embedded: &[],
            places: FastMap::default(),
            root: String::new(),
            texts: Vec::new(),
            directories: HashMap::new(),
        }
    }

    /// Whether a path lies in a directory that exists. Scripts do not make directories while they load.
    fn may_exist(&mut self, path: &str) -> bool {
        let Some((dir, _)) = path.rsplit_once('/') else {
            return true;
        };
        if dir.is_empty() {
            return true;
        }
        if let Some(&known) = self.directories.get(dir) {
            return known;
        }
        // A directory above that is missing answers for all below it.
        let exists = self.may_exist(dir) && Path::new(dir).is_dir();
        self.directories.insert(dir.to_string(), exists);
        exists
    }

    /// Adds a script that stands in no file. It is found under `dir`, a name that no directory has, which is searched
    /// before all others.
    pub fn with_text(mut self, dir: &str, name: &str, text: &str) -> Self {
        if !self.path.iter().any(|d| d == dir) {
            self.path.insert(0, dir.to_string());
        }
        self.texts.push((format!("{dir}/{name}"), text.as_bytes().into()));
        self
    }

    /// Adds embedded scripts under `root`, a name that no directory has. Whether they are found depends on `root` or
    /// directories below it being in the search path.
    pub fn with_embedded(mut self, root: &str, embedded: Embedded) -> Self {
        self.root = root.to_string();
        self.embedded = embedded;
        self.places = embedded.iter().enumerate().map(|(i, e)| (e.path, i)).collect();
        self
    }
}

impl ScriptSource for Files {
    fn search_path(&self) -> Vec<String> {
        self.path.clone()
    }

    fn look(&mut self, path: &str) -> Option<Found> {
        if path == "-" {
            let mut text = Vec::new();
            std::io::stdin().lock().read_to_end(&mut text).ok()?;
            return Some(Found::File {
                text: text.into(),
                canonical: "<stdin>".into(),
            });
        }
        if let Some((name, text)) = self.texts.iter().find(|t| t.0 == path) {
            return Some(Found::File {
                text: text.clone(),
                canonical: name.clone(),
            });
        }
        if !self.root.is_empty() {
            if let Some(inner) = path.strip_prefix(self.root.as_str()) {
                let inner = inner.trim_start_matches('/').trim_end_matches('/');
                return match self.places.get(inner) {
                    Some(&i) => Some(Found::File {
                        text: Text::Embedded(&self.embedded[i]),
                        canonical: path.to_string(),
                    }),
                    // No directory has a name with this.
                    None if inner.ends_with(".zeek") => None,
                    None => {
                        let i = self.embedded.partition_point(|e| e.path < inner);
                        let next = self.embedded.get(i)?.path;
                        let below = next.strip_prefix(inner).is_some_and(|r| r.starts_with('/'));
                        // Names such as `a-b` sort between `a` and `a/…`.
                        let below = below
                            || self.embedded[i..]
                                .iter()
                                .take_while(|e| e.path.starts_with(inner))
                                .any(|e| e.path[inner.len()..].starts_with('/'));
                        below.then_some(Found::Directory)
                    }
                };
            }
        }
        if !self.may_exist(path) {
            return None;
        }
        let p = Path::new(path);
        let meta = std::fs::metadata(p).ok()?;
        if meta.is_dir() {
            return Some(Found::Directory);
        }
        let text = std::fs::read(p).ok()?;
        let canonical =
            std::fs::canonicalize(p).map_or_else(|_| path.to_string(), |c| c.to_string_lossy().into_owned());
        Some(Found::File {
            text: text.into(),
            canonical,
        })
    }

    fn entries(&mut self, dir: &str) -> Vec<String> {
        // Suggestions are not worth reading through any directory.
        const MAX: usize = 5000;
        if !self.root.is_empty()
            && let Some(inner) = dir.strip_prefix(self.root.as_str())
        {
            let mut prefix = inner.trim_matches('/').to_string();
            if !prefix.is_empty() {
                prefix.push('/');
            }
            let below = self
                .embedded
                .iter()
                .filter_map(|e| e.path.strip_prefix(prefix.as_str()));
            let mut names: Vec<String> = below
                .map(|rest| rest.split('/').next().unwrap_or(rest).to_string())
                .collect();
            names.dedup();
            return names;
        }
        let list = std::fs::read_dir(dir).into_iter().flatten().flatten();
        list.take(MAX)
            .filter_map(|e| e.file_name().into_string().ok())
            .collect()
    }
}
