//! Supervisors in the calls of others.

use super::direct::{direct_record, wish};
use super::*;

const SUPERVISOR: AgentId = AgentId(3);

fn command(desk: &mut Desk, command: CallCommand) -> (Result<(), Refusal>, Vec<Effect>) {
    let mut effects = desk.tell(Input::Command { request: RequestId(1), command });
    let place = effects.iter().position(|e| matches!(e, Effect::Answer { .. })).expect("it is answered");
    let Effect::Answer { result, .. } = effects.remove(place) else { unreachable!() };
    (result, effects)
}

fn watch(desk: &mut Desk, agent: i64, mode: WatchMode) -> (Result<(), Refusal>, Vec<Effect>) {
    let (agent, start) = (AgentId(agent), WatchStart::RingIfNeeded);
    command(desk, CallCommand::Watch { supervisor: SUPERVISOR, agent, mode, start })
}

/// Agent 1 talks in a campaign's call, agent 2 is away, 3 supervises and is in no group.
fn desk() -> (Desk, CallId) {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    for id in [2, 3] {
        desk.tell(Input::Agent(AgentSettings {
            agent: AgentId(id),
            extension: id.to_string(),
            enabled: true,
        }));
    }
    desk.tell(Input::Registered { agent: SUPERVISOR });
    let (call, _) = desk.talk(&asked);
    (desk, call)
}

