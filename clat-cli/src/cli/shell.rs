//! What shells and `man` want, made from the same tree as the help.

use super::Cli;
use crate::exit::Exit;
use clap::CommandFactory;
use std::io::{self, Write};

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    io::stdout().write_all(script(shell)?.as_bytes())?;
    Ok(Exit::Success)
}

fn script(shell: clap_complete::Shell) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "clat-cli", &mut script);
    let script = String::from_utf8(script)?;
    // clap_complete 4.6 takes the hyphen of the program's name for a border between commands, in one place of two.
    let bash = shell == clap_complete::Shell::Bash;
    Ok(if bash { script.replace("clat__subcmd__cli", "clat__cli") } else { script })
}

/// What the manual page says beyond the flags.
const BEYOND_FLAGS: &str = r"
.SH FILES
.TP
.I /etc/clat/clat.toml
Configuration of \fBclat\-cli run\fR, where it is there. Every key is optional; a flag overrides it.
.TP
.I /run/clat
Sockets of the running instance, and the journal of its changes to this host. An instance in another network namespace
has a folder of its own below it.
.SH SIGNALS
SIGINT, SIGTERM and SIGQUIT end \fBclat\-cli run\fR after everything is undone. SIGHUP reads the configuration again.
After SIGKILL the next start undoes what was left, and so does \fBclat\-cli stop \-\-recover\fR.
.SH EXIT STATUS
0: done. 1: it could not be done. 2: the command line or a file that it names is wrong. \fBclat\-cli doctor\fR has a code
of its own for each finding.
";

/// Prints one manual page that holds every command.
pub(crate) fn man() -> anyhow::Result<Exit> {
    let mut overview = Vec::new();
    let root = Cli::command();
    clap_mangen::Man::new(root.clone()).render(&mut overview)?;
    // The commands are sections below, and no pages of their own.
    let mut page = String::from_utf8(overview)?.replace("(1)\n", "\n").into_bytes();
    for command in root.get_subcommands().filter(|c| !c.is_hide_set()) {
        let title = format!("clat-cli {}", command.get_name());
        let man = clap_mangen::Man::new(command.clone().bin_name(title.clone()).display_name(title.clone()));
        writeln!(page, ".SH \"{}\"", title.to_uppercase())?;
        man.render_description_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    page.extend(BEYOND_FLAGS.trim_start().bytes());
    io::stdout().write_all(&page)?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_has_words_for_every_command_that_it_recognises() {
        let script = script(clap_complete::Shell::Bash).unwrap();
        let set = |line: &str| Some(line.trim().strip_prefix("cmd=\"")?.strip_suffix('"')?.to_owned());
        let recognised: Vec<String> = script.lines().filter_map(set).filter(|cmd| !cmd.is_empty()).collect();
        assert!(recognised.iter().any(|cmd| cmd.ends_with("run")), "{recognised:?}");
        let without: Vec<_> =
            recognised.iter().filter(|cmd| !script.contains(&format!("\n        {cmd})\n"))).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
