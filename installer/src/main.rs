//! `keyturn`: the only place that turns a result into an exit code.

use std::process::ExitCode;

use clap::Parser as _;
use installer::cli::Cli;
use installer::commands;
use installer::environment::Environment;
use installer::error::{Error, Exit};
use installer::ui::Printer;

fn main() -> ExitCode {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results, everything else is wrong usage. Nobody can be told when this fails.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    cli.global.environment = Environment::read(|name| std::env::var_os(name));
    let printer = Printer::new(cli.global.output, cli.global.yes);
    match run(&cli, printer) {
        Ok(exit) => exit.into(),
        Err(error) => {
            printer.say(error.render());
            error.exit().into()
        }
    }
}

fn run(cli: &Cli, printer: Printer) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(commands::run(cli, printer, fastrand::u64(..)));
    // A question that nobody has answered must not keep the program from ending.
    runtime.shutdown_background();
    result
}
