//! What people do at a prompt all day, from far away: a screen that is drawn again and again, Ctrl-C, typing, Tab.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::delay::Delay;
use super::figure::{Figure, Samples, Target, Unit};
use super::keys::key_to_quiet;
use super::remote::{memory_of, programs};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::node::{Account, NAME, Node, Setup};
use crate::site::{Site, Workstation};
use crate::ssh::Ssh;
use crate::stage::{Prompt, Stage};
use crate::terminal::Terminal;

const EACH_WAY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);
const ROUNDS: usize = 30;
/// For so long a screen is drawn ten times a second.
const DRAWN: Duration = Duration::from_secs(10);
const FILES: usize = 10_000;
const SESSIONS: u32 = 100;
const IDLE: Duration = Duration::from_secs(10);
const CTRL_C: &[u8] = b"\x03";
const CTRL_L: &[u8] = b"\x0c";
const CTRL_U: &[u8] = b"\x15";
const POLICY: &str = "[limits]\nsessions_per_user = 200\nlines_per_minute = 100000\n[recording]\nterminal = false\n";

pub(super) fn measure(built: &Path, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let programs = programs()?;
    let mut site = Site::new(built)?;
    site.start_journal(&[])?;
    site.until_it_listens(interrupt)?;
    let port = free_port()?;
    let way = Delay::to(port, EACH_WAY)?;
    let agent = site.agent().replace(
        "listen = \"127.0.0.1:0\"",
        &format!("listen = \"127.0.0.1:{port}\"\nadvertise = \"127.0.0.1:{}\"", way.port),
    );
    let setup = Setup { built, programs: programs.path(), agent: &agent, policy: POLICY };
    let stage = Stage::of(site, &setup, interrupt)?;
    let workstation = stage.workstation(Account::Alice)?;
    let ssh = Ssh::start(&stage.node, interrupt)?;
    let ssh_way = Delay::to(ssh.port(), EACH_WAY)?;
    let far = Far { workstation, way: &way, ssh: &ssh, ssh_way: &ssh_way, interrupt };
    let mut figures = far.screen()?;
    figures.push(far.ctrl_c()?);
    figures.push(far.typing()?);
    figures.push(completion(&stage.node, interrupt)?);
    figures.extend(many(&stage.node, workstation, interrupt)?);
    Ok(figures)
}

/// A port that nobody has; whoever takes it at once gets it.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Both ways to the node, each with its delay.
struct Far<'a> {
    workstation: &'a Workstation,
    way: &'a Delay,
    ssh: &'a Ssh,
    ssh_way: &'a Delay,
    interrupt: &'a Interrupt,
}

