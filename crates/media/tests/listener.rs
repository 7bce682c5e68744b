//! Listening allocates nothing: a listener runs for every call, 50 times a second.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use media::detect::{AmdConfig, Label, Library, Listener, ListenerConfig};
use media::speech_like::SpeechLike;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn listening_allocates_nothing() {
    let sound = SpeechLike::new(1).sound(Duration::from_secs(4));
    let mut library = Library::default();
    let label = Label::new(Label::SWITCHED_OFF).expect("a good label");
    library.learn([(label, &sound)]).expect("a sound that can be learned");
    let config = ListenerConfig {
        library: Some(Arc::new(library)),
        amd: Some(AmdConfig::default()),
        ..ListenerConfig::default()
    };
    let mut listener = Listener::new(config);
    listener.answered();
    // The tables of the transforms are made with the first frame.
    listener.feed(&[0; 160]);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for frame in sound.frames() {
        listener.feed(&frame);
        while listener.poll().is_some() {}
    }
    listener.lost();
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
}
