//! The token with which a command asks a worker.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrecy::SecretString;

use super::address::{is_its, local_url};
use super::args::WorkerArgs;
use super::exit::CliError;
use crate::admin::token_file::{self, BadTokenFile};
use crate::config::{Config, StoreConfig};

/// A token, or why there is none.
pub(super) enum ClientToken {
    /// The token, and where it is from.
    Is(SecretString, String),
    /// Why there is none, and what to do. It matters only if the worker asks for one.
    Lacking(String),
}

/// The token to use with the worker at `place`, if its URL has an address: the one that is named; else the one that is given; else
/// the one beside the store; else the only one that is configured.
pub(super) fn choose(args: &WorkerArgs, config: &Config, place: Option<SocketAddr>) -> Result<ClientToken, CliError> {
    let admin = &config.admin;
    if let Some(name) = &args.token_name {
        let found = admin.tokens.iter().find(|token| token.name == *name);
        let token = found.ok_or_else(|| {
            let known: Vec<&str> = admin.tokens.iter().map(|token| token.name.as_str()).collect();
            let known = if known.is_empty() { "none is configured".to_owned() } else { known.join(", ") };
            CliError::usage(format!("there is no [[admin.token]] with the name \"{name}\" (known: {known})"))
        })?;
        return Ok(ClientToken::Is(token.secret.clone(), format!("[[admin.token]] {name}")));
    }
    if let Some(token) = &admin.token {
        return Ok(ClientToken::Is(token.clone(), "CROSSGRANT_ADMIN_TOKEN or `[admin] token`".into()));
    }
    let lacking = match &config.store {
        StoreConfig::File(store) if place.is_some_and(|place| is_its(place, admin.listen)) => {
            let store = std::path::absolute(store).unwrap_or_else(|_| store.clone());
            let file = token_file::beside(&store);
            match token_file::read(&file) {
                Ok(secret) => return Ok(ClientToken::Is(secret, file.display().to_string())),
                Err(error) => lacking(&error, &store),
            }
        }
        StoreConfig::File(_) => format!(
            "the token beside the store is only sent to the address of its worker, {}, because another user of this machine can \
             have any other: leave --admin out or write that; for another worker set CROSSGRANT_ADMIN_TOKEN_FILE",
            local_url(admin.listen)
        ),
        StoreConfig::Database(_) => "set CROSSGRANT_ADMIN_TOKEN_FILE to the file of your token".to_owned(),
    };
    Ok(match admin.tokens.as_slice() {
        [] => ClientToken::Lacking(lacking),
        [only] => ClientToken::Is(only.secret.clone(), format!("[[admin.token]] {}", only.name)),
        several => {
            let names: Vec<&str> = several.iter().map(|token| token.name.as_str()).collect();
            ClientToken::Lacking(format!("say which of the configured tokens to use: --as {}", names.join(", --as ")))
        }
    })
}

/// Why the token beside the store cannot be used, and what to do.
fn lacking(error: &BadTokenFile, store: &Path) -> String {
    match error {
        BadTokenFile::Absent(_) => format!(
            "{error}, the token that a worker makes when it starts; name its configuration with --config, if {} is not its store",
            store.display()
        ),
        BadTokenFile::Denied(path) => format!("{error}; {}", as_owner(path, std::env::args())),
        BadTokenFile::Unfit { .. } => error.to_string(),
    }
}

/// The same command line, as the user whom a file belongs to.
pub(super) fn as_owner(path: &Path, words: impl Iterator<Item = String>) -> String {
    let words = std::iter::once("crossgrant".to_owned()).chain(words.skip(1).map(quoted));
    format!("run `sudo -u {} {}`", owner(path), words.collect::<Vec<_>>().join(" "))
}

/// A word of a command line as a shell reads it.
pub(super) fn quoted(word: String) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The user whom a file belongs to, or if it cannot be seen, the first folder above that can.
fn owner(path: &Path) -> String {
    let uid = path.ancestors().find_map(|at| at.metadata().ok()).map_or(0, |meta| meta.uid());
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    named(&users, uid).unwrap_or_else(|| format!("'#{uid}'"))
}

