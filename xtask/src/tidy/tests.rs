//! Each check is shown a sample that it accepts and samples that it must refuse.

use serde_json::json;

use super::layers::{self, Dependency, Package, Use};
use super::lexer::{Kind, lex};
use super::ratchet::{self, Ratchet};
use super::rust_file::{self, RustFile};
use super::sizes::{self, Oversize};
use super::tree::{TextFile, Tree};
use super::{Problem, forbidden, openings, packets, readme, registries};

fn rust(path: &str, text: &str) -> RustFile {
    RustFile::read(&TextFile { path: path.to_owned(), text: text.to_owned() })
}

/// The words of a piece of source, which is what must survive strings and comments.
fn words(text: &str) -> Vec<String> {
    let word = |kind| if let Kind::Word(word) = kind { Some(word) } else { None };
    lex(text).into_iter().filter_map(|token| word(token.kind)).collect()
}

/// The problems of a file as `line: sentence`.
fn forbidden_in(path: &str, text: &str) -> Vec<String> {
    forbidden::check(&[rust(path, text)])
        .iter()
        .map(|found| format!("{}: {}", found.line, found.sentence))
        .collect()
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}:{}", problem.path, problem.line)).collect()
}

mod lexing {
    use super::{Kind, lex, words};

    #[test]
    fn comments_and_strings_hold_no_words() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g"), ["a", "c", "g"]);
        assert_eq!(words(r#"a "b \" c" d"#), ["a", "d"]);
        assert_eq!(words(r###"a r#"b " c"# d br"e" f c"g" h b"i\"" j"###), ["a", "d", "f", "h", "j"]);
        assert_eq!(words("a r\"b\\\" c"), ["a", "c"]);
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        assert_eq!(words(r#"a '"' b '\'' c '\u{22}' d b'"' e '{' f"#), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(words("f<'a, 'b>('static) 'outer: loop"), ["f", "loop"]);
        assert_eq!(lex("'a").first().map(|token| &token.kind), Some(&Kind::Lifetime));
        assert_eq!(lex("'a'").first().map(|token| &token.kind), Some(&Kind::Literal));
    }

    #[test]
    fn a_raw_name_is_no_keyword() {
        assert_eq!(words("r#fn r#async plain"), ["r#fn", "r#async", "plain"]);
    }

    #[test]
    fn tokens_know_their_line_after_strings_of_several_lines() {
        let last = lex("\"a\nb\"\n/*\n*/ word").last().cloned().unwrap();
        assert_eq!((last.line, last.kind), (4, Kind::Word("word".to_owned())));
    }

    #[test]
    fn broken_text_ends_without_a_panic() {
        for text in
            ["\"", "'", "'\\", "r#\"", "/*", "b'", "#[", "fn f(", "fn f<", "#[cfg(test)]", "}", "use a::{"]
        {
            let file = super::rust("a.rs", text);
            let _functions = (file.functions(), file.glob_imports(), file.find("a::b"));
        }
    }
}

mod functions {
    use super::{Tree, rust, rust_file};

    fn found(text: &str) -> Vec<(String, usize, usize)> {
        let functions = rust("a.rs", text).functions();
        functions.into_iter().map(|found| (found.name, found.lines.start, found.lines.end - 1)).collect()
    }

    #[test]
    fn items_know_the_type_whose_impl_they_stand_in() {
        let text = "impl<T: Fn(&str) -> u8> fmt::Display for Holder<'_, T> where T: Copy {\n    const A: u8 = 1;\n    \
                    fn fmt(&self) -> impl Copy {}\n}\npub const fn free() -> impl Copy {}\nimpl Alone { fn own() {} }\n";
        let items = rust("a.rs", text).items();
        let found: Vec<(Option<&str>, &str, bool)> =
            items.iter().map(|item| (item.owner.as_deref(), item.name.as_str(), item.is_function)).collect();
        let holder = Some("Holder");
        let expected =
            [(holder, "A", false), (holder, "fmt", true), (None, "free", true), (Some("Alone"), "own", true)];
        assert_eq!(found, expected);
        assert_eq!(items[1].lines, 3..4);
    }

    #[test]
    fn a_function_ends_at_its_own_brace_whatever_its_strings_hold() {
        let text = "fn a() {\n    b(\"}\"); // }\n    c('}', r#\"}\"#); /* } */\n    if d {}\n}\nfn e() {}\n";
        assert_eq!(found(text), [("a".to_owned(), 1, 5), ("e".to_owned(), 6, 6)]);
    }

    #[test]
    fn braces_and_shifts_in_a_signature_are_not_its_body() {
        let text = "fn a<F: Fn() -> u8>(b: [u8; 1 << 2], c: S<{ 3 }>, d: T<4, { 5 }>) -> U<[u8; { 6 }], { 1 < 7 }>\nwhere\n    F: G,\n{\n}\n";
        assert_eq!(found(text), [("a".to_owned(), 1, 5)]);
    }

    #[test]
    fn declarations_and_function_types_have_no_length() {
        assert!(found("trait T { fn a(&self); }\ntype F = fn(u8) -> u8;").is_empty());
        assert_eq!(found("macro_rules! m { ($n:ident) => { fn $n() {} } }"), [("$n".to_owned(), 1, 1)]);
    }

    #[test]
    fn tests_are_the_items_under_a_test_attribute() {
        let text = "fn a() {}\n#[cfg(test)]\nmod t {\n    fn b() {}\n}\n#[cfg(not(test))]\nfn c() {}\n\
                    #[cfg(all(test, unix))]\nfn d() {}\n#[tokio::test]\n#[x]\nasync fn e() {}\n\
                    #[cfg(any(test, unix))]\nfn f() {}\n#[cfg(all(unix, not(test)))]\nfn g() {}\n";
        let file = rust("a.rs", text);
        let outside = file.functions().into_iter().filter(|found| !file.in_tests(found.at));
        assert_eq!(outside.map(|found| found.name).collect::<Vec<_>>(), ["a", "c", "f", "g"]);
        assert_eq!(file.lines_outside_tests(), 7);
    }

    #[test]
    fn a_file_that_is_declared_for_tests_only_is_a_test() {
        let files = [
            ("crates/x/src/lib.rs", "#[cfg(test)]\nmod oracle;\nmod plain;\n"),
            ("crates/x/src/oracle.rs", "fn a() {}\n"),
            ("crates/x/src/plain.rs", "#[cfg(test)]\nmod deep;\nfn b() {}\n"),
            ("crates/x/src/plain/deep.rs", "fn c() {}\n"),
            ("crates/x/tests/it/main.rs", "fn d() {}\n"),
        ];
        let files = rust_file::read_all(&Tree::of(&files));
        let sizes: Vec<usize> = files.iter().map(rust_file::RustFile::lines_outside_tests).collect();
        assert_eq!(sizes, [1, 0, 1, 0, 0]);
    }
}

mod names {
    use super::forbidden_in;

    #[test]
    fn mio_is_named_in_the_poller_alone() {
        let text = "//! mio::Poll\nuse mio::Poll;\n";
        assert!(forbidden_in("crates/broker/src/shard/poller.rs", text).is_empty());
        let found = forbidden_in("crates/broker/src/shard/socket.rs", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("2: `mio` is named here"), "{found:?}");
    }

    #[test]
    fn tokio_is_named_in_the_asynchronous_crates_alone() {
        let text = "async fn a() { tokio::task::yield_now().await }";
        assert!(forbidden_in("crates/client/src/driver.rs", text).is_empty());
        assert_eq!(forbidden_in("crates/broker/src/lib.rs", text).len(), 1);
        assert_eq!(forbidden_in("crates/client_too/src/lib.rs", text).len(), 1);
        assert!(forbidden_in("tests/interop/rumqttc/src/main.rs", text).is_empty());
    }

    #[test]
    fn the_pure_crates_name_no_clock_socket_thread_file_randomness_lock_or_runtime() {
        let samples = [
            "use std::time::Duration;",
            "use std::{fmt, time};",
            "use std::net::TcpStream;",
            "use std::thread;",
            "use std::{fmt::{self, Debug}, fs};",
            "fn a() { Instant::now(); }",
            "use x::SystemTime;",
            "use rand::Rng;",
            "use getrandom::fill;",
            "struct A(spin::Mutex<u8>);",
            "async fn a() {}",
        ];
        for sample in samples {
            for home in ["codec", "topics", "protocol"] {
                assert_eq!(
                    forbidden_in(&format!("crates/{home}/src/a.rs"), sample).len(),
                    1,
                    "{home}: {sample}"
                );
            }
            assert!(forbidden_in("crates/broker/src/a.rs", sample).is_empty(), "{sample}");
        }
        let innocent = "//! std::time\nuse core::time::Duration;\nuse a::{time, std::b, c::fs};\nuse std::{d::{e, fs}};\n// Mutex\nlet operand = \"rand\";";
        assert_eq!(forbidden_in("crates/codec/src/a.rs", innocent), Vec::<String>::new());
    }

    #[test]
    fn a_test_does_not_sleep() {
        let text = "fn a() { sleep(B); }\n#[test]\nfn c() {\n    std::thread::sleep(D);\n}\n";
        let found = forbidden_in("crates/broker/src/a.rs", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("4: a test sleeps"), "{found:?}");
        for path in
            ["crates/broker/tests/it/main.rs", "crates/sim/src/world.rs", "crates/conformance/src/lib.rs"]
        {
            assert_eq!(forbidden_in(path, text).len(), 2, "{path}");
        }
    }

    #[test]
    fn a_glob_import_stays_in_tests() {
        let text = "use a::*;\nuse b::{c, d::*};\nlet e = f * g;\nfn h() -> impl I + use<'_> { 1 * 2 }\n\
                    #[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
        let found = forbidden_in("crates/broker/src/a.rs", text);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("1: ") && found[1].starts_with("2: "), "{found:?}");
        assert!(forbidden_in("crates/broker/tests/it/main.rs", "use a::*;").is_empty());
    }

    #[test]
    fn a_vague_file_name_is_refused() {
        for path in ["crates/a/src/utils.rs", "crates/a/src/types.rs", "crates/a/tests/common/mod.rs"] {
            assert_eq!(forbidden_in(path, "").len(), 1, "{path}");
        }
        assert!(forbidden_in("crates/a/src/manager_api.rs", "").is_empty());
    }
}

mod arrows {
    use super::{Dependency, Package, Tree, Use, json, layers};

    fn verdicts(from: &str, to: &str, use_: Use) -> Vec<String> {
        let dependency = Dependency { name: to.to_owned(), use_, line: 7 };
        let package = Package {
            name: from.to_owned(),
            manifest: "Cargo.toml".to_owned(),
            dependencies: vec![dependency],
        };
        layers::check(&[package]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arrows_point_down_and_topics_may_use_codec() {
        for (from, to) in [
            ("cli", "broker"),
            ("broker", "codec"),
            ("topics", "codec"),
            ("sim", "admin"),
            ("bridge", "client"),
        ] {
            assert!(verdicts(from, &format!("colibri-{to}"), Use::Program).is_empty(), "{from} to {to}");
        }
    }

    #[test]
    fn an_arrow_up_or_beside_is_refused_with_both_names() {
        for (from, to) in [
            ("codec", "broker"),
            ("codec", "topics"),
            ("broker", "client"),
            ("admin", "bridge"),
            ("sim", "cli"),
        ] {
            let found = verdicts(from, &format!("colibri-{to}"), Use::Program);
            assert_eq!(found.len(), 1, "{from} to {to}");
            assert!(
                found[0].starts_with("Cargo.toml:7: ") && found[0].contains(from) && found[0].contains(to),
                "{found:?}"
            );
        }
    }

    #[test]
    fn tests_may_look_beside_but_not_up() {
        assert!(verdicts("broker", "colibri-client", Use::Tests).is_empty());
        assert!(verdicts("codec", "colibri-topics", Use::Tests).is_empty());
        assert!(verdicts("cli", "colibri-sim", Use::Tests).is_empty());
        assert_eq!(verdicts("broker", "colibri-bridge", Use::Tests).len(), 1);
        assert_eq!(verdicts("codec", "colibri-protocol", Use::Tests).len(), 1);
    }

    #[test]
    fn sim_fuzz_and_conformance_have_rules_of_their_own() {
        for from in ["cli", "broker"] {
            assert_eq!(verdicts(from, "colibri-sim", Use::Program).len(), 1);
            assert!(verdicts(from, "colibri-sim", Use::Tests).is_empty());
        }
        assert_eq!(verdicts("protocol", "colibri-sim", Use::Tests).len(), 1);
        assert_eq!(verdicts("cli", "colibri-fuzz", Use::Tests).len(), 1);
        assert!(verdicts("fuzz", "colibri-broker", Use::Program).is_empty());
        assert_eq!(verdicts("fuzz", "tokio", Use::Program).len(), 1);
        assert_eq!(verdicts("conformance", "colibri-protocol", Use::Program).len(), 1);
        assert!(verdicts("conformance", "colibri-codec", Use::Program).is_empty());
    }

    #[test]
    fn a_crate_without_a_layer_is_refused() {
        assert_eq!(verdicts("gateway", "colibri-codec", Use::Program).len(), 1);
        assert_eq!(verdicts("cli", "colibri-gateway", Use::Program).len(), 1);
    }

    #[test]
    fn libraries_keep_to_their_crates() {
        assert!(verdicts("broker", "mio", Use::Program).is_empty());
        assert_eq!(verdicts("client", "mio", Use::Program).len(), 1);
        assert!(verdicts("client", "tokio", Use::Program).is_empty());
        assert_eq!(verdicts("protocol", "tokio", Use::Tests).len(), 1);
        assert!(verdicts("protocol", "hashbrown", Use::Program).is_empty());
    }

    #[test]
    fn packages_are_read_from_the_metadata() {
        let metadata = json!({
            "workspace_root": "/w",
            "packages": [
                { "name": "xtask", "manifest_path": "/w/xtask/Cargo.toml", "dependencies": [] },
                { "name": "colibri-fuzz", "manifest_path": "/w/fuzz/Cargo.toml", "dependencies": [] },
                {
                    "name": "colibri-a", "manifest_path": "/w/crates/a/Cargo.toml",
                    "dependencies": [
                        { "name": "colibri-b", "kind": null },
                        { "name": "colibri-b", "kind": "dev" },
                        { "name": "c", "kind": "build" },
                    ],
                },
            ],
        });
        let manifest =
            "[dependencies]\ncolibri-bb = 1\ncolibri-b.workspace = true\n[dev-dependencies]\ncolibri-b = 1\n";
        let packages = layers::packages(&metadata, &Tree::of(&[("crates/a/Cargo.toml", manifest)])).unwrap();
        let [fuzz, package] = packages.as_slice() else { panic!("two packages were expected: {packages:?}") };
        assert_eq!((fuzz.name.as_str(), fuzz.manifest.as_str()), ("fuzz", "fuzz/Cargo.toml"));
        assert_eq!((package.name.as_str(), package.manifest.as_str()), ("a", "crates/a/Cargo.toml"));
        let seen: Vec<_> =
            package.dependencies.iter().map(|found| (found.name.as_str(), found.use_, found.line)).collect();
        assert_eq!(
            seen,
            [("colibri-b", Use::Program, 3), ("colibri-b", Use::Tests, 5), ("c", Use::Program, 1)]
        );
        assert!(layers::packages(&json!({}), &Tree::default()).is_err());
    }
}

mod reading {
    use std::fs;

    use super::Tree;

    #[test]
    fn our_text_is_read_and_what_tools_produce_is_not() {
        let root = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        let ours = [".ci/run", "README.md", "crates/a/src/lib.rs"];
        let foreign =
            [".git/HEAD", "target/a.rs", "tests/node_modules/b.rs", "x/env/pyvenv.cfg", "x/env/c.rs"];
        for path in ours.iter().chain(&foreign) {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "text").unwrap();
        }
        fs::write(root.join("binary"), [0xff, 0xfe]).unwrap();
        let tree = Tree::read(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(tree.files().map(|file| file.path.as_str()).collect::<Vec<_>>(), ours);
        assert!(Tree::read(&root).is_err());
    }
}

mod all_together {
    use super::{Tree, lines, ratchet};

    #[test]
    fn no_check_is_forgotten_when_they_run_together() {
        let long = format!("//! Long.\n{}", "struct A;\n".repeat(500));
        let host = format!("{}{}\n", "crates", ".io");
        let tree = Tree::of(&[
            ("README.md", "# a\n"),
            ("README.es.md", ""),
            ("crates/broker/src/long.rs", long.as_str()),
            ("crates/broker/src/mio.rs", "//! Forbidden.\nuse mio::Poll;\n"),
            ("crates/broker/src/silent.rs", "struct A;\n"),
            ("docs/host.md", host.as_str()),
            (ratchet::PATH, "malformed\nfile gone.rs 501\n"),
        ]);
        let found = lines(&super::super::check(&tree));
        for place in [
            "README.es.md:1",
            "crates/broker/src/long.rs:1",
            "crates/broker/src/mio.rs:2",
            "crates/broker/src/silent.rs:1",
            "crates/codec/src/packet/auth.rs:1",
            "docs/host.md:1",
            "xtask/tidy-ratchet.txt:1",
            "xtask/tidy-ratchet.txt:2",
        ] {
            assert_eq!(found.iter().filter(|found| *found == place).count(), 1, "{place} in {found:?}");
        }
    }
}

mod texts {
    use super::{Tree, lines, openings, packets, readme, registries};

    #[test]
    fn a_file_without_an_opening_sentence_is_refused() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "//! What this is.\n"),
            ("crates/a/src/b.rs", "use c;\n"),
            ("xtask/src/d.rs", "//!\n"),
            ("fuzz/e.rs", ""),
            ("elsewhere/f.rs", ""),
        ]);
        assert_eq!(
            lines(&openings::check(&tree)),
            ["crates/a/src/b.rs:1", "xtask/src/d.rs:1", "fuzz/e.rs:1"]
        );
    }

    #[test]
    fn every_packet_has_its_file() {
        assert_eq!(packets::check(&Tree::default()).len(), 30);
        let one = [("crates/codec/src/packet/auth.rs", ""), ("crates/protocol/src/on/publish/mod.rs", "")];
        assert_eq!(packets::check(&Tree::of(&one)).len(), 28);
        let conformance =
            [("crates/conformance/src/lib.rs", ""), ("crates/conformance/src/cases/connect.rs", "")];
        assert_eq!(packets::check(&Tree::of(&conformance)).len(), 44);
    }

    fn readmes(english: &str, spanish: &str) -> Vec<String> {
        lines(&readme::check(&Tree::of(&[("README.md", english), ("README.es.md", spanish)])))
    }

    #[test]
    fn the_readmes_share_headings_and_code() {
        let english = "# Use\n\n```sh\n# not a heading\nrun\n```\n## More\n";
        assert!(readmes(english, "# Uso\n```sh\n# not a heading\nrun\n```\n\n## M\u{e1}s\n").is_empty());
        assert_eq!(readmes(english, "# Uso\n```sh\n# not a heading\nrun\n```\n"), ["README.es.md:1"]);
        assert_eq!(readmes(english, "# Uso\n```sh\n# no\nrun\n```\n## M\n"), ["README.es.md:2"]);
        assert_eq!(readmes(english, "# Uso\n\n```\n# not a heading\nrun\n```\n## M\n"), ["README.es.md:3"]);
        assert_eq!(readmes(english, "# Uso\n## M\n"), ["README.es.md:1"]);
        assert_eq!(readmes("````md\n```\n# a\n```\n````\n# b\n", "# b\n").len(), 1);
    }

    #[test]
    fn both_readmes_are_there() {
        assert_eq!(lines(&readme::check(&Tree::default())), ["README.md:1", "README.es.md:1"]);
        assert_eq!(lines(&readme::check(&Tree::of(&[("README.md", "")]))), ["README.es.md:1"]);
    }

    #[test]
    fn a_registry_host_is_refused_outside_the_lock_file() {
        let text = format!("fine\nsee {}{}\n", "crates", ".io");
        let tree = Tree::of(&[("docs/a.md", &text), ("Cargo.lock", &text), ("fuzz/Cargo.lock", &text)]);
        assert_eq!(lines(&registries::check(&tree)), ["docs/a.md:2"]);
    }
}

mod ratcheting {
    use super::{Oversize, Problem, Ratchet, lines, ratchet, rust, sizes};

    fn oversize(key: &str, size: usize) -> Oversize {
        Oversize { key: key.to_owned(), path: "a.rs".to_owned(), line: 3, size, limit: 70 }
    }

    fn listed(text: &str) -> Ratchet {
        let (ratchet, problems) = Ratchet::parse(text);
        assert_eq!(problems, []);
        ratchet
    }

    fn only(problems: &[Problem]) -> String {
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].to_string()
    }

    #[test]
    fn what_is_longer_than_its_limit_is_measured_outside_tests() {
        let long = |lines: usize| format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2));
        let found = |text: &str| sizes::measure(&rust("x/a.rs", text));
        assert_eq!(found(&long(70)), []);
        let functions = found(&format!("{}{}", long(71), long(72)));
        let seen: Vec<_> =
            functions.iter().map(|found| (found.key.as_str(), found.line, found.size)).collect();
        assert_eq!(seen, [("fn x/a.rs a", 1, 71), ("fn x/a.rs a#2", 72, 72)]);
        assert_eq!(found(&format!("#[cfg(test)]\nmod tests {{\n{}}}\n", long(600))), []);
        assert_eq!(found(&"struct A;\n".repeat(500)), []);
        assert_eq!(found(&"struct A;\n".repeat(501))[0].key, "file x/a.rs");
        assert_eq!(sizes::measure(&rust("x/tests/a.rs", &long(600))), []);
    }

    #[test]
    fn the_unlisted_fails_and_the_listed_passes() {
        assert!(only(&listed("").compare(&[oversize("fn a.rs b", 71)])).starts_with("a.rs:3: "));
        assert_eq!(listed("# head\n\nfn a.rs b 71\n").compare(&[oversize("fn a.rs b", 71)]), []);
    }

    #[test]
    fn growth_and_shrinkage_both_fail_and_shrinkage_names_the_figure() {
        let ratchet = listed("fn a.rs b 80\n");
        assert!(only(&ratchet.compare(&[oversize("fn a.rs b", 81)])).contains("grew from 80 to 81"));
        assert!(only(&ratchet.compare(&[oversize("fn a.rs b", 79)])).ends_with("write 79 here."));
        let gone = ratchet.compare(&[]);
        assert_eq!(lines(&gone), [format!("{}:1", ratchet::PATH)]);
        assert!(only(&gone).ends_with("remove this line."));
    }

    #[test]
    fn a_line_without_a_size_and_a_line_given_twice_are_refused() {
        assert_eq!(Ratchet::parse("fn a.rs b\n").1.len(), 1);
        assert_eq!(Ratchet::parse("file a.rs 501\nfile a.rs 502\n").1.len(), 1);
    }

    #[test]
    fn rewriting_lowers_and_removes_but_adds_and_raises_only_when_allowed() {
        let ratchet = listed("fn a.rs falls 90\nfn a.rs gone 90\nfn a.rs rises 90\n");
        let now = [oversize("fn a.rs falls", 80), oversize("fn a.rs rises", 95), oversize("fn a.rs new", 75)];
        let entries = |ratchet: &Ratchet| {
            let text = ratchet.to_string();
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        let (careful, refused) = ratchet.rewrite(&now, false);
        assert_eq!(entries(&careful), ["fn a.rs falls 80", "fn a.rs rises 90"]);
        assert_eq!(refused.len(), 2);
        let (allowed, refused) = ratchet.rewrite(&now, true);
        assert_eq!(entries(&allowed), ["fn a.rs falls 80", "fn a.rs new 75", "fn a.rs rises 95"]);
        assert_eq!(refused, []);
        assert_eq!(listed(&allowed.to_string()).compare(&now), []);
    }
}
