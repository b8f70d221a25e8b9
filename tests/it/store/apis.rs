//! APIs, plans and families.

use super::{
    keys::{ann, api, family, keyed, plan, policy, told},
    *,
};
use keywright::{
    apikey::{
        api::Api,
        family::{Family, Owner},
        plan::Plan,
    },
    base::id::{FamilyId, PlanId},
    store::{Taken, feed::Subject, key_families::FamilyFilter},
};

#[test]
fn a_plan_comes_back_and_of_two_who_change_it_one_does() {
    each(|db| {
        let (one, two) = (plan(1), plan(2));
        write(&db.store, |tx| {
            let mut plans = tx.plans();
            assert_eq!(plans.insert(&plan(1))?, Ok(()));
            assert_eq!(plans.insert(&Plan { name: "other".into(), ..plan(1) })?, Err(Taken), "its identifier");
            assert_eq!(plans.insert(&Plan { name: "plan 1".into(), ..plan(2) })?, Err(Taken), "its name");
            assert_eq!(plans.insert(&plan(2))?, Ok(()));
            Ok(())
        });
        assert_eq!(read(&db.store, |tx| tx.plans().find(&PlanId::from_u128(1))), Some(one.clone()));
        assert_eq!(read(&db.store, |tx| tx.plans().by_name("plan 2")), Some(two));
        assert_eq!(read(&db.store, |tx| tx.plans().by_name("plan 3")), None);
        assert_eq!(told(db), []);
        let changed = at_once(4, |n| {
            let next = Plan { name: format!("by {n}"), version: 2, ..plan(1) };
            write(&db.store, move |tx| Ok(tx.plans().replace(&next)?.unwrap()))
        });
        assert_eq!(changed.iter().filter(|changed| **changed).count(), 1, "{changed:?}");
        let winner = changed.iter().position(|changed| *changed).unwrap();
        let stored = read(&db.store, |tx| tx.plans().find(&PlanId::from_u128(1))).unwrap();
        assert_eq!(stored, Plan { name: format!("by {winner}"), version: 2, ..one });
        assert_eq!(told(db), [(Subject::Plan, PlanId::from_u128(1).to_string())]);
        let clash = Plan { name: "plan 2".into(), version: 3, ..plan(1) };
        assert_eq!(write(&db.store, move |tx| tx.plans().replace(&clash)), Err(Taken));
        assert_eq!(write(&db.store, |tx| tx.plans().replace(&Plan { version: 2, ..plan(9) })), Ok(false), "unknown");
    });
}

#[test]
fn of_two_plans_that_take_the_same_name_at_once_one_gets_it() {
    each(|db| {
        write(&db.store, |tx| {
            tx.plans().insert(&plan(1))?.unwrap();
            tx.plans().insert(&plan(2))?.unwrap();
            Ok(())
        });
        let outcomes = at_once(3, |n| {
            write(&db.store, move |tx| {
                let named = Plan { name: "gold".into(), version: 2, ..plan(n as u128 + 1) };
                let taken =
                    if n == 2 { tx.plans().insert(&named)?.is_err() } else { tx.plans().replace(&named)?.is_err() };
                std::thread::sleep(std::time::Duration::from_millis(20));
                Ok(taken)
            })
        });
        assert_eq!(outcomes.iter().filter(|taken| !**taken).count(), 1, "{outcomes:?}");
    });
}

