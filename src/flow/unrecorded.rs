//! Events that strangers can cause as often as they like: recorded within a budget for each
//! network, and one for all together; beyond it they are counted, and the count is recorded.
//!
//! What was refused stays refused: the budget is of the audit, never of the answer.

use super::{journal::own_work, world::World};
use crate::{
    account::throttle::network,
    audit::{Event, Origin},
    base::moment::Span,
    cluster::Take,
    limit::Rule,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Events of one network at once, and how often one more.
const OF_A_NETWORK: (u32, Span) = (30, Span::seconds(10));
/// Events of all networks at once, and how often one more.
const OF_ALL: (u32, Span) = (1000, Span::millis(200));

/// How many were left out since it was last told.
#[derive(Debug, Default)]
pub struct Unrecorded(AtomicU64);

/// Notes what a stranger did, or only counts it.
pub async fn note_within_budget(world: &World, origin: &Origin, event: Event) {
    let network = origin.address.map_or_else(|| "none".to_owned(), network);
    let (own, all) = (format!("audit:{network}"), "audit:all".to_owned());
    let rule = |(burst, every)| Rule::every(every, burst);
    let mut takes = [Take::one(&own, rule(OF_A_NETWORK)), Take::one(&all, rule(OF_ALL))];
    match world.counters.take_all(&mut takes, world.now()).await {
        Ok(()) => world.note(origin, event),
        Err(_) => {
            world.unrecorded.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Records how many were left out since the last time, if any were.
pub fn tell(world: &World) {
    let count = world.unrecorded.0.swap(0, Ordering::Relaxed);
    if count > 0 {
        world.note(&own_work(&world.node), Event::AuditThinned { count });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::Event, base::id::ClientId, flow::sample::in_sample, flow::sweep};

    fn refused() -> Event {
        let client = ClientId::parse("cli_nobody").unwrap();
        Event::ClientAuthenticationFailed { client, method: "none", why: "no such client" }
    }

    #[test]
    fn a_network_fills_no_audit_and_takes_nothing_from_another() {
        in_sample(async |sample| {
            let world = &sample.world;
            let from = |address: &str| Origin { address: address.parse().ok(), ..own_work("a") };
            for n in 0..100 {
                note_within_budget(world, &from(&format!("2001:db8::{n:x}")), refused()).await;
            }
            note_within_budget(world, &from("192.0.2.1"), refused()).await;
            tell(world);
            tell(world);
            sweep::flush(world).await.unwrap();
            let events = sample.events().await;
            let of = |kind: &str| events.iter().filter(|e| *e == kind).count();
            assert_eq!((of("client.refused"), of("audit.thinned")), (31, 1));
            sample.clock.advance(Span::seconds(10));
            note_within_budget(world, &from("2001:db8::1"), refused()).await;
            sweep::flush(world).await.unwrap();
            assert_eq!(sample.events().await.iter().filter(|e| *e == "client.refused").count(), 32);
        });
    }

    #[test]
    fn a_thousand_networks_fill_no_audit_either() {
        in_sample(async |sample| {
            for n in 0..1500u32 {
                let address = std::net::Ipv4Addr::from_bits(n << 8);
                let origin = Origin { address: Some(address.into()), ..own_work("a") };
                note_within_budget(&sample.world, &origin, refused()).await;
            }
            assert_eq!(sample.world.unrecorded.0.load(Ordering::Relaxed), 500);
        });
    }
}