/// The supervisor has come in.
fn watching(desk: &mut Desk) -> CallId {
    let (result, effects) = watch(desk, 1, WatchMode::Listen);
    assert_eq!(result, Ok(()));
    let [Effect::RingSupervisor { watch, supervisor: SUPERVISOR, show }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(show, "1");
    let watch = *watch;
    desk.agent(watch, 3, LegEvent::Answered);
    watch
}

#[test]
fn a_supervisor_is_rung_and_comes_in_and_the_call_goes_on_when_he_leaves() {
    let (mut desk, call) = desk();
    let (_, effects) = watch(&mut desk, 1, WatchMode::Whisper);
    let Effect::RingSupervisor { watch, .. } = effects[0] else { panic!("{effects:?}") };
    assert_eq!(desk.state(3), AgentState::Offered);
    let joined = Effect::Watch { watch, call, supervisor: SUPERVISOR, mode: WatchMode::Whisper };
    assert_eq!(desk.agent(watch, 3, LegEvent::Answered), [joined]);
    assert_eq!(desk.state(3), AgentState::Talking);
    let effects = desk.agent(watch, 3, HUNG_UP);
    assert_eq!(effects, [Effect::HangUp { call: watch }]);
    assert_eq!((desk.state(3), desk.state(1)), (AgentState::SignedOut, AgentState::Talking));
}

#[test]
fn the_mode_changes_while_the_supervisor_is_in_the_call() {
    let (mut desk, call) = desk();
    let watch_id = watching(&mut desk);
    for mode in [WatchMode::ThreeWay, WatchMode::Listen] {
        let (result, effects) = watch(&mut desk, 1, mode);
        let changed = Effect::Watch { watch: watch_id, call, supervisor: SUPERVISOR, mode };
        assert_eq!((result, effects), (Ok(()), vec![changed]));
    }
}

#[test]
fn a_mode_that_is_wished_while_it_rings_counts_from_the_start() {
    let (mut desk, call) = desk();
    let (_, effects) = watch(&mut desk, 1, WatchMode::Listen);
    let Effect::RingSupervisor { watch: id, .. } = effects[0] else { panic!("{effects:?}") };
    assert_eq!(watch(&mut desk, 1, WatchMode::ThreeWay), (Ok(()), vec![]));
    let joined = Effect::Watch { watch: id, call, supervisor: SUPERVISOR, mode: WatchMode::ThreeWay };
    assert_eq!(desk.agent(id, 3, LegEvent::Answered), [joined]);
}

#[test]
fn the_end_of_the_call_ends_the_watch() {
    let (mut desk, call) = desk();
    let watch = watching(&mut desk);
    let effects = desk.customer(call, HUNG_UP);
    assert!(effects.contains(&Effect::HangUp { call: watch }));
    assert_eq!(desk.state(3), AgentState::SignedOut);
}

#[test]
fn a_call_of_the_agents_own_is_watched_and_released_too() {
    let (mut desk, _) = desk();
    desk.tell(Input::Registered { agent: AgentId(2) });
    let (_, effects) = command(&mut desk, CallCommand::MakeCall(wish(2, FirstRung::Customer)));
    let Effect::OpenDirect(row) = &effects[0] else { panic!("{effects:?}") };
    let call = row.call;
    desk.tell(Input::DirectOpened { call });
    desk.customer(call, LegEvent::Answered);
    assert_eq!(watch(&mut desk, 2, WatchMode::Listen).0, Err(Refusal::NotInCall), "it is not bridged");
    desk.agent(call, 2, LegEvent::Answered);
    let (result, effects) = watch(&mut desk, 2, WatchMode::Listen);
    assert_eq!(result, Ok(()));
    let Effect::RingSupervisor { watch, .. } = effects[0] else { panic!("{effects:?}") };
    desk.agent(watch, 3, LegEvent::Answered);
    let (result, effects) = command(&mut desk, CallCommand::Release { agent: AgentId(2) });
    assert_eq!(result, Ok(()));
    assert_eq!(effects[..2], [Effect::HangUp { call }, Effect::HangUp { call: watch }]);
    let record = direct_record(&effects);
    assert_eq!((record.cause, record.hangup_by), (Cause::PLATFORM, HangupBy::Platform));
    assert_eq!(desk.state(2), AgentState::SignedOut, "in no group");
}

#[test]
fn who_may_not_come_in_is_refused() {
    let (mut desk, _) = desk();
    assert_eq!(watch(&mut desk, 2, WatchMode::Listen).0, Err(Refusal::NotInCall));
    let release = CallCommand::Release { agent: AgentId(2) };
    assert_eq!(command(&mut desk, release).0, Err(Refusal::NotInCall));
    let other = |desk: &mut Desk, supervisor, start| {
        let (agent, mode) = (AgentId(1), WatchMode::Listen);
        command(desk, CallCommand::Watch { supervisor: AgentId(supervisor), agent, mode, start }).0
    };
    assert_eq!(other(&mut desk, 2, WatchStart::RingIfNeeded), Err(Refusal::NotRegistered));
    assert_eq!(other(&mut desk, 9, WatchStart::RingIfNeeded), Err(Refusal::UnknownAgent));
    assert_eq!(other(&mut desk, 1, WatchStart::RingIfNeeded), Err(Refusal::NotWatching), "himself");
    assert_eq!(other(&mut desk, 3, WatchStart::InCallOnly), Err(Refusal::NotWatching));
    watching(&mut desk);
    assert_eq!(other(&mut desk, 3, WatchStart::InCallOnly), Ok(()));
    assert_eq!(watch(&mut desk, 3, WatchMode::Listen).0, Err(Refusal::NotInCall), "a watch is no call");
}

#[test]
fn a_supervisor_who_does_not_pick_up_or_hangs_up_by_command_is_out() {
    let (mut desk, _) = desk();
    let (_, effects) = watch(&mut desk, 1, WatchMode::Listen);
    let Effect::RingSupervisor { watch: id, .. } = effects[0] else { panic!("{effects:?}") };
    assert!(desk.wait(secs(30)).contains(&Effect::HangUp { call: id }));
    assert_eq!(desk.state(3), AgentState::SignedOut);
    let id = watching(&mut desk);
    assert_eq!(desk.tell(Input::HangUp { agent: SUPERVISOR }), [Effect::HangUp { call: id }]);
    assert_eq!(desk.state(1), AgentState::Talking);
}
