//! `keyturn man`: manual pages, one for each command, made of what `--help` says. The JSON document has the names of
//! the files under `pages`.

use std::fmt;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;
use serde::Serialize;

use crate::cli::{self, Cli};
use crate::error::{Error, Exit};
use crate::ui::Printer;

/// A page and its file's name.
struct Page {
    file: String,
    text: Vec<u8>,
}

#[derive(Serialize)]
struct Report<'a> {
    directory: &'a Path,
    pages: Vec<String>,
}

pub(super) fn run(printer: Printer, directory: Option<&Path>) -> Result<Exit, Error> {
    let pages = pages()?;
    let Some(directory) = directory else {
        // The page of `keyturn` itself, which names the others.
        pages.first().map_or(Ok(()), |page| printer.text(&page.text))?;
        return Ok(Exit::Done);
    };
    let at = |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    std::fs::create_dir_all(directory).map_err(|error| at(directory, error))?;
    for Page { file, text } in &pages {
        let path = directory.join(file);
        std::fs::write(&path, text).map_err(|error| at(&path, error))?;
    }
    let pages = pages.into_iter().map(|page| page.file).collect();
    printer.result("man", &Report { directory, pages })?;
    Ok(Exit::Done)
}

/// The pages, that of `keyturn` first.
fn pages() -> io::Result<Vec<Page>> {
    let mut keyturn = Cli::command().disable_help_subcommand(true);
    keyturn.build();
    let commands: Vec<clap::Command> = keyturn.get_subcommands().cloned().collect();
    [keyturn].into_iter().chain(commands).map(page).collect()
}

fn page(command: clap::Command) -> io::Result<Page> {
    let examples = cli::examples(command.get_name());
    let man = Man::new(command).manual("keyturn");
    let mut page = Page { file: man.get_filename(), text: Vec::new() };
    man.render(&mut page.text)?;
    if !examples.is_empty() {
        // Lines that stay as they are, which the generator does not know of.
        page.text.extend_from_slice(b".SH EXAMPLES\n.nf\n");
        for line in examples {
            page.text.extend_from_slice(roff(line).as_bytes());
            page.text.push(b'\n');
        }
        page.text.extend_from_slice(b".fi\n");
    }
    Ok(page)
}

/// A line of text for roff: a hyphen is one that can be copied, and nothing is a request.
fn roff(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('~', "\\(ti");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages in `{}`", self.pages.len(), self.directory.display())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_parts() {
        let pages = pages().unwrap();
        let names: BTreeSet<String> = pages.iter().map(|page| page.file.clone()).collect();
        let commands = Cli::command();
        let commands = commands.get_subcommands().map(|command| format!("keyturn-{}.1", command.get_name()));
        assert_eq!(names, commands.chain(["keyturn.1".to_owned()]).collect());
        for Page { file, text } in pages {
            let text = String::from_utf8(text).unwrap();
            for part in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"] {
                assert!(text.lines().any(|line| line.starts_with(part)), "{file}: {part}");
            }
            assert_eq!(text.contains("\n.SH EXAMPLES\n.nf\n"), file != "keyturn.1", "{file}");
            assert_eq!(text.matches("\n.nf\n").count(), text.matches("\n.fi\n").count(), "{file}");
        }
    }

    #[test]
    fn a_line_is_text_whatever_it_begins_with() {
        assert_eq!(roff(".so a-b\\c"), "\\&.so a\\-b\\ec");
        assert_eq!(roff("keyturn man ~/x"), "keyturn man \\(ti/x");
    }
}
