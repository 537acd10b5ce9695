//! What was taken goes into the log, in order, and is acknowledged from there.
//!
//! **Invariant:** what comes a second time is acknowledged only where it is, byte for byte, what came the first time.

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::admission::Rejection;
use super::reading::Batch;
use super::{ANSWER, Over, Replies, acknowledge, look, no_answer};
use crate::chain::Seq;
use crate::entry::{Answer, Item};
use crate::group::AppendError;
use crate::journal::Journal;

/// So many entries go into the log in one call, and are acknowledged together.
const MOST_AT_ONCE: usize = 1024;

/// Appends until nothing comes any more. Numbers below `next` are in the log already. Whoever reads stops when this has
/// returned: the receiver is gone then.
pub(super) async fn append(
    journal: &Journal,
    next: u64,
    mut batches: mpsc::Receiver<Batch>,
    out: &Replies,
) -> Result<(), Over> {
    while let Some(batch) = batches.recv().await {
        let mut items = batch.items.into_iter();
        loop {
            let some: Vec<_> = items.by_ref().take(MOST_AT_ONCE).collect();
            let Some(&(last, _)) = some.last() else { break };
            append_some(journal, next, some).await?;
            acknowledge(out, last).await?;
        }
    }
    Ok(())
}

async fn append_some(journal: &Journal, next: u64, some: Vec<(u64, Item)>) -> Result<(), Over> {
    let (numbers, items): (Vec<_>, Vec<_>) = some.into_iter().unzip();
    let repeated: Vec<_> =
        numbers.iter().zip(&items).map_while(|(n, i)| (*n < next).then(|| i.payload.clone())).collect();
    let answers = match timeout(ANSWER, journal.append(items)).await {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => return Err(no_place(error, numbers.first().copied().unwrap_or_default())),
        Err(_) => return Err(no_answer()),
    };
    let mut repeated = repeated.into_iter();
    for (number, answer) in numbers.into_iter().zip(answers) {
        match (answer, repeated.next()) {
            (Answer::Appended(_), _) | (Answer::Known(_), None) => {}
            (Answer::Known(seq), Some(sent)) => is_the_same(journal, seq, number, sent).await?,
            (Answer::Gap(first), _) => return Err(rejected(number, format!("entry {first} must come first"))),
            (Answer::Zero, _) => return Err(rejected(number, "numbers count from 1".to_owned())),
        }
    }
    Ok(())
}

/// Whoever can write into a spool can write what is in the log already in another way.
async fn is_the_same(journal: &Journal, seq: Seq, number: u64, sent: Vec<u8>) -> Result<(), Over> {
    let known = look(journal, move |reader| reader.get(seq)).await?;
    if known.is_some_and(|known| known.item.payload == sent) {
        return Ok(());
    }
    Err(rejected(number, format!("it is not what came under its number before, which is record {}", seq.0)))
}

fn no_place(error: AppendError, number: u64) -> Over {
    match error {
        AppendError::Invalid(_) | AppendError::TooMuch => rejected(number, error.to_string()),
        AppendError::Unavailable(_) => Over::Ended(error.to_string()),
    }
}

fn rejected(number: u64, reason: String) -> Over {
    Over::Rejected(Rejection { number, reason })
}
