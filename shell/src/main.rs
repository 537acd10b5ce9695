//! The terminal of pact: a prompt, a script or one line, sent to the agent, and what comes back.
//!
//! **Invariant:** before the first prompt `pact` has given up everything but its terminal, its history and its session; it
//! starts no program, but for its user's pager at a workstation, and knows no policy.

mod account;
mod completions;
mod confine;
mod cut;
mod engine;
mod error;
#[cfg(test)]
mod fuzzed;
#[cfg(feature = "failpoints")]
mod injected;
mod invocation;
mod output;
mod remote;
mod repl;
mod screen;
mod script;
mod signals;
mod streams;
mod terminal;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use pact_client::settings::Output as Format;
use pact_client::{Connected, Context, Endpoint, Kind, LineForm, OpenOptions, Session, Terminal};

use account::Account;
use engine::{Engine, Reads};
use error::ShellError;
use invocation::{HELP, Invocation, Mode, Remote, Unusable};
use repl::{HistoryFile, Probe};
use signals::Signals;
use streams::Streams;

/// Where the agent of this node listens. Nothing that a caller says changes it.
const SOCKET: &str = "/run/pact/agent.sock";

fn main() -> ExitCode {
    terminal::restore_on_panic();
    let ended = run();
    terminal::restore();
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            print(&mut std::io::stderr(), &error.told());
            ExitCode::from(error.code())
        }
    }
}

fn run() -> Result<u8, ShellError> {
    let mut words = std::env::args_os();
    let name = words.next().filter(|name| !name.is_empty()).ok_or_else(Unusable::nameless)?;
    let account = Account::of_caller();
    let mode = Mode::of(&name, account.names_this());
    let invocation = Invocation::read(mode, words.collect())?;
    let endpoint = Endpoint::unix(SOCKET);
    let mut terminal = terminal::look();
    match invocation {
        Invocation::Help => Ok(show(HELP)),
        Invocation::Completions(shell) => Ok(show(&completions::script(shell))),
        Invocation::Version => Ok(show(concat!("pact ", env!("CARGO_PKG_VERSION"), "\n"))),
        Invocation::Remote(asked, common) => remote::run(asked, common, terminal, home(mode, &account)),
        Invocation::Line(line) => once(&endpoint, terminal, LineForm::Text(cut::text(line)), Format::Text),
        Invocation::Words(words, _) if mode == Mode::Command && endpoint.is_absent() && invocation::is_help(&words) => {
            invocation::help(words, terminal.size.map_or(80, |(columns, _)| columns)).map(|text| show(&text))
        }
        Invocation::Nearest(words, common) if common.ask_the_journal() || endpoint.is_absent() => {
            remote::run(Remote::Journal(words), common, terminal, home(mode, &account))
        }
        Invocation::Words(words, common) | Invocation::Nearest(words, common) => {
            if common.is_plain {
                terminal.colour = false;
            }
            let output = remote::said(common.said, home(mode, &account).as_deref())?.output.unwrap_or_default();
            once(&endpoint, terminal, LineForm::Words(cut::words(words)), output)
        }
        Invocation::Lines if !(terminal.stdin && terminal.stdout) => script(&endpoint, terminal),
        Invocation::Lines if mode == Mode::Command && endpoint.is_absent() => Ok(show(HELP)),
        Invocation::Lines => prompt(&endpoint, terminal, home(mode, &account)),
    }
}

fn show(text: &str) -> u8 {
    print(&mut std::io::stdout(), text);
    pact_proto::exit::ExitCode::Success.number()
}

/// A closed pipe is no error.
fn print(to: &mut impl Write, text: &str) {
    let _closed = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

/// A login shell's is the account's, whatever the environment says.
fn home(mode: Mode, account: &Account) -> Option<PathBuf> {
    let said = std::env::var_os("HOME").filter(|home| mode == Mode::Command && !home.is_empty());
    said.map(PathBuf::from).or_else(|| account.home())
}

fn once(endpoint: &Endpoint, terminal: Terminal, form: LineForm, output: Format) -> Result<u8, ShellError> {
    terminal::remember();
    let connected = endpoint.connect()?;
    let streams = Streams::open(&terminal)?;
    confine::confine(&[])?;
    on_runtime(async {
        let mut engine = match open(connected, Kind::Once, terminal, output, streams).await? {
            Opened::Session(engine, _) => engine,
            Opened::Left(code) => return Ok(code),
        };
        let ended = engine.run(form, Reads::Input).await?;
        engine.close().await;
        Ok(ended.code())
    })
}

fn script(endpoint: &Endpoint, terminal: Terminal) -> Result<u8, ShellError> {
    let connected = endpoint.connect()?;
    let streams = Streams::open(&terminal)?;
    confine::confine(&[])?;
    on_runtime(async {
        let input = streams.input.clone();
        let mut engine = match open(connected, Kind::Script, terminal, Format::Text, streams).await? {
            Opened::Session(engine, _) => engine,
            Opened::Left(code) => return Ok(code),
        };
        let code = script::run(&mut engine, &input).await?;
        engine.close().await;
        Ok(code)
    })
}

fn prompt(endpoint: &Endpoint, terminal: Terminal, home: Option<PathBuf>) -> Result<u8, ShellError> {
    terminal::remember();
    let connected = endpoint.connect()?;
    let history = home.map(|home| HistoryFile::open(&repl::path_in(&home))).transpose();
    let streams = Streams::open(&terminal)?;
    confine::confine(&[])?;
    let probe = if terminal::is_dumb(&terminal.term) { None } else { Probe::ask() };
    let colour = terminal.colour;
    on_runtime(async {
        // The agent is asked first, and the rest is made while it answers.
        let input = streams.input.clone();
        let (opened, prepared) = tokio::join!(
            open(connected, Kind::Repl, terminal, Format::Text, streams),
            repl::prepare(probe, history, colour, input),
        );
        let (mut engine, context) = match opened? {
            Opened::Session(engine, context) => (engine, context),
            Opened::Left(code) => return Ok(code),
        };
        let code = repl::run(&mut engine, context, prepared?).await?;
        engine.close().await;
        Ok(code)
    })
}

/// The one thread that does everything but wait for keys.
fn on_runtime(work: impl Future<Output = Result<u8, ShellError>>) -> Result<u8, ShellError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(ShellError::io("runtime"))?.block_on(work)
}

/// What became of the opening.
enum Opened {
    Session(Box<Engine>, Context),
    /// A signal came first.
    Left(u8),
}

async fn open(
    connected: Connected,
    kind: Kind,
    terminal: Terminal,
    output: Format,
    streams: Streams,
) -> Result<Opened, ShellError> {
    let mut signals = Signals::listen().map_err(ShellError::io("signals"))?;
    let options = OpenOptions { kind, terminal, output };
    tokio::select! {
        opened = Session::open(connected, &options) => {
            let (session, context) = opened?;
            Ok(Opened::Session(Box::new(Engine::new(session, signals, streams, &options.terminal)?), context))
        }
        heard = signals.next() => Ok(Opened::Left(heard.code())),
    }
}