/// The name of a user in the text of `/etc/passwd`.
fn named(users: &str, uid: u32) -> Option<String> {
    let mut users = users.lines().map(|line| line.split(':'));
    users.find_map(|mut user| {
        let name = user.next()?;
        (user.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn config(text: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("crossgrant.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), std::iter::empty()).unwrap()
    }

    /// What is chosen for the worker at an address or a name: the secret, or why there is none.
    fn chosen(text: &str, name: Option<&str>, place: &str) -> Result<String, String> {
        let args = WorkerArgs { token_name: name.map(str::to_owned), ..WorkerArgs::default() };
        match choose(&args, &config(text), place.parse().ok()) {
            Ok(ClientToken::Is(secret, _)) => Ok(secret.expose_secret().to_owned()),
            Ok(ClientToken::Lacking(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }

    fn listed(name: &str) -> String {
        format!("[[admin.token]]\nname = \"{name}\"\nrole = \"reader\"\ntoken = \"of-{name}\"\n")
    }

    #[test]
    fn what_is_said_goes_before_what_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("jobs.db");
        let made = token_file::make(&token_file::beside(&store)).unwrap();
        let made = made.secret.expose_secret();
        let file = format!("store.path = {store:?}\n");
        let at = "127.0.0.1:9180";
        assert_eq!(chosen(&file, None, at).unwrap(), *made);
        assert_eq!(chosen(&format!("{file}{}", listed("a")), None, at).unwrap(), *made);
        assert_eq!(chosen(&format!("{file}{}", listed("a")), Some("a"), at).unwrap(), "of-a");
        assert_eq!(chosen(&format!("admin.token = \"given\"\n{file}"), None, "[::1]:80").unwrap(), "given");
    }

    #[test]
    fn the_token_beside_the_store_is_sent_to_the_address_of_its_worker_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("jobs.db");
        let made = token_file::make(&token_file::beside(&store)).unwrap();
        for (listen, right, wrong) in [
            (
                "127.0.0.1:9180",
                &["127.0.0.1:9180"][..],
                &["127.0.0.1:9181", "127.0.0.2:9180", "[::1]:9180", "localhost", "10.0.0.2:9180", "worker.example"][..],
            ),
            ("10.0.0.1:1", &["10.0.0.1:1"], &["10.0.0.1:2", "127.0.0.1:1"]),
            ("0.0.0.0:9180", &["127.0.0.1:9180", "127.0.0.2:9180"], &["127.0.0.1:80", "[::1]:9180", "10.0.0.2:9180"]),
            ("[::]:9180", &["[::1]:9180"], &["127.0.0.1:9180", "[::2]:9180"]),
            ("127.0.0.1:0", &["127.0.0.1:40123"], &["127.0.0.2:40123", "[::1]:40123"]),
        ] {
            let file = format!("store.path = {store:?}\nadmin.listen = {listen:?}\n");
            for place in right {
                assert_eq!(chosen(&file, None, place).as_ref(), Ok(&made.secret.expose_secret().to_owned()), "{place}");
            }
            for place in wrong {
                let why = chosen(&file, None, place).unwrap_err();
                assert!(why.contains("only sent to the address of its worker, http://"), "{listen} {place}: {why}");
            }
        }
    }

    #[test]
    fn without_one_it_is_said_what_to_do() {
        let database = "store.url = \"postgres://db/jobs\"\n";
        assert!(chosen(database, None, "127.0.0.1:9180").unwrap_err().contains("CROSSGRANT_ADMIN_TOKEN_FILE"));
        assert_eq!(chosen(&format!("{database}{}", listed("a")), None, "127.0.0.1:9180").unwrap(), "of-a");
        let two = format!("{database}{}{}", listed("a"), listed("b"));
        assert!(chosen(&two, None, "127.0.0.1:9180").unwrap_err().contains("--as a, --as b"));
        assert_eq!(chosen(&two, Some("b"), "10.0.0.2:9180").unwrap(), "of-b");
        assert!(chosen(&two, Some("c"), "127.0.0.1:9180").unwrap_err().contains("(known: a, b)"));
        let absent = chosen("store.path = \"/nowhere/jobs.db\"\n", None, "127.0.0.1:9180").unwrap_err();
        assert!(absent.contains("there is no /nowhere/jobs.db.token"), "{absent}");
    }

    #[test]
    fn the_command_that_works_is_the_same_as_the_right_user() {
        let words = ["target/crossgrant", "pause", "168", "--reason", "it's late"].map(str::to_owned).into_iter();
        let says = as_owner(Path::new("/jobs.db.token"), words);
        assert_eq!(says, r"run `sudo -u root crossgrant pause 168 --reason 'it'\''s late'`");
        let users = "root:x:0:0:root:/root:/bin/sh\ncrossgrant:x:995:995::/var/lib/crossgrant:/bin/false\n";
        assert_eq!((named(users, 995).as_deref(), named(users, 7)), (Some("crossgrant"), None));
    }
}