impl Far<'_> {
    fn prompt(&self) -> Result<Terminal> {
        let mut command = self.workstation.on_terminal(&["shell", NAME]);
        at_prompt(command.env("NO_COLOR", "1"), &format!("pact:{NAME}> "), self.interrupt)
    }

    fn bash(&self) -> Result<Terminal> {
        let shell = "PS1='bench> ' exec bash --norc --noprofile -i";
        at_prompt(&mut self.ssh.terminal(self.ssh_way.port, shell), "bench> ", self.interrupt)
    }

    /// top, ten times a second: bytes on the way, and from a key to the screen that it changes.
    fn screen(&self) -> Result<Vec<Figure>> {
        let (mut ours, mut peers) = (self.prompt()?, self.bash()?);
        for terminal in [&mut ours, &mut peers] {
            terminal.send(b"top -d 0.1\r")?;
            shows(terminal, "PID USER")?;
        }
        let (before, peers_before) = (self.way.came_back(), self.ssh_way.came_back());
        let begun = Instant::now();
        while begun.elapsed() < DRAWN {
            ours.take_in(Duration::from_millis(5))?;
            peers.take_in(Duration::from_millis(5))?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let rate =
            |now: u64, before: u64| f64::from(u32::try_from(now - before).unwrap_or(u32::MAX)) / seconds / 1024.0;
        let bytes = Figure::new(
            "top ten times a second, 50 ms each way: KiB on the way in a second",
            Unit::Kibibytes,
            Samples::of("pact shell", [rate(self.way.came_back(), before)]),
            Samples::of("ssh", [rate(self.ssh_way.came_back(), peers_before)]),
            Target::Times(1.0),
        );
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            self.interrupt.check()?;
            let heading = if round % 2 == 0 { "Threads:" } else { "Tasks:" };
            one.push(key_shows(&mut ours, b"H", heading)?);
            other.push(key_shows(&mut peers, b"H", heading)?);
        }
        for terminal in [&mut ours, &mut peers] {
            terminal.send(b"q")?;
        }
        let time = Figure::new(
            "top, 50 ms each way: from a key to the screen that it changes",
            Unit::Milliseconds,
            Samples::times("pact shell", &one),
            Samples::times("ssh", &other),
            Target::Times(1.0),
        );
        Ok(vec![bytes, time])
    }

    /// From Ctrl-C to the next prompt, beside one byte there and back.
    fn ctrl_c(&self) -> Result<Figure> {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let way = Delay::to(echo.local_addr()?.port(), EACH_WAY)?;
        std::thread::spawn(move || {
            for mut stream in echo.incoming().flatten() {
                let mut byte = [0];
                while stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte)).is_ok() {}
            }
        });
        let mut there_and_back = TcpStream::connect((Ipv4Addr::LOCALHOST, way.port))?;
        let mut ours = self.prompt()?;
        let (mut times, mut trips) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.interrupt.check()?;
            ours.send(CTRL_L)?;
            let prompt = format!("pact:{NAME}> ");
            until(&mut ours, "an empty screen", |terminal| {
                terminal.screen().cursor_position().0 == 0 && is_prompt(terminal, &prompt, 0)
            })?;
            // It ends at once: the kernel takes milliseconds to let go of the files that `tail -f` watches.
            ours.send(b"free -s 100\r")?;
            until(&mut ours, "memory", |terminal| terminal.rows().join("").contains("Swap:"))?;
            let begun = Instant::now();
            ours.send(CTRL_C)?;
            until(&mut ours, "the next prompt", |terminal| is_prompt(terminal, &prompt, 2))?;
            times.push(begun.elapsed());
            let begun = Instant::now();
            let mut byte = [0];
            there_and_back.write_all(&byte)?;
            there_and_back.read_exact(&mut byte)?;
            trips.push(begun.elapsed());
        }
        Ok(Figure::new(
            "Ctrl-C of a program that ends at once, 50 ms each way, to the next prompt",
            Unit::Milliseconds,
            Samples::times("pact shell, with the outcome on record", &times),
            Samples::times("a byte there and back", &trips),
            Target::Times(1.1),
        ))
    }

    fn typing(&self) -> Result<Figure> {
        let (mut ours, mut peers) = (self.prompt()?, self.bash()?);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.interrupt.check()?;
            for key in b"uname" {
                one.push(key_to_quiet(&mut ours, &[*key])?);
                other.push(key_to_quiet(&mut peers, &[*key])?);
            }
            key_to_quiet(&mut ours, CTRL_U)?;
            key_to_quiet(&mut peers, CTRL_U)?;
        }
        Ok(Figure::new(
            "a key at the prompt, 50 ms each way",
            Unit::Milliseconds,
            Samples::times("pact shell", &one),
            Samples::times("bash behind ssh", &other),
            Target::P99(2.0),
        ))
    }
}

