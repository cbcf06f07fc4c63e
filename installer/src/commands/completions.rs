//! `keyturn completions`: prints what a shell needs to complete a command line.

use clap_complete::Shell;

use crate::cli;
use crate::error::{Error, Exit};
use crate::ui::Printer;

pub(super) fn run(printer: Printer, shell: Shell) -> Result<Exit, Error> {
    printer.text(&completions(shell))?;
    Ok(Exit::Done)
}

fn completions(shell: Shell) -> Vec<u8> {
    // Into memory first: with a pipe that is closed it would panic.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "keyturn", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completions(*shell)).unwrap();
            for command in cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
            assert!(script.contains("detailed-exitcode"), "{shell}: no options");
        }
    }
}
