//! SIP status and Q.850 cause → outcome and hang-up code.

use engine::{Cause, Failure, Outcome};

/// For a customer leg that was not answered. `local`: the status was made here (408: nothing came; 503: the transport
/// failed), not received.
pub fn customer_failure(status: u16, q850: Option<u16>, local: bool) -> Failure {
    let (outcome, cause) = match (status, local) {
        (408, true) => (Outcome::Failed, Cause::TIMER),
        (_, true) => (Outcome::Failed, Cause::TRUNK_FAILED),
        _ => by_q850(status, q850).unwrap_or_else(|| by_status(status)),
    };
    Failure { outcome, cause, sip_status: status }
}

fn by_status(status: u16) -> (Outcome, Cause) {
    match status {
        486 | 600 => (Outcome::Busy, Cause::BUSY),
        // 480 is what carriers send for a phone that is off or out of reach.
        480 => (Outcome::NoAnswer, Cause::UNREACHABLE),
        408 => (Outcome::NoAnswer, Cause::REQUEST_TIMEOUT),
        487 => (Outcome::NoAnswer, Cause::CANCELLED),
        603 | 607 => (Outcome::Rejected, Cause::DECLINED),
        403 | 608 => (Outcome::Rejected, Cause::FORBIDDEN),
        404 | 484 | 604 => (Outcome::Invalid, Cause::NOT_FOUND),
        301 | 302 | 410 => (Outcome::Invalid, Cause::NUMBER_CHANGED),
        401 | 402 | 407 | 500..=599 => (Outcome::Failed, Cause::TRUNK_FAILED),
        400..=499 => (Outcome::Failed, Cause::BAD_REQUEST),
        _ => (Outcome::Failed, Cause::OTHER),
    }
}

/// Where a gateway says more by the Reason header (RFC 3326) than by its status: RFC 3398 §7.2.4.1 maps many causes to
/// one status.
fn by_q850(status: u16, q850: Option<u16>) -> Option<(Outcome, Cause)> {
    if !matches!(status, 480 | 487 | 500 | 502 | 503 | 504) {
        return None;
    }
    Some(match q850? {
        1 => (Outcome::Invalid, Cause::NOT_FOUND),
        17 => (Outcome::Busy, Cause::BUSY),
        18 | 19 => (Outcome::NoAnswer, Cause::NO_ANSWER),
        20 => (Outcome::NoAnswer, Cause::UNREACHABLE),
        21 => (Outcome::Rejected, Cause::DECLINED),
        22 => (Outcome::Invalid, Cause::NUMBER_CHANGED),
        _ => return None,
    })
}

/// For an agent leg that was not answered.
pub fn agent_failure(status: u16) -> Failure {
    let (outcome, cause) = match status {
        486 | 600 => (Outcome::Busy, Cause::BUSY),
        404 => (Outcome::Invalid, Cause::NO_SUCH_EXTENSION),
        603 | 403 => (Outcome::Rejected, Cause::DECLINED),
        _ => (Outcome::Failed, Cause::NOT_PICKED_UP),
    };
    Failure { outcome, cause, sip_status: status }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_header_refines_a_vague_status_only() {
        assert_eq!(customer_failure(503, Some(17), false).outcome, Outcome::Busy);
        assert_eq!(customer_failure(503, None, false).cause, Cause::TRUNK_FAILED);
        assert_eq!(customer_failure(486, Some(1), false).cause, Cause::BUSY);
        assert_eq!(customer_failure(408, None, true).cause, Cause::TIMER);
        assert_eq!(customer_failure(404, None, false).cause, Cause::NOT_FOUND);
    }
}
