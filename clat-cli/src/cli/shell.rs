//! What shells and `man` want, made from the same tree as the help.

use super::Cli;
use crate::exit::Exit;
use clap::CommandFactory;
use std::io::{self, Write};

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "clat-cli", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Success)
}

/// Prints one manual page that holds every command.
pub(crate) fn man() -> anyhow::Result<Exit> {
    let mut page = Vec::new();
    let root = Cli::command();
    clap_mangen::Man::new(root.clone()).render(&mut page)?;
    for command in root.get_subcommands().filter(|c| !c.is_hide_set()) {
        let title = format!("clat-cli {}", command.get_name());
        let man = clap_mangen::Man::new(command.clone().bin_name(title.clone()).display_name(title.clone()));
        writeln!(page, ".SH \"{}\"", title.to_uppercase())?;
        man.render_description_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    io::stdout().write_all(&page)?;
    Ok(Exit::Success)
}