/// Tab in a directory of many files, on the node.
fn completion(node: &Node, interrupt: &Interrupt) -> Result<Figure> {
    let place = node.path("many");
    std::fs::create_dir(&place)?;
    for number in 0..FILES {
        std::fs::write(place.join(format!("file-{number:05}")), "")?;
    }
    let typed = format!("cat {}/", place.display());
    let mut ours = at_prompt(&mut node.pact_on_terminal(Account::Alice, &[]), &format!("pact:{NAME}> "), interrupt)?;
    let mut command = node.program_on_terminal(Account::Alice, &["bash", "--norc", "--noprofile", "-i"]);
    let mut peers = at_prompt(command.env("PS1", "bench> "), "bench> ", interrupt)?;
    let tab = |terminal: &mut Terminal, times: &mut Vec<Duration>| -> Result<()> {
        terminal.send(typed.as_bytes())?;
        let shown = typed.clone();
        until(terminal, "what is typed", |terminal| terminal.rows().join("").contains(&shown))?;
        let begun = Instant::now();
        terminal.send(b"\t")?;
        let completed = format!("{typed}file-0");
        until(terminal, "what Tab brings", |terminal| terminal.rows().join("").contains(&completed))?;
        times.push(begun.elapsed());
        key_to_quiet(terminal, CTRL_U)?;
        terminal.send(CTRL_L)?;
        until(terminal, "an empty screen", |terminal| !terminal.rows().join("").contains(&shown))
    };
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        interrupt.check()?;
        tab(&mut ours, &mut one)?;
        tab(&mut peers, &mut other)?;
    }
    Ok(Figure::new(
        "Tab in a directory of 10,000 files",
        Unit::Milliseconds,
        Samples::times("pact, in the sandbox of cat", &one),
        Samples::times("bash", &other),
        Target::P99(50.0),
    ))
}

/// Many sessions that nobody uses: memory of each, and the processor's time.
fn many(node: &Node, workstation: &Workstation, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let idle = memory_of(node.agent_pid())?;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(Prompt::open(workstation, interrupt)?);
    }
    let busy = memory_of(node.agent_pid())?;
    let (before, begun) = (ticks(node.agent_pid())?, Instant::now());
    std::thread::sleep(IDLE);
    let used = ticks(node.agent_pid())? - before;
    let percent = used / ticks_a_second() / begun.elapsed().as_secs_f64() * 100.0;
    for session in sessions {
        session.leave()?;
    }
    let each = |of: fn(super::remote::Memory) -> f64| (of(busy) - of(idle)) / f64::from(SESSIONS);
    Ok(vec![
        Figure::new(
            "each of 100 open sessions",
            Unit::Mebibytes,
            Samples::of("pact-agent with all that it started, pages in proportion (PSS)", [each(|m| m.in_proportion)]),
            Samples::of("the same, resident (RSS)", [each(|m| m.resident)]),
            Target::Stated,
        ),
        Figure::new(
            "100 open sessions that nobody uses: processor time",
            Unit::Percent,
            Samples::of("pact-agent", [percent]),
            Samples::of("one processor", [100.0]),
            Target::Stated,
        ),
    ])
}

/// Processor time of a process so far: fields 14 and 15 of proc_pid_stat(5).
fn ticks(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
    let field = |at: usize| fields.split(' ').nth(at).and_then(|field| field.parse::<f64>().ok());
    field(11).zip(field(12)).map(|(user, system)| user + system).ok_or_else(|| Error::failed("no processor time"))
}

/// USER_HZ, which is 100 on every Linux that programs see.
fn ticks_a_second() -> f64 {
    100.0
}

fn at_prompt(command: &mut Command, prompt: &str, interrupt: &Interrupt) -> Result<Terminal> {
    let mut terminal = Terminal::start(command, 24, 80, interrupt)?;
    until(&mut terminal, "a prompt", |terminal| is_prompt(terminal, prompt, 0))?;
    Ok(terminal)
}

fn is_prompt(terminal: &Terminal, prompt: &str, from: u16) -> bool {
    let (row, column) = terminal.screen().cursor_position();
    row >= from && usize::from(column) == prompt.len() && terminal.row(row).starts_with(prompt)
}

fn shows(terminal: &mut Terminal, text: &str) -> Result<()> {
    until(terminal, text, |terminal| terminal.screen().contents().contains(text))
}

fn key_shows(terminal: &mut Terminal, key: &[u8], text: &str) -> Result<Duration> {
    let begun = Instant::now();
    terminal.send(key)?;
    shows(terminal, text)?;
    Ok(begun.elapsed())
}

fn until(terminal: &mut Terminal, what: &str, shows: impl FnMut(&Terminal) -> bool) -> Result<()> {
    if terminal.until(Instant::now() + PATIENCE, shows)? {
        return Ok(());
    }
    Err(Error::failed(format!("waited in vain for {what}: {}", terminal.rows().join("\n").trim())))
}
