//! One line on many nodes: 64 at once, each answer under its name.
//!
//! **Invariant:** every node that was asked is in the result: with its status, or with why there is none. The status is
//! the worst. What one node does not do, no other waits for.

mod show;

use std::sync::Arc;

use pact_client::settings::Output as Format;
use pact_client::{AWAY, Event, Exit, INPUT_PIECE, Journal, Kind, LineForm, OpenOptions, Session, Terminal, Ticket};
use pact_proto::exit::ExitCode;
use pact_proto::model::NodeName;
use tokio::sync::{OnceCell, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::error::ShellError;
use crate::signals::{Heard, Signals};
use crate::streams::{Input, Output};
pub(super) use show::Show;
use show::Shown;

/// So many nodes are asked at a time.
const AT_ONCE: usize = 64;
/// What is read from standard input for all of them: each gets all of it.
const MOST_INPUT: usize = 1 << 20;
/// What waits to be shown.
const PLACES: usize = 256;

/// What comes from a node.
enum Said {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// What pact says meanwhile.
    Note(String),
    Ended(Ended),
}

/// How it was on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ended {
    code: u8,
    /// What pact says of it; empty where the line ended by itself.
    failure: String,
    /// There is no answer of this node.
    is_away: bool,
}

/// What all nodes have in common.
struct Task {
    journal: Journal,
    form: LineForm,
    options: OpenOptions,
    input: OnceCell<Result<Arc<[u8]>, String>>,
    places: Semaphore,
    /// How often Ctrl-C was pressed.
    interrupts: watch::Receiver<u32>,
}

/// Runs the line everywhere, and says with which status it ends.
pub(super) async fn run(
    journal: Journal,
    nodes: &[NodeName],
    form: LineForm,
    terminal: Terminal,
    show: Show,
) -> Result<u8, ShellError> {
    let mut signals = Signals::listen().map_err(ShellError::io("signals"))?;
    let out = Output::open(std::io::stdout(), terminal.stdout).map_err(ShellError::io("standard output"))?;
    let err = Output::open(std::io::stderr(), terminal.stderr).map_err(ShellError::io("standard error"))?;
    // The nodes' programs have no terminal: their output is shown beside that of others.
    let terminal = Terminal { stdin: terminal.stdin, ..Terminal::default() };
    let options = OpenOptions { kind: Kind::Once, terminal, output: Format::Text };
    let (interrupt, interrupts) = watch::channel(0);
    let (input, places) = (OnceCell::new(), Semaphore::new(AT_ONCE));
    let task = Arc::new(Task { journal, form, options, input, places, interrupts });
    let (said, mut heard) = mpsc::channel(PLACES);
    let mut asking = JoinSet::new();
    let names: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    for (index, ticket) in task.journal.tickets(&names).await?.into_iter().enumerate() {
        let (task, said) = (Arc::clone(&task), said.clone());
        asking.spawn(async move {
            let ended = match ticket {
                Ok(ticket) => task.ask(ticket, index, &said).await,
                Err(no_way) => away(&no_way.why),
            };
            let _nobody_waits = said.send((index, Said::Ended(ended))).await;
        });
    }
    drop(said);
    let mut shown = Shown::new(nodes, show, out, err);
    loop {
        tokio::select! {
            said = heard.recv() => match said {
                Some((index, said)) => {
                    shown.take(index, said);
                    shown.flush().await?;
                    if shown.is_closed() {
                        return Ok(ExitCode::Success.number());
                    }
                }
                None => break,
            },
            heard = signals.next() => match heard {
                Heard::Interrupt | Heard::Quit => interrupt.send_modify(|times| *times += 1),
                Heard::Leave(code) => return Ok(code),
            },
        }
    }
    shown.finish().await
}

impl Task {
    async fn ask(&self, ticket: Ticket, index: usize, said: &mpsc::Sender<(usize, Said)>) -> Ended {
        let Ok(_place) = self.places.acquire().await else { return away("it was not asked") };
        match self.line(ticket, index, said).await {
            Ok(ended) => ended,
            Err(error) => {
                let is_away = error.code() == ExitCode::Unreachable.number();
                Ended { code: error.code(), failure: error.reason(), is_away }
            }
        }
    }

