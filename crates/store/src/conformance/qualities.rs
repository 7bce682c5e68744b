//! How the legs of calls sounded.

use super::*;

fn leg(packets_in: u64) -> LegQuality {
    LegQuality {
        packets_in,
        lost_in: 3,
        duplicates_in: 1,
        jitter_in_us: 2500,
        mos_in: Some(431),
        packets_out: u64::from(u32::MAX),
        lost_out: Some(0),
        jitter_out_us: None,
        mos_out: Some(440),
        round_trip_us: Some(81_000),
    }
}

/// A call that was connected, with its bill.
fn finished(scene: &Scene<'_>) -> CallId {
    let id = scene.running("measured", 1);
    scene.call(T0, id, Outcome::Connected).call
}

fn known(scene: &Scene<'_>, call: CallId) -> CallQuality {
    let of_call = scene.store.call(scene.company, call).unwrap().expect("a call").quality;
    let bills = scene.store.bills_after(scene.company, &bills::all(), None, 10).unwrap();
    let bill = bills.iter().find(|bill| bill.call == call).expect("a bill");
    assert_eq!(bill.quality, of_call);
    of_call
}

pub(super) fn each_leg_is_known_once_it_was_measured_and_the_last_word_counts(store: &dyn Store) {
    let scene = Scene::new(store);
    let call = finished(&scene);
    assert_eq!(known(&scene, call), CallQuality::default());
    let put = |customer, agent| {
        let quality = CallQuality { customer, agent };
        let other = Measured { company: CompanyId(99), call, quality: CallQuality::default() };
        store.put_qualities(&[Measured { company: scene.company, call, quality }, other]).unwrap();
    };
    put(None, Some(leg(1)));
    put(Some(leg(2)), None);
    put(None, Some(leg(3)));
    assert_eq!(known(&scene, call), CallQuality { customer: Some(leg(2)), agent: Some(leg(3)) });
    store.put_qualities(&[]).unwrap();
}

pub(super) fn what_is_old_is_forgotten(store: &dyn Store) {
    let scene = Scene::new(store);
    let calls = [1, 400].map(|day: u64| CallId::from_parts(day * 86_400_000, 1));
    let quality = CallQuality { customer: Some(leg(1)), agent: None };
    let measured = calls.map(|call| Measured { company: scene.company, call, quality });
    store.put_qualities(&measured).unwrap();
    let before = Timestamp(30 * 86_400_000_000);
    assert_eq!(store.forget_personal(scene.company, before, 10).unwrap(), 1);
    assert_eq!(store.forget_personal(scene.company, before, 10).unwrap(), 0);
}
