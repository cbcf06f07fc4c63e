//! `keyturn`: the only place that turns a result into an exit code.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;

use installer::cli::Cli;
use installer::commands;
use installer::environment::Environment;
use installer::error::{Error, Exit};
use installer::ui::{Format, Printer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn main() -> ExitCode {
    dump_no_core();
    let mut cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results, everything else is wrong usage. Nobody can be told when this fails.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    // Nothing may come before it, nor behind it.
    let format = if cli.command.has_own_form() { Format::Text } else { cli.global.output };
    let printer = Printer::new(format, cli.global.yes);
    printer.begin();
    cli.global.environment = Environment::read(|name| std::env::var_os(name));
    match run(&cli, printer.clone()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            printer.error(&error);
            error.exit().into()
        }
    }
}

/// Keeps the memory of a crash from being written to a file: there are keys in it. Where that cannot be had, the limit is the
/// one that everything else on this machine has, too.
fn dump_no_core() {
    let maximum = getrlimit(Resource::Core).maximum;
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}

/// Randomness of the operating system: it is what the keys of a hash map are made of.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn run(cli: &Cli, printer: Printer) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(commands::run(cli, printer, seed()));
    // A question that nobody has answered must not keep the program from ending.
    runtime.shutdown_background();
    result
}
