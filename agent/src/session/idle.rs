//! Between two lines of a prompt: the client is heard, told what changes, and sent away when nobody uses it.
//!
//! **Invariant:** whoever is sent away was told a while before; whatever the client says begins that time anew.

use std::time::Duration;

use pact_proto::model::entry::SessionKind;
use pact_proto::wire::v1::client_message::Kind;
use pact_proto::wire::v1::server_message::Kind as Reply;
use pact_proto::wire::v1::{Marks, Notice};
use tokio::time::{Instant, sleep_until};

use super::inbound::Inbound;
use super::{Over, Session};

/// How often is looked what has changed.
const PACE: Duration = Duration::from_secs(1);
/// How long before the end somebody is told; half of the time, where that is less.
const LEAD: Duration = Duration::from_secs(60);

/// A journal that is there again in this time was not away.
const AWAY: Duration = Duration::from_secs(3);

/// When an unused prompt is told, and when it ends.
struct Idle {
    told_at: Instant,
    ends_at: Instant,
    was_told: bool,
}

impl Idle {
    fn new(after: Duration) -> Self {
        let ends_at = Instant::now() + after;
        Self { told_at: ends_at - LEAD.min(after / 2), ends_at, was_told: false }
    }
}

impl Session<'_> {
    /// The next thing that the client says.
    pub(super) async fn attend(&mut self, inbound: &mut Inbound) -> Result<Kind, Over> {
        if self.kind != SessionKind::Repl {
            return inbound.next().await;
        }
        let after = self.node.policy.limits().idle_seconds;
        let mut idle = (after > 0).then(|| Idle::new(Duration::from_secs(after)));
        let mut look_at = Instant::now();
        loop {
            let wake_at = idle.as_ref().map_or(look_at, |idle| look_at.min(idle.ends_at));
            tokio::select! {
                biased;
                message = inbound.next() => return message,
                () = sleep_until(wake_at) => {}
            }
            self.tell_marks().await?;
            look_at = Instant::now() + PACE;
            if let Some(idle) = &mut idle {
                self.tell_idle(idle, after).await?;
                look_at = if idle.was_told { look_at } else { look_at.min(idle.told_at) };
            }
        }
    }

    async fn tell_idle(&self, idle: &mut Idle, after: u64) -> Result<(), Over> {
        let now = Instant::now();
        if now >= idle.ends_at {
            return Err(Over::Idle);
        }
        if now >= idle.told_at && !idle.was_told {
            idle.was_told = true;
            let left = (idle.ends_at - now).as_secs_f64().ceil();
            let text = format!("nobody has used this session for a while: it ends in {left:.0} s (after {after} s)");
            self.out.send(Reply::Notice(Notice { text })).await?;
        }
        Ok(())
    }

    /// What the right prompt shows, where it has changed.
    async fn tell_marks(&mut self) -> Result<(), Over> {
        let marks = self.marks();
        if marks == self.told_marks {
            return Ok(());
        }
        for text in told(&self.told_marks, &marks) {
            self.out.send(Reply::Notice(Notice { text })).await?;
        }
        self.told_marks.clone_from(&marks);
        Ok(self.out.send(Reply::Marks(Marks { marks })).await?)
    }

    /// What is not as it should be, a word or two each.
    fn marks(&self) -> Vec<String> {
        let is_away =
            self.node.uplink.as_ref().is_some_and(|uplink| uplink.away().is_some_and(|(time, _)| time >= AWAY));
        let no_room = !self.node.spool.has_room();
        let marks = [(is_away, JOURNAL_AWAY), (no_room, DISK_FULL)];
        marks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| mark.to_owned()).collect()
    }
}

const JOURNAL_AWAY: &str = "journal away";
const DISK_FULL: &str = "records full";

/// A sentence for each mark that came or went.
fn told(before: &[String], now: &[String]) -> Vec<String> {
    let changes = [
        (JOURNAL_AWAY, "the journal does not answer; `status` says why", "the journal answers again"),
        (DISK_FULL, "the disk of this node's records is full, so no program starts", "there is room for records again"),
    ];
    let has = |marks: &[String], mark: &str| marks.iter().any(|other| other == mark);
    let change = |(mark, came, went): (&str, &str, &str)| match (has(before, mark), has(now, mark)) {
        (false, true) => Some(came.to_owned()),
        (true, false) => Some(went.to_owned()),
        (true, true) | (false, false) => None,
    };
    changes.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_told_once() {
        let marks = |marks: &[&str]| marks.iter().map(|mark| (*mark).to_owned()).collect::<Vec<_>>();
        let (none, away, both) = (marks(&[]), marks(&[JOURNAL_AWAY]), marks(&[JOURNAL_AWAY, DISK_FULL]));
        assert_eq!(told(&none, &none), Vec::<String>::new());
        assert_eq!(told(&none, &away), ["the journal does not answer; `status` says why"]);
        assert_eq!(told(&away, &both), ["the disk of this node's records is full, so no program starts"]);
        assert_eq!(told(&both, &away), ["there is room for records again"]);
        assert_eq!(told(&both, &none).len(), 2);
    }
}
