//! Checks two promises of the proxy: `reset` ends a connection with RST, and `truncate` ends it after exactly the configured number of bytes.

use super::endpoints::MeasuredEdge;
use super::{Measured, Outcome};
use crate::toxic::{Ending, Reset, Toxic, Truncate};

const CONNECTIONS: usize = 5;
const LIMIT: usize = 1_000;

pub(super) async fn reset_open(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = edge.client().await?;
        client.ping().await?;
        clients.push(client);
    }
    let _guard = edge.add(Toxic::Reset(Reset {}))?;
    let mut reset = 0;
    // `(0, false)`: no byte arrived, and the connection did not end with FIN.
    for client in &mut clients {
        reset += usize::from(client.read_to_end().await == (0, false));
    }
    Ok(judge_resets(reset))
}

pub(super) async fn reset_new(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let _guard = edge.add(Toxic::Reset(Reset {}))?;
    let mut reset = 0;
    for _ in 0..CONNECTIONS {
        // The reset may arrive while the client is still connecting.
        reset += match edge.client().await {
            Ok(mut client) => usize::from(client.read_to_end().await == (0, false)),
            Err(error) => usize::from(error.kind() == std::io::ErrorKind::ConnectionReset),
        };
    }
    Ok(judge_resets(reset))
}

fn judge_resets(reset: usize) -> Measured {
    Measured { text: format!("RST on {reset} of {CONNECTIONS}"), holds: reset == CONNECTIONS }
}

pub(super) async fn limit(seed: u64) -> Outcome {
    let edge = MeasuredEdge::open(seed).await?;
    let _guard = edge.add(Toxic::Truncate(Truncate { bytes: LIMIT as u64, ending: Ending::Close }))?;
    let mut client = edge.client().await?;
    client.request(5 * LIMIT, 0).await?;
    let (bytes, in_order) = client.read_to_end().await;
    Ok(judge_limit(bytes, in_order))
}

fn judge_limit(bytes: usize, in_order: bool) -> Measured {
    let text = format!("{bytes} bytes, then {}", if in_order { "FIN" } else { "RST" });
    Measured { text, holds: bytes == LIMIT && in_order }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncation_by_another_byte_count_or_ending_does_not_hold() {
        assert!(judge_limit(1_000, true).holds);
        assert!(!judge_limit(1_001, true).holds && !judge_limit(999, true).holds && !judge_limit(1_000, false).holds);
    }

    #[test]
    fn a_single_connection_without_rst_does_not_hold() {
        assert_eq!(judge_resets(4), Measured { text: "RST on 4 of 5".into(), holds: false });
        assert!(judge_resets(5).holds);
    }
}