#[test]
fn an_api_is_found_by_its_name_and_its_audience_and_disabled_by_its_next_version() {
    each(|db| {
        write(&db.store, |tx| {
            tx.plans().insert(&plan(1))?.unwrap();
            let mut apis = tx.apis();
            assert_eq!(apis.insert(&Api { plan: Some(plan(1).id), ..api(1) })?, Ok(()));
            let same_audience = Api { audience: api(1).audience, ..api(2) };
            let same_name = Api { name: api(1).name, ..api(2) };
            assert_eq!((apis.insert(&same_audience)?, apis.insert(&same_name)?), (Err(Taken), Err(Taken)));
            assert_eq!(apis.insert(&api(2))?, Ok(()));
            let clash = |api: Api| Api { version: 2, ..api };
            assert_eq!(apis.replace(&clash(same_audience))?, Err(Taken));
            assert_eq!(apis.replace(&clash(same_name))?, Err(Taken));
            Ok(())
        });
        let stored = Api { plan: Some(plan(1).id), ..api(1) };
        let found = read(&db.store, |tx| {
            Ok([tx.apis().find(&api(1).id)?, tx.apis().by_name("api-1")?, tx.apis().by_audience(&api(1).audience)?])
        });
        assert_eq!(found, [Some(stored.clone()), Some(stored.clone()), Some(stored)]);
        let disabled = Api { disabled_at: Some(START), version: 2, updated_at: START + Span::hours(1), ..api(1) };
        let next = disabled.clone();
        assert_eq!(write(&db.store, move |tx| tx.apis().replace(&next)), Ok(true));
        assert_eq!(read(&db.store, |tx| tx.apis().find(&api(1).id)), Some(disabled), "it names no plan any more");
        assert_eq!(told(db), [(Subject::Api, api(1).id.to_string())]);
        let stale = Api { version: 2, ..api(1) };
        assert_eq!(write(&db.store, move |tx| tx.apis().replace(&stale)), Ok(false));
        let enabled = Api { version: 3, ..api(1) };
        assert_eq!(write(&db.store, move |tx| tx.apis().replace(&enabled)), Ok(true));
        assert_eq!(read(&db.store, |tx| tx.apis().find(&api(1).id)).unwrap().disabled_at, None);
    });
}

#[test]
fn apis_plans_and_families_are_listed_in_pages_and_by_what_is_asked() {
    each(|db| {
        populate(db);
        write(&db.store, |tx| {
            for n in 1..=5 {
                tx.plans().insert(&plan(n))?.unwrap();
                tx.apis().insert(&api(n))?.unwrap();
                let owner = if n % 2 == 0 { Owner::Client(client()) } else { ann() };
                tx.key_families().insert(&family(n, owner))?.unwrap();
            }
            tx.key_families().insert_many(&[family(5, ann()), Family { api: api(2).id, ..family(6, ann()) }])?;
            Ok(tx.key_families().insert(&family(5, ann()))?.unwrap_err())
        });
        let plans = read(&db.store, |tx| Ok([tx.plans().list(None, 2)?, tx.plans().list(Some(&plan(2).id), 9)?]));
        assert_eq!(plans.concat(), (1..=5).map(plan).collect::<Vec<_>>());
        let apis = read(&db.store, |tx| Ok([tx.apis().list(None, 2)?, tx.apis().list(Some(&api(2).id), 9)?]));
        assert_eq!(apis.concat(), (1..=5).map(api).collect::<Vec<_>>());
        let families = |filter: FamilyFilter, after: Option<u128>, n: i64| {
            let found =
                read(&db.store, move |tx| tx.key_families().list(&filter, after.map(FamilyId::from_u128).as_ref(), n));
            found.iter().map(|family| family.id.to_u128().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(families(FamilyFilter::default(), None, 4), [1, 2, 3, 4]);
        assert_eq!(families(FamilyFilter::default(), Some(4), 4), [5, 6]);
        assert_eq!(families(FamilyFilter { owner: Some(ann()), api: None }, Some(1), 9), [3, 5, 6]);
        assert_eq!(families(FamilyFilter { owner: Some(ann()), api: Some(api(2).id) }, None, 9), [6]);
    });
}

#[test]
fn a_family_comes_back_and_of_two_who_change_it_one_does() {
    each(|db| {
        keyed(db);
        write(&db.store, |tx| tx.plans().insert(&plan(1))).unwrap();
        assert_eq!(read(&db.store, |tx| tx.key_families().find(&FamilyId::from_u128(1))), Some(family(1, ann())));
        let changed = at_once(4, |n| {
            let next = Family {
                name: n.to_string(),
                plan: Some(plan(1).id),
                client: None,
                policy: policy("y"),
                version: 2,
                ..family(1, ann())
            };
            write(&db.store, move |tx| tx.key_families().replace(&next))
        });
        assert_eq!(changed.iter().filter(|changed| **changed).count(), 1, "{changed:?}");
        let stored = read(&db.store, |tx| tx.key_families().find(&FamilyId::from_u128(1))).unwrap();
        assert_eq!((stored.client, stored.plan, stored.version), (None, Some(plan(1).id), 2));
        assert_eq!(told(db), [(Subject::KeyFamily, FamilyId::from_u128(1).to_string())]);
    });
}
