//! `colibri store`: its exit codes, and an export that comes back.

use std::fs;
use std::path::PathBuf;

use colibri_storage::disk::{Disk, DiskOptions};

use crate::run::{run, run_with};

/// The row of the session counter, at 2, and a session of the client "c" with number 1.
const EXPORT: &str = "{\"colibri-storage\":1}\n\
    {\"table\":\"meta\",\"key\":\"6e6578742073657373696f6e\",\"value\":\"0102\"}\n\
    {\"table\":\"sessions\",\"key\":\"63\",\"value\":\"0100013c0000000000000000\"}\n\
    {\"rows\":2}\n";

/// A directory that goes when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("colibri-{}-store-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn an_import_is_checked_shown_and_exported_again() {
    let scratch = Scratch::new("round");
    let store = scratch.path("data");
    let ended = run_with(&["store", "import", &store], EXPORT.as_bytes());
    assert_eq!((ended.code, ended.stderr.as_str()), (0, "2 rows imported\n"));
    let ended = run(&["store", "check", &store]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.ends_with("0 problems\n"), "{ended:?}");
    let ended = run(&["store", "dump", &store]);
    let session = "sessions \"c\": session 1, expires after 60 s, disconnected at 0 ms";
    assert_eq!(ended.stdout, format!("meta next session: 2\n{session}\n"));
    let file = scratch.path("export.jsonl");
    assert_eq!(run(&["store", "export", &store, &file]).code, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), EXPORT);
    let again = run(&["store", "export", &store, &file]);
    assert_eq!(again.code, 1, "an export is not overwritten");
    assert!(again.stderr.ends_with("export.jsonl already; name another, or delete it.\n"), "{again:?}");
    let nowhere = run(&["store", "export", &store, &scratch.path("no/export.jsonl")]);
    assert!(nowhere.stderr.contains("cannot be written"), "{nowhere:?}");
    let nothing = run(&["store", "import", &scratch.path("new"), &scratch.path("nothing")]);
    assert!(nothing.stderr.contains("nothing cannot be read"), "{nothing:?}");
    let again = run(&["store", "import", &store, &file]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("The store has rows already"), "{again:?}");
}

#[test]
fn a_bad_line_is_named_and_nothing_is_made_of_the_others() {
    let scratch = Scratch::new("bad");
    let store = scratch.path("data");
    let ended = run_with(&["store", "import", &store], EXPORT.replace("0102", "01").as_bytes());
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("Line 2 cannot be imported: table meta"), "{ended:?}");
    assert!(ended.stderr.ends_with("nothing was imported, so mend the line or export again.\n"), "{ended:?}");
    assert!(!fs::exists(&store).unwrap(), "no data directory is left behind");
}

#[test]
fn a_check_of_what_does_not_fit_ends_with_1() {
    let scratch = Scratch::new("check");
    let store = scratch.path("data");
    let without_counter: Vec<&str> =
        EXPORT.lines().filter(|line| !line.contains("meta")).map(|line| line.trim()).collect();
    let text = without_counter.join("\n").replace("\"rows\":2", "\"rows\":1");
    assert_eq!(run_with(&["store", "import", &store], text.as_bytes()).code, 0);
    let ended = run(&["store", "check", &store]);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.starts_with("table sessions, key \"c\": session 1 is not below its counter\n"));
}

#[test]
fn a_store_that_is_in_use_or_not_there_is_told() {
    let scratch = Scratch::new("used");
    let store = scratch.path("data");
    fs::write(scratch.path("file"), "no directory").unwrap();
    for place in [&store, &scratch.path("file")] {
        let ended = run(&["store", "check", place]);
        assert_eq!(ended.code, 1);
        let told = "colibri store: There is no store in ";
        assert!(
            ended.stderr.starts_with(told) && ended.stderr.ends_with("has a file FORMAT in it.\n"),
            "{ended:?}"
        );
    }
    let _open = Disk::open(&store, DiskOptions::default()).unwrap();
    let ended = run(&["store", "dump", &store]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("Another process has the store open"), "{ended:?}");
}
