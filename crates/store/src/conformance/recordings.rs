//! References to recordings.

use super::*;

fn recording(company: CompanyId, n: u64) -> Recording {
    Recording {
        call: call_id(n),
        company,
        filename: format!("20231115/9027_{n}.wav"),
        seconds: 0,
        bytes: 0,
        created_at: at(n),
    }
}

pub(super) fn a_recording_is_found_by_its_company_alone(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let first = recording(scene.company, 1);
    store.put_recording(&first).unwrap();
    let found = |company, filename: &str| store.recording(company, filename).unwrap();
    assert_eq!(found(scene.company, &first.filename), Some(first.clone()));
    assert_eq!(found(other, &first.filename), None);
    assert_eq!(found(scene.company, "20231115/9027_2.wav"), None);
    assert_eq!(found(scene.company, ""), None);
}

pub(super) fn a_recording_is_completed_in_any_order(store: &dyn Store) {
    let scene = Scene::new(store);
    for n in [1, 2] {
        let begun = recording(scene.company, n);
        let ended = Recording { seconds: 61, bytes: 1_952_044, ..begun.clone() };
        let mut rows = [&begun, &ended, &ended];
        if n == 2 {
            rows.reverse();
        }
        for row in rows {
            store.put_recording(row).unwrap();
        }
        assert_eq!(store.recording(scene.company, &begun.filename).unwrap(), Some(ended));
    }
}

pub(super) fn a_filename_is_one_calls(store: &dyn Store) {
    let scene = Scene::new(store);
    let first = recording(scene.company, 1);
    store.put_recording(&first).unwrap();
    let second = Recording { call: call_id(2), ..first };
    assert_eq!(taken(store.put_recording(&second)), "filename");
}

pub(super) fn expired_recordings_come_oldest_first_and_can_be_deleted(store: &dyn Store) {
    let scene = Scene::new(store);
    for n in [3, 1, 2, 4] {
        store.put_recording(&recording(scene.company, n)).unwrap();
    }
    let expired = |seconds, limit| -> Vec<CallId> {
        store.expired_recordings(scene.company, at(seconds), limit).unwrap().iter().map(|r| r.call).collect()
    };
    assert_eq!(store.expired_recordings(CompanyId(99), at(9), 10).unwrap(), []);
    assert_eq!(expired(1, 10), []);
    assert_eq!(expired(4, 10), [1, 2, 3].map(call_id));
    assert_eq!(expired(9, 2), [1, 2].map(call_id));
    store.delete_recording(call_id(1)).unwrap();
    store.delete_recording(call_id(1)).unwrap();
    assert_eq!(expired(9, 2), [2, 3].map(call_id));
    assert_eq!(store.recording(scene.company, "20231115/9027_1.wav").unwrap(), None);
}
