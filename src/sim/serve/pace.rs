//! Time as fast as it goes: from one event of the cluster to the next while no request is being answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::world::Sim;
use super::limits::Limits;

/// When nobody asked anything for so long, time goes as on the wall: a pod that crashes for ever must not keep a processor busy for nobody.
const NOBODY: Duration = Duration::from_secs(5);

/// How long to wait before looking again.
const LOOK: Duration = Duration::from_millis(1);

/// Jumps that are made in one go, before clients get their turn.
const JUMPS: usize = 64;

pub async fn hurry(sim: Sim, limits: Arc<Limits>) {
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let (asked, busy) = limits.asked();
        if busy || asked != seen {
            (seen, since) = (asked, Instant::now());
        }
        if !busy && since.elapsed() < NOBODY {
            for _ in 0..JUMPS {
                if !sim.jump_to_next() {
                    break;
                }
                if limits.asked().1 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