    async fn line(
        &self,
        ticket: Ticket,
        index: usize,
        said: &mpsc::Sender<(usize, Said)>,
    ) -> Result<Ended, ShellError> {
        let (mut session, _) = Box::pin(Session::with(&self.journal, ticket, &self.options)).await?;
        session.outgoing.line(self.form.clone()).await?;
        let (mut interrupts, mut feed, mut was_pressed) = (self.interrupts.clone(), Feed::default(), false);
        let ended = loop {
            let event = tokio::select! {
                event = session.incoming.next() => event?,
                Ok(()) = interrupts.changed() => {
                    if session.incoming.is_away() {
                        if std::mem::replace(&mut was_pressed, true) {
                            break away("its connection broke, and was not waited for");
                        }
                        let note = "passed on when it is connected again; Ctrl-C once more gives it up".to_owned();
                        drop(said.send((index, Said::Note(note))).await);
                    }
                    session.outgoing.interrupt().await?;
                    continue;
                }
            };
            match event {
                Event::Stdout { data, .. } => drop(said.send((index, Said::Stdout(data))).await),
                Event::Stderr(bytes) => drop(said.send((index, Said::Stderr(bytes))).await),
                Event::Accepted { reads_stdin, .. } => feed.wanted = reads_stdin,
                Event::Credit(bytes) => feed.credit += usize::try_from(bytes).unwrap_or(usize::MAX),
                Event::Refused(refusal) => {
                    let failure = if refusal.hint.is_empty() {
                        refusal.message
                    } else {
                        format!("{} ({})", refusal.message, refusal.hint)
                    };
                    break Ended { code: refusal.code, failure, is_away: false };
                }
                Event::Exit(Exit { code, failure, .. }) => {
                    break Ended { code, failure: failure.unwrap_or_default(), is_away: false };
                }
                Event::Context(_) | Event::Candidates { .. } | Event::Notice(_) | Event::Marks(_) => {}
                Event::Away => {
                    let why = format!("its connection broke, and is tried again for {} s", AWAY.as_secs());
                    drop(said.send((index, Said::Note(why))).await);
                }
                Event::Back => was_pressed = false,
            }
            self.feed(&mut session, &mut feed).await?;
        };
        session.close().await;
        Ok(ended)
    }

    /// Sends what there is credit for.
    async fn feed(&self, session: &mut Session, feed: &mut Feed) -> Result<(), ShellError> {
        if !feed.wanted {
            return Ok(());
        }
        let input = self.input.get_or_init(|| all_input(&self.options.terminal)).await;
        let input = input.as_ref().map_err(|why| ShellError::Input(why.clone()))?;
        while feed.sent < input.len() && feed.credit > 0 {
            let length = feed.credit.min(INPUT_PIECE).min(input.len() - feed.sent);
            session.outgoing.stdin(input[feed.sent..feed.sent + length].to_vec()).await?;
            (feed.sent, feed.credit) = (feed.sent + length, feed.credit - length);
        }
        if feed.sent == input.len() {
            feed.wanted = false;
            session.outgoing.stdin_end().await?;
        }
        Ok(())
    }
}

/// How far one node has its input.
#[derive(Default)]
struct Feed {
    wanted: bool,
    credit: usize,
    sent: usize,
}

fn away(why: &str) -> Ended {
    Ended { code: ExitCode::Unreachable.number(), failure: why.to_owned(), is_away: true }
}

/// Standard input, once for all nodes; a terminal's is nobody's.
async fn all_input(terminal: &Terminal) -> Result<Arc<[u8]>, String> {
    let mut all = Vec::new();
    if !terminal.stdin {
        let input = Input::open().map_err(|error| error.to_string())?;
        loop {
            let piece = input.read(INPUT_PIECE).await.map_err(|error| error.to_string())?;
            if piece.is_empty() {
                break;
            }
            all.extend(piece);
            if all.len() > MOST_INPUT {
                return Err(format!("it has more than {MOST_INPUT} bytes, which is the most for several nodes"));
            }
        }
    }
    Ok(all.into())
}
