//! What a workstation asks of other nodes: their prompt, one line on one of them, one line on many.
//!
//! **Invariant:** the token is read before anything is connected, and goes to the journal alone. A prompt, and a line on
//! one node, gives up everything but its connections before it shows anything; a line on many nodes connects as it goes.
//! **Not here:** login shells: for them there is no way from here.

mod fanout;
mod pager;
mod watch;

use std::path::PathBuf;

use pact_client::settings::{Output, SYSTEM_FILE, Said, Settings, USER_FILE};
use pact_client::{ClientError, Context, Journal, Kind, LineForm, OpenOptions, Session, Terminal, Ticket, Tls};
use pact_proto::command::{Command, ExecArguments, StatusArguments, WatchArguments};
use pact_proto::grammar::{Head, parse_words};
use pact_proto::model::{NodeName, VCluster};

use crate::engine::{Ended, Engine, Reads};
use crate::error::ShellError;
use crate::invocation::{Common, Remote};
use crate::repl::{self, HistoryFile, Probe};
use crate::signals::Signals;
use crate::streams::Streams;
use crate::{confine, cut, on_runtime, terminal};

/// Does it.
pub(crate) fn run(
    asked: Remote,
    common: Common,
    mut terminal: Terminal,
    home: Option<PathBuf>,
) -> Result<u8, ShellError> {
    let settings = settings(common.said, home.as_deref())?;
    if common.is_plain {
        terminal.colour = false;
    }
    match asked {
        Remote::Shell(node) => prompt(&settings, &node, terminal, home),
        Remote::Line(node, words) => one(&settings, &node, LineForm::Words(words), terminal),
        Remote::Journal(words) => journal(&settings, words, terminal),
        Remote::Exec(asked, words) => exec(&settings, &asked, words, terminal),
    }
}

/// What can be used of what was said.
fn settings(flags: Said, home: Option<&std::path::Path>) -> Result<Settings, ShellError> {
    Ok(said(flags, home)?.settle()?)
}

/// Flags over environment over the user's file over the system's.
pub(crate) fn said(flags: Said, home: Option<&std::path::Path>) -> Result<Said, ShellError> {
    let environment = Said::by_environment(|name| std::env::var(name).ok())?;
    let user = home.map(|home| Said::by_file(&home.join(USER_FILE))).transpose()?.unwrap_or_default();
    let system = Said::by_file(std::path::Path::new(SYSTEM_FILE))?;
    Ok(flags.over(environment).over(user).over(system))
}

async fn connect(settings: &Settings) -> Result<Journal, ShellError> {
    let tls = Tls::new(&settings.ca)?;
    Ok(Box::pin(Journal::connect(&settings.endpoint, &settings.token, tls, settings.timeout)).await?)
}

/// The way to one node.
async fn ticket(journal: &Journal, node: &NodeName) -> Result<Ticket, ShellError> {
    let ticket = journal.tickets(&[node.to_string()]).await?.pop();
    let ticket = ticket.ok_or_else(|| ClientError::Protocol("a ticket that was asked for".to_owned()))?;
    ticket.map_err(ShellError::NoWay)
}

fn exec(settings: &Settings, asked: &ExecArguments, words: Vec<Vec<u8>>, terminal: Terminal) -> Result<u8, ShellError> {
    let form = match words.as_slice() {
        // A caller's shell has left it whole, so that the grammar reads it.
        [line] => LineForm::Text(cut::text(line.clone())),
        [] | [_, ..] => LineForm::Words(cut::words(words)),
    };
    match (asked.nodes.single(), settings.output) {
        (Some(node), Output::Text) if !asked.fold => one(settings, node, form, terminal),
        (_, _) => many(settings, asked, form, terminal),
    }
}

fn one(settings: &Settings, node: &NodeName, form: LineForm, terminal: Terminal) -> Result<u8, ShellError> {
    terminal::remember();
    on_runtime(async {
        let mut signals = Signals::listen().map_err(ShellError::io("signals"))?;
        let options = OpenOptions { kind: Kind::Once, terminal, output: settings.output };
        let (session, _) = tokio::select! {
            opened = open(settings, node, &options) => opened?,
            heard = signals.next() => return Ok(heard.code()),
        };
        let streams = Streams::open(&options.terminal)?;
        confine::confine(&session.ports)?;
        let mut engine = Engine::new(session, signals, streams, &options.terminal)?;
        let ended = engine.run(form, Reads::Input).await?;
        engine.close().await;
        Ok(ended.code())
    })
}

async fn open(settings: &Settings, node: &NodeName, options: &OpenOptions) -> Result<(Session, Context), ShellError> {
    let journal = connect(settings).await?;
    let ticket = ticket(&journal, node).await?;
    Ok(Session::with(&journal, ticket, options).await?)
}

