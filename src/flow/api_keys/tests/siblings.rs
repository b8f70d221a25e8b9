//! Keys of one family whose limits differ, at one counter.

use super::{super::show, *};
use crate::base::moment::Moment;

#[test]
fn a_key_with_a_lower_limit_gets_no_more_than_that_whatever_was_debited_for_others_and_no_less() {
    in_sample(async |sample| {
        let world = &sample.world;
        api(&sample, limits(1000, 1_000_000)).await;
        let key = made(&sample, json!({})).await;
        let entry = show::entry(world, &Caller::Operator, &key.key.id).await.unwrap();
        let (_, high) = &entry.meters[0];
        let name = high.counter_of(Moment::EPOCH).name;
        let low = slices::Meter::new(&key.family.id, &name, (3, high.per), 1);
        slices::spend(world, high, 1).await.unwrap();
        assert!(world.api_keys.slices.in_hand() > 3, "the family is debited ahead");
        for _ in 0..2 {
            slices::spend(world, &low, 1).await.unwrap();
        }
        assert!(matches!(slices::spend(world, &low, 1).await, Err(Stop::Refusal(_))), "three are used");
        slices::spend(world, high, 1).await.unwrap();
        slices::give_back_all(world).await.unwrap();
        let left = slices::counted(world, &entry).await.unwrap();
        assert_eq!(left[0].remaining, 999_996, "four calls, and nothing lost");
    });
}
