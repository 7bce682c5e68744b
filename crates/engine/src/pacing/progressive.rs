//! Progressive: n = I − R − W.

use crate::RatioMilli;

/// One call for each idle agent.
pub(crate) const RATIO: RatioMilli = 1000;