/// One of pact's own commands, in a session with the journal.
fn journal(settings: &Settings, words: Vec<Vec<u8>>, terminal: Terminal) -> Result<u8, ShellError> {
    let words = about(settings.vcluster.as_ref(), words);
    on_runtime(async {
        let options = OpenOptions { kind: Kind::Once, terminal, output: settings.output };
        let mut signals = Signals::listen().map_err(ShellError::io("signals"))?;
        let session = tokio::select! {
            opened = with_journal(settings, &options) => opened?,
            heard = signals.next() => return Ok(heard.code()),
        };
        let mut streams = Streams::open(&options.terminal)?;
        let pager = pager::Pager::start(&words, options.output, &options.terminal);
        if let Some(pager) = &pager {
            streams.out = pager.output().map_err(ShellError::io("standard output"))?;
        }
        let mut engine = Engine::new(session, signals, streams, &options.terminal)?;
        let ended = match watch::Watch::of(&words) {
            Some(watch) => watch.run(&mut engine, settings, &options).await,
            None => {
                confine::confine(&engine.session.ports)?;
                engine.run(LineForm::Words(words), Reads::Nothing).await
            }
        };
        engine.close().await;
        // Whoever ends `pact` does not wait for a reader.
        if let (Some(pager), false) = (pager, matches!(ended, Ok(Ended::Left(_))))
            && let Some(code) = pager.finish().await.map_err(ShellError::io("standard output"))?
        {
            return Ok(code);
        }
        Ok(ended?.code())
    })
}

/// Where `status` and `watch` name nothing, the settings say which vCluster is meant.
fn about(vcluster: Option<&VCluster>, mut words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let Some(vcluster) = vcluster else { return words };
    let parsed = parse_words(words.clone()).ok();
    let names_nothing = parsed.as_ref().is_some_and(|parsed| match parsed.head() {
        Head::Command(stage) => matches!(
            stage.command(),
            Command::Status(StatusArguments { node: None, vcluster: None })
                | Command::Watch(WatchArguments { vcluster: None, .. })
        ),
        Head::Programs => false,
    });
    if names_nothing {
        words.extend([b"--vcluster".to_vec(), vcluster.to_string().into_bytes()]);
    }
    words
}

async fn with_journal(settings: &Settings, options: &OpenOptions) -> Result<Session, ShellError> {
    let journal = connect(settings).await?;
    let ticket = journal.own_ticket().await?;
    let (session, _) = Session::with(&journal, ticket, options).await?;
    Ok(session)
}

fn prompt(settings: &Settings, node: &NodeName, terminal: Terminal, home: Option<PathBuf>) -> Result<u8, ShellError> {
    terminal::remember();
    let history = home.map(|home| HistoryFile::open(&repl::path_in(&home))).transpose();
    let colour = terminal.colour;
    on_runtime(async {
        let options = OpenOptions { kind: Kind::Repl, terminal, output: Output::Text };
        let mut signals = Signals::listen().map_err(ShellError::io("signals"))?;
        let (session, context) = tokio::select! {
            opened = open(settings, node, &options) => opened?,
            heard = signals.next() => return Ok(heard.code()),
        };
        let streams = Streams::open(&options.terminal)?;
        confine::confine(&session.ports)?;
        let probe = if terminal::is_dumb(&options.terminal.term) { None } else { Probe::ask() };
        let prepared = repl::prepare(probe, history, colour, streams.input.clone()).await?;
        let mut engine = Engine::new(session, signals, streams, &options.terminal)?;
        let code = repl::run(&mut engine, context, prepared).await?;
        engine.close().await;
        Ok(code)
    })
}

fn many(settings: &Settings, asked: &ExecArguments, form: LineForm, terminal: Terminal) -> Result<u8, ShellError> {
    on_runtime(async {
        let journal = connect(settings).await?;
        let nodes = nodes(&journal, asked).await?;
        if nodes.is_empty() {
            return Err(ShellError::NoNodes);
        }
        let show = match settings.output {
            Output::Text if asked.fold => fanout::Show::Folded,
            Output::Text => fanout::Show::AsItComes,
            Output::Json => fanout::Show::Json,
            Output::Yaml => fanout::Show::Yaml,
        };
        fanout::run(journal, &nodes, form, terminal, show).await
    })
}

/// The set, with what the journal knows of vClusters.
async fn nodes(journal: &Journal, asked: &ExecArguments) -> Result<Vec<NodeName>, ShellError> {
    let mut known: Vec<(VCluster, Vec<NodeName>)> = Vec::new();
    for vcluster in asked.nodes.vclusters() {
        let members = journal.members(vcluster.as_str()).await?;
        known.push((vcluster.clone(), members.iter().filter_map(|name| name.parse().ok()).collect()));
    }
    Ok(asked.nodes.expand(|vcluster| {
        known.iter().find(|(name, _)| name == vcluster).map(|(_, members)| members.clone()).unwrap_or_default()
    }))
}
