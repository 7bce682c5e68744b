//! Calls for a number of idle agents: n = ⌊r·I⌋ − R − W.

use super::UNIT;
use crate::RatioMilli;

/// r·I in `UNIT`s, for `idle` in `UNIT`s. A ratio below one still gives the only idle agent its call: nobody would ever
/// be called otherwise.
pub(crate) fn target(idle: i64, ratio: RatioMilli) -> i64 {
    let calls = i128::from(idle) * i128::from(ratio) / 1000;
    i64::try_from(calls).unwrap_or(i64::MAX).max(idle.min(UNIT))
}
