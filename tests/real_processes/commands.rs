//! Commands as a shell runs them, without a server: what they print, how they end, and what they leave behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::crossgrant;
use crate::support::process::Process;

/// The program with nothing of ours in its environment.
fn command(words: &[&str]) -> Command {
    let mut command = Command::new(crossgrant());
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CROSSGRANT_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// As with `crossgrant explain | head -1`, when `head` has gone.
#[test]
fn a_command_whose_reader_has_gone_ends_in_silence() {
    for words in [&["explain"][..], &["completions", "bash"], &["man"], &["version"], &["workflow", "list", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = command(words).stdout(writer).output().unwrap();
        assert_eq!((ended.status.code(), said(&ended).as_str()), (Some(141), ""), "{words:?}");
    }
    // A full disk is no such reader.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = command(&["version"]).stdout(full).output().unwrap();
    assert!(ended.status.code() == Some(1) && said(&ended).contains("[output-failed]"), "{}", said(&ended));
}

#[test]
fn the_variable_of_the_configuration_is_no_part_of_the_usage() {
    let usage = |around: &str| said(&command(&["show"]).env("CROSSGRANT_CONFIG", around).output().unwrap());
    assert!(usage("/nowhere.toml").contains("Usage: crossgrant show <JOB>\n"), "{}", usage("/nowhere.toml"));
    let names = |around: &str| said(&command(&["jobs"]).env("CROSSGRANT_CONFIG", around).output().unwrap());
    assert!(names("/nowhere.toml").contains("/nowhere.toml"), "it is read: {}", names("/nowhere.toml"));
    assert!(!names("").contains("config-unreadable"), "empty, it names nothing: {}", names(""));
}

#[test]
fn without_a_configuration_that_is_said_first_and_nothing_is_made() {
    if Path::new("/etc/crossgrant/crossgrant.toml").exists() {
        println!("NOT TESTED: this machine has a configuration");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let job = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grant.json");
    for words in [&["serve"][..], &["doctor"], &["plan", job.to_str().unwrap()]] {
        let ended = command(words).current_dir(dir.path()).output().unwrap();
        let text = said(&ended);
        let first = text.lines().find(|line| !line.is_empty()).unwrap();
        assert!(
            first.contains("there is no configuration: neither /etc/crossgrant/crossgrant.toml"),
            "{words:?}: {text}"
        );
        assert!(!ended.status.success(), "{words:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_simulated_cloud_takes_its_world_as_an_argument() {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/world.toml");
    let cloud =
        Process::start("the cloud", crossgrant(), &["simulate", world.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    cloud.line("where it listens", |line| line.starts_with("http://127.0.0.1:").then_some(()));
    let gone = command(&["simulate", "/nowhere/world.toml"]).output().unwrap();
    assert!(said(&gone).contains("/nowhere/world.toml") && gone.status.code() == Some(2), "{}", said(&gone));
}

/// The program of these tests has no small size, so the limit is another.
#[test]
fn a_package_holds_the_program_and_what_belongs_to_it_with_the_symbols_apart() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let package = |most: &str| {
        let mut script = Command::new(root.join("deploy/package.sh"));
        script.arg(crossgrant()).arg(dir.path()).env("MOST_BYTES", most).output().unwrap()
    };
    let refused = package("1000000");
    assert!(!refused.status.success() && said(&refused).contains("more than 1000000 bytes"), "{}", said(&refused));
    let made = package("1000000000");
    assert!(made.status.success(), "{}", said(&made));

    let share = dir.path().join("root/usr/share");
    let program = dir.path().join("root/usr/bin/crossgrant");
    let version = said(&Command::new(&program).arg("--version").output().unwrap());
    assert_eq!(version.trim(), concat!("crossgrant ", env!("CARGO_PKG_VERSION")));
    let symbols = dir.path().join("symbols/usr/lib/debug/usr/bin/crossgrant.debug");
    assert!(symbols.metadata().unwrap().len() > program.metadata().unwrap().len() / 2, "the symbols are there");
    for (file, holds) in [
        (share.join("man/man1/crossgrant-serve.1"), ".TH"),
        (share.join("bash-completion/completions/crossgrant"), "put-back"),
        (share.join("zsh/vendor-completions/_crossgrant"), "#compdef crossgrant"),
        (share.join("fish/vendor_completions.d/crossgrant.fish"), "put-back"),
        (share.join("doc/crossgrant/docs/operations.md"), "# Operations"),
        (dir.path().join("root/usr/lib/systemd/system/crossgrant.service"), "ExecStart=/usr/bin/crossgrant --config"),
    ] {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(text.contains(holds), "{}", file.display());
    }
    let archives = fs::read_dir(dir.path()).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let mut archives: Vec<String> = archives.filter(|name| name.ends_with(".tar.gz")).collect();
    archives.sort();
    assert!(
        archives.len() == 2 && archives[0].contains("-symbols.tar.gz") | archives[1].contains("-symbols.tar.gz"),
        "{archives:?}"
    );
}
