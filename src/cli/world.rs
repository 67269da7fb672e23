//! The world of a simulated cloud, from a file or from the example in this program.

use std::path::Path;

use crate::cloud::{AccountCredentials, StaticKeys};
use crate::simulator::{World, WorldFile};

use super::exit::CliError;
use crate::domain::Code;

const EXAMPLE: &str = include_str!("../../examples/world.toml");

/// Reads a world, and for each of its accounts the first key that is enabled.
pub(super) fn read(file: Option<&Path>) -> Result<(World, Vec<AccountCredentials>), CliError> {
    let name = file.map_or("the example world".to_owned(), |file| file.display().to_string());
    let text = match file {
        None => EXAMPLE.to_owned(),
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            CliError::usage(format!("cannot read the world {name}: {error}")).code(Code::FileUnreadable)
        })?,
    };
    let world =
        World::from_toml(&text).map_err(|bad| CliError::usage(format!("{name}: {bad}")).code(Code::BadWorld))?;
    let parts: WorldFile =
        toml::from_str(&text).map_err(|error| CliError::usage(format!("{name}: {error}")).code(Code::BadWorld))?;
    let credentials = parts.accounts.into_iter().filter_map(|account| {
        let key = account.keys.into_iter().find(|key| !key.disabled)?;
        let keys = StaticKeys::new(key.id, key.secret.into(), key.token.map(Into::into));
        Some(AccountCredentials::new(account.uid, keys))
    });
    Ok((world, credentials.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_keys_for_both_accounts() {
        assert_eq!(read(None).unwrap().1.len(), 2);
    }

    #[test]
    fn a_missing_world_file_is_named() {
        let failure = read(Some(Path::new("/nowhere/world.toml"))).err().unwrap();
        assert!(failure.message.contains("/nowhere/world.toml"), "{failure}");
    }
}
