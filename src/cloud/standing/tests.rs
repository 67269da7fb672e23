use super::*;

const START: &str = "2026-11-28T10:20:00Z";
const READ: &str = "DescribeGrantRulesToCen";
const WRITE: &str = "GrantInstanceToTransitRouter";
const IDENTITY: &str = "GetCallerIdentity";

/// This many seconds after the start.
fn at(seconds: u64) -> Moment {
    let start: Timestamp = START.parse().unwrap();
    let span = Duration::from_secs(seconds);
    Moment { at: crate::clock::later(start, span), uptime: span }
}

fn refused(class: Class, asked: &'static str) -> Heard<'static> {
    let refusal = RefusedCall { asked, code: "Some.Code", message: "no", as_such: asked == IDENTITY };
    Heard::Refused { class, refusal }
}

fn answered(operation: &'static str) -> Heard<'static> {
    Heard::Answered { operation }
}

/// An account whose calls ended like this, each at its second and begun one before.
fn after(calls: &[(u64, Heard<'_>)]) -> (AccountStanding, Turned) {
    let mut account = AccountStanding::default();
    let mut turned = Turned::Not;
    for (second, heard) in calls {
        turned = account.hear(heard, at(*second - 1).uptime, at(*second));
    }
    (account, turned)
}

fn name(account: &AccountStanding) -> &'static str {
    account.standing().as_str()
}

/// The calls before, what is heard then, the state, and what has turned.
type Row<'a> = (&'a [(u64, Heard<'a>)], Heard<'a>, &'a str, Turned);

/// The call before each state: what is heard in it, and what becomes of it. Every state with everything that can be heard.
#[test]
fn every_state_with_everything_that_can_be_heard() {
    let credential = |asked| refused(Class::Credential, asked);
    let auth = |asked| refused(Class::Auth, asked);
    let silence = || Heard::NoAnswer { why: "reset" };
    let since = |second| at(second).at;
    // Each as it comes to be by second 100, with the second since which it is so.
    let unknown: Vec<(u64, Heard<'_>)> = vec![];
    let ok = vec![(100, answered(READ))];
    let refused = vec![(50, answered(READ)), (100, credential(READ))];
    let refused_as_such = vec![(100, credential(IDENTITY))];
    let probing = vec![(90, credential(READ)), (100, Heard::Identified)];
    let unreachable = vec![(60, silence()), (100, silence())];
    let doubted = vec![(90, answered(READ)), (100, auth(READ))];
    let rows: Vec<Row<'_>> = vec![
        (&unknown, answered(READ), "ok", Turned::Not),
        (&unknown, Heard::Identified, "ok", Turned::Not),
        (&unknown, credential(READ), "refused", Turned::Refused),
        (&unknown, auth(IDENTITY), "unknown", Turned::Not),
        (&unknown, silence(), "unknown", Turned::Not),
        (&ok, answered(WRITE), "ok", Turned::Not),
        (&ok, Heard::Identified, "ok", Turned::Not),
        (&ok, credential(WRITE), "refused", Turned::Refused),
        (&ok, auth(WRITE), "ok", Turned::Not),
        (&ok, silence(), "ok", Turned::Not),
        (&refused, answered(WRITE), "refused", Turned::Not),
        (&refused, answered(READ), "refused", Turned::Not),
        (&refused, Heard::Identified, "probing", Turned::Freed),
        (&refused, credential(IDENTITY), "refused", Turned::Not),
        (&refused, auth(IDENTITY), "refused", Turned::Not),
        (&refused, silence(), "refused", Turned::Not),
        (&refused_as_such, Heard::Identified, "ok", Turned::Mended { since: since(100) }),
        (&probing, answered(READ), "ok", Turned::Mended { since: since(90) }),
        (&probing, answered(WRITE), "probing", Turned::Not),
        (&probing, Heard::Identified, "ok", Turned::Mended { since: since(90) }),
        (&probing, credential(READ), "refused", Turned::Not),
        (&probing, auth(READ), "probing", Turned::Not),
        (&probing, silence(), "probing", Turned::Not),
        (&unreachable, answered(READ), "ok", Turned::Reached { since: since(60) }),
        (&unreachable, Heard::Identified, "ok", Turned::Reached { since: since(60) }),
        (&unreachable, credential(READ), "refused", Turned::Refused),
        (&unreachable, auth(READ), "unreachable", Turned::Not),
        (&unreachable, silence(), "unreachable", Turned::Not),
        (&doubted, answered(READ), "ok", Turned::Not),
        (&doubted, Heard::Identified, "ok", Turned::Not),
        (&doubted, auth(READ), "refused", Turned::Refused),
        (&doubted, auth(IDENTITY), "refused", Turned::Refused),
        (&doubted, credential(READ), "refused", Turned::Refused),
        (&doubted, silence(), "ok", Turned::Not),
    ];
    for (before, heard, state, turned) in rows {
        let calls = [before, &[(110, heard.clone())][..]].concat();
        let (account, said) = after(&calls);
        assert_eq!((name(&account), said), (state, turned), "{before:?} then {heard:?}");
        // What an older call says is about what was before.
        let (mut account, _) = after(before);
        let known = (account.standing().clone(), account.next_question());
        if before.len() > 1 && name(&account) != "unreachable" {
            assert_eq!(account.hear(&heard, at(99).uptime, at(111)), Turned::Not, "{before:?} then late {heard:?}");
            assert_eq!((account.standing().clone(), account.next_question()), known);
        }
    }
}

#[test]
fn a_refusal_keeps_its_beginning_until_it_is_over() {
    let calls = [
        (10, refused(Class::Credential, READ)),
        (70, Heard::Identified),
        (75, refused(Class::Credential, READ)),
        (130, Heard::Identified),
        (135, refused(Class::Credential, READ)),
    ];
    let (account, _) = after(&calls);
    let refusal = account.standing().refusal().unwrap();
    assert_eq!((refusal.since, refusal.code.as_str(), refusal.asked.as_str()), (at(10).at, "Some.Code", READ));
    let (mended, _) = after(&[&calls[..], &[(200, Heard::Identified), (201, answered(READ))]].concat());
    assert!(mended.standing().is_usable() && mended.last_success() == Some(at(201).at));
    let again = [&calls[..], &[(200, Heard::Identified), (201, answered(READ)), (300, calls[0].1.clone())]].concat();
    let (account, turned) = after(&again);
    assert_eq!((account.standing().refusal().unwrap().since, turned), (at(300).at, Turned::Refused));
}

#[test]
fn it_is_asked_at_once_and_then_once_a_minute() {
    let (mut account, _) = after(&[(100, refused(Class::Credential, READ))]);
    let due = |account: &AccountStanding| account.next_question().map(|due| due.as_secs());
    assert_eq!(due(&account), Some(0), "at once: the new key may lie there already");
    account.asks(at(100).uptime);
    assert_eq!(due(&account), Some(160));
    account.hear(&refused(Class::Credential, IDENTITY), at(100).uptime, at(101));
    assert_eq!(due(&account), Some(160), "what it was answered changes nothing");
    account.asks(at(160).uptime);
    account.hear(&Heard::Identified, at(160).uptime, at(161));
    assert_eq!((name(&account), due(&account)), ("ok", None));
    account.hear(&refused(Class::Credential, READ), at(162).uptime, at(163));
    assert_eq!(due(&account), Some(220), "refused again, it is still asked only once a minute");
    account.replaced(at(170).uptime);
    assert_eq!(due(&account), Some(0), "another credential is tried at once");
    assert_eq!(name(&account), "refused", "and until then the jobs wait");
}

#[test]
fn a_credential_that_was_replaced_is_asked_about_even_if_nothing_was_wrong() {
    let (mut account, _) = after(&[(10, answered(READ))]);
    assert_eq!(account.next_question(), None);
    account.replaced(at(20).uptime);
    assert_eq!(account.next_question(), Some(Duration::ZERO));
    account.asks(at(21).uptime);
    account.hear(&Heard::Identified, at(21).uptime, at(22));
    assert_eq!(account.next_question(), None);
}

#[test]
fn silence_counts_from_its_first_call_and_only_after_half_a_minute() {
    let silence = || Heard::NoAnswer { why: "reset" };
    let (account, _) = after(&[(10, silence())]);
    assert_eq!((name(&account), account.next_question()), ("unknown", Some(Duration::from_secs(40))));
    let (account, turned) = after(&[(10, silence()), (39, silence())]);
    assert_eq!((name(&account), turned), ("unknown", Turned::Not));
    let (account, turned) = after(&[(10, silence()), (40, silence())]);
    assert_eq!((name(&account), turned), ("unreachable", Turned::Unreachable));
    assert!(matches!(account.standing(), Standing::Unreachable { since, .. } if *since == at(10).at));
    let (account, _) = after(&[(10, silence()), (20, answered(READ)), (45, silence())]);
    assert_eq!(name(&account), "ok", "one answer in between, and it counts anew");
}
