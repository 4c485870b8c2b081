//! The promise about randomness: a seed repeats a run, and another seed gives another run.

use super::endpoints::MeasuredEdge;
use super::{Measured, Outcome};
use crate::rules::Rule;
use crate::toxic::{Reset, Toxic};
use std::io;

const CONNECTIONS: usize = 40;

pub(super) async fn seeds(seed: u64) -> Outcome {
    Ok(judge(&[hit(seed).await?, hit(seed).await?, hit(seed.wrapping_add(1)).await?]))
}

/// Returns for each connection whether it was reset.
async fn hit(seed: u64) -> io::Result<Vec<bool>> {
    let edge = MeasuredEdge::open(seed).await?;
    let _guard = edge.proxy.add(Rule::new(Toxic::Reset(Reset {})).share(0.5)).map_err(io::Error::other)?;
    let mut hit = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let mut client = edge.client().await?;
        client.request(2, number).await?;
        hit.push(client.read_reply(2).await.is_err());
    }
    Ok(hit)
}

fn judge(runs: &[Vec<bool>; 3]) -> Measured {
    let [first, again, other] = runs;
    let counts = runs.each_ref().map(|run| run.iter().filter(|hit| **hit).count());
    let word = |same: bool| if same { "same" } else { "different" };
    let text = format!(
        "same, {}, {}; {} of {CONNECTIONS}, {}, {} reset",
        word(first == again),
        word(first == other),
        counts[0],
        counts[1],
        counts[2]
    );
    // All or none of the connections would also be the same in both runs, and would not prove that the seed decides.
    let some = counts.iter().all(|count| (1..CONNECTIONS).contains(count));
    Measured { text, holds: first == again && first != other && some }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_seed_or_share_does_not_hold() {
        let run = |step: usize| (0..CONNECTIONS).map(|number| number % step == 0).collect::<Vec<_>>();
        let measured = judge(&[run(2), run(2), run(3)]);
        assert_eq!(measured, Measured { text: "same, same, different; 20 of 40, 20, 14 reset".into(), holds: true });
        assert!(!judge(&[run(2), run(2), run(2)]).holds, "the seed is ignored");
        assert!(!judge(&[run(2), run(3), run(4)]).holds, "a seed does not repeat");
        assert!(!judge(&[run(1), run(1), run(100)]).holds, "all are hit");
    }
}
