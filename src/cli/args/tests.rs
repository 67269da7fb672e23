use std::time::Duration;

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn what_cannot_be_meant_exits_with_2_and_help_with_0() {
    for line in [
        "crossgrant",
        "crossgrant srve",
        "crossgrant run",
        "crossgrant run f --hour 5s",
        "crossgrant run f --simulate w --hour soon",
        "crossgrant submit f --timeout 5s",
        "crossgrant simulate --listen here",
        "crossgrant jobs --limit x",
        "crossgrant run f --profile NAME",
        "crossgrant run f --profile 12x=NAME",
        "crossgrant run f --profile 125=",
        "crossgrant run f --profile 125=NAME --simulate",
        "crossgrant serve --profile 125=NAME",
        "crossgrant doctor --probe f --job f",
        "crossgrant doctor --cen cen-1",
        "crossgrant approve job --kind revoke",
        "crossgrant cancel job --half-done",
        "crossgrant resume job --expect-count 1",
        "crossgrant wait --timeout soon",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
    assert_eq!(parse("crossgrant --help").unwrap_err().exit_code(), 0);
    assert!(parse("crossgrant --help").unwrap_err().to_string().contains("Exit codes:"));
}

#[test]
fn a_simulated_run_has_a_world_or_the_example_and_a_short_hour() {
    let run = |line: &str| match parse(line).unwrap().command {
        CliCommand::Run(run) => run,
        other => panic!("{other:?}"),
    };
    assert_eq!(run("crossgrant run f").cloud.simulate, None);
    let example = run("crossgrant run f --simulate");
    assert_eq!((example.cloud.simulate, example.hour.length()), (Some(None), Duration::from_secs(10)));
    let world = run("crossgrant run f --simulate w.toml --hour 2s");
    assert_eq!((world.cloud.simulate, world.hour.length()), (Some(Some("w.toml".into())), Duration::from_secs(2)));
}

#[test]
fn a_profile_goes_with_its_account_or_the_hub() {
    for command in ["run f", "plan f", "doctor"] {
        let line = format!("crossgrant {command} --profile 1250123456123456=engine --profile hub=base=2");
        let cli = parse(&line).unwrap();
        let [account, hub] = cli.command.profiles() else { panic!("{command}") };
        assert_eq!(account.account.as_ref().unwrap().as_str(), "1250123456123456");
        assert_eq!((account.profile.as_str(), hub.profile.as_str(), &hub.account), ("engine", "base=2", &None));
    }
}

#[test]
fn a_script_for_every_shell_knows_the_commands() {
    for shell in <clap_complete::Shell as clap::ValueEnum>::value_variants() {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "crossgrant", &mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("doctor") && script.contains("graph"), "{shell}");
    }
}
