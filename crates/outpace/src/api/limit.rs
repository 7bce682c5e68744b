//! Request rate and failed logins, counted in tables of bounded size.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

const ENTRIES_MAX: usize = 10_000;
const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// A client as the limits see it: an IPv4 address, or the /64 network that one IPv6 host commands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Client(IpAddr);

impl Client {
    pub fn of(address: IpAddr) -> Client {
        match address.to_canonical() {
            IpAddr::V6(v6) => Client(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)))),
            v4 => Client(v4),
        }
    }
}

/// A token bucket for each client: `per_second` on average, as many at once.
pub struct RequestLimit {
    per_second: f64,
    buckets: HashMap<Client, Bucket>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl RequestLimit {
    /// `per_second` 0: no limit.
    pub fn new(per_second: u32) -> RequestLimit {
        RequestLimit { per_second: f64::from(per_second), buckets: HashMap::new() }
    }

    /// Takes one request from the client's bucket; false when there is none left.
    pub fn admit(&mut self, now: Instant, client: Client) -> bool {
        if self.per_second == 0.0 {
            return true;
        }
        let full = self.per_second;
        make_room(&mut self.buckets, &client, |b| now.duration_since(b.at) > Duration::from_secs(1));
        let bucket = self.buckets.entry(client).or_insert(Bucket { left: full, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * full;
        bucket.left = (bucket.left + gained).min(full);
        bucket.at = now;
        let admitted = bucket.left >= 1.0;
        if admitted {
            bucket.left -= 1.0;
        }
        admitted
    }
}

/// Failures in the minute, or another time, that began with the first one.
pub struct FailureLimit<K> {
    window: Duration,
    failures_max: u32,
    failures: HashMap<K, Failures>,
}

struct Failures {
    count: u32,
    since: Instant,
}

impl<K: Eq + Hash + Clone> FailureLimit<K> {
    /// `per_minute` 0: no limit.
    pub fn new(per_minute: u32) -> FailureLimit<K> {
        FailureLimit::within(FAILURE_WINDOW, per_minute)
    }

    /// `failures_max` 0: no limit.
    pub fn within(window: Duration, failures_max: u32) -> FailureLimit<K> {
        FailureLimit { window, failures_max, failures: HashMap::new() }
    }

    pub fn is_blocked(&self, now: Instant, key: &K) -> bool {
        let recent = self.failures.get(key).filter(|f| is_recent(f, now, self.window));
        self.failures_max > 0 && recent.is_some_and(|f| f.count >= self.failures_max)
    }

    pub fn failed(&mut self, now: Instant, key: K) {
        let window = self.window;
        make_room(&mut self.failures, &key, |f| !is_recent(f, now, window));
        let entry = self.failures.entry(key).or_insert(Failures { count: 0, since: now });
        if !is_recent(entry, now, window) {
            *entry = Failures { count: 0, since: now };
        }
        entry.count = entry.count.saturating_add(1);
    }

    pub fn succeeded(&mut self, key: &K) {
        self.failures.remove(key);
    }
}

fn is_recent(failures: &Failures, now: Instant, window: Duration) -> bool {
    now.saturating_duration_since(failures.since) < window
}

/// Room for one more: first the stale entries go, then any tenth of the others, so that a flood of new keys pays for a
/// sweep of the table only now and then.
pub fn make_room<K: Eq + Hash + Clone, V>(table: &mut HashMap<K, V>, key: &K, is_stale: impl Fn(&V) -> bool) {
    if table.len() < ENTRIES_MAX || table.contains_key(key) {
        return;
    }
    table.retain(|_, v| !is_stale(v));
    if table.len() >= ENTRIES_MAX * 9 / 10 {
        let some: Vec<K> = table.keys().take(ENTRIES_MAX / 10).cloned().collect();
        some.iter().for_each(|k| {
            table.remove(k);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> Client {
        Client::of(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn requests_past_the_rate_are_refused_for_this_client_only() {
        let start = Instant::now();
        let mut limit = RequestLimit::new(2);
        assert!(limit.admit(start, client(1)));
        assert!(limit.admit(start, client(1)));
        assert!(!limit.admit(start, client(1)));
        assert!(limit.admit(start, client(2)));
        assert!(limit.admit(start + Duration::from_millis(600), client(1)));
        assert!(!limit.admit(start + Duration::from_millis(600), client(1)));
    }

    #[test]
    fn zero_means_no_limit() {
        let now = Instant::now();
        let mut limit = RequestLimit::new(0);
        assert!((0..10_000).all(|_| limit.admit(now, client(1))));
        let mut limit = FailureLimit::new(0);
        limit.failed(now, 1);
        assert!(!limit.is_blocked(now, &1));
    }

    #[test]
    fn failures_block_until_the_minute_is_over_or_one_succeeds() {
        let start = Instant::now();
        let mut limit = FailureLimit::new(2);
        limit.failed(start, "a");
        assert!(!limit.is_blocked(start, &"a"));
        limit.failed(start, "a");
        assert!(limit.is_blocked(start, &"a"));
        assert!(!limit.is_blocked(start, &"b"));
        assert!(!limit.is_blocked(start + FAILURE_WINDOW, &"a"));
        limit.succeeded(&"a");
        assert!(!limit.is_blocked(start, &"a"));
    }

    #[test]
    fn the_tables_stay_bounded() {
        let now = Instant::now();
        let mut limit = FailureLimit::new(2);
        (0..3 * ENTRIES_MAX).for_each(|k| limit.failed(now, k));
        assert!(limit.failures.len() <= ENTRIES_MAX);
    }

    #[test]
    fn one_ipv6_network_is_one_client_and_mapped_ipv4_is_ipv4() {
        let of = |text: &str| Client::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), client(1));
    }
}
