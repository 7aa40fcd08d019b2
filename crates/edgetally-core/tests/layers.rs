//! The order of the modules: imports go down a list of layers, no files import each other in a circle, and no two types have
//! the same name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every module, the lowest first. A module imports only from layers below its own.
const LAYERS: [&[&str]; 12] = [
    &["hash_index", "rejection", "schema"],
    &["value"],
    &["framing"],
    &["decode"],
    &["record", "wrapper"],
    &["format"],
    &["partial"],
    &["cluster", "fold", "window"],
    &["entry"],
    &["ranking", "exposition"],
    &["rollup"],
    &["lib"],
];

/// Every file in `folder`, named like `fold::report`, without comments and unit tests.
fn sources(folder: &Path, prefix: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        let name = format!("{prefix}{}", path.file_stem().expect("it has a name").to_string_lossy());
        if path.is_dir() {
            found.extend(sources(&path, &format!("{name}::")));
            continue;
        }
        let text = fs::read_to_string(&path).expect("a file can be read");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        found.insert(name.trim_end_matches("::mod").to_owned(), lines.collect::<Vec<_>>().join("\n"));
    }
    found
}

/// The file of a path below `crate::`: its longest beginning that is one.
fn file<'a>(path: &'a str, files: &BTreeMap<String, String>) -> &'a str {
    let ends = std::iter::once(path.len()).chain(path.rmatch_indices("::").map(|(end, _)| end));
    let found = ends.map(|end| &path[..end]).find(|file| files.contains_key(*file));
    found.unwrap_or_else(|| panic!("crate::{path} is not in a module"))
}

/// The files that `code` names behind `crate::`.
fn imports(code: &str, files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for import in code.split("crate::").skip(1) {
        let end = import.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':')).unwrap_or(import.len());
        let group = import[end..].strip_prefix('{').and_then(|group| group.split('}').next()).unwrap_or_default();
        for name in group.split(',') {
            found.insert(file(&format!("{}{}", &import[..end], name.trim()), files).to_owned());
        }
    }
    found
}

#[test]
fn imports_go_down_the_layers_and_never_in_a_circle() {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "");
    let top = |file: &str| file.split("::").next().unwrap_or_default().to_owned();
    let layer = |file: &str| LAYERS.iter().position(|layer| layer.contains(&&*top(file)));
    let mut left = BTreeMap::new();
    for (name, code) in &files {
        assert!(layer(name).is_some(), "{name} has no layer");
        for line in code.lines().filter(|line| name != "lib" && line.contains("use ") && !line.starts_with(' ')) {
            let first = line.split("use ").nth(1).and_then(|path| path.split("::").next()).unwrap_or_default();
            let is_relative = first == "super" || files.contains_key(&format!("{name}::{first}"));
            assert!(!is_relative, "{name}: `{line}` does not start with crate");
        }
        let mut imports = imports(code, &files);
        imports.remove(name);
        for import in &imports {
            assert!(
                layer(import) < layer(name) || top(import) == top(name),
                "{name} imports {import}, which is not below"
            );
        }
        left.insert(name, imports);
    }
    while let Some(name) = left.iter().find(|(_, imports)| imports.is_empty()).map(|(name, _)| *name) {
        left.remove(name);
        for imports in left.values_mut() {
            imports.remove(name);
        }
    }
    assert!(left.is_empty(), "these import each other: {left:?}");
}

#[test]
fn every_type_has_a_name_of_its_own() {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, code) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "") {
        for line in code.lines() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            let keyword = words.find(|word| !["pub", "crate", "super"].contains(word));
            if let (Some("struct" | "enum" | "trait" | "type"), Some(defined)) = (keyword, words.next()) {
                found.entry(defined.to_owned()).or_default().push(name.clone());
            }
        }
    }
    assert!(found.len() > 50, "definitions are not recognized");
    found.retain(|_, files| files.len() > 1);
    assert!(found.is_empty(), "defined more than once: {found:?}");
}
