//! Reads a TOML file key by key, knowing the line of everything.
