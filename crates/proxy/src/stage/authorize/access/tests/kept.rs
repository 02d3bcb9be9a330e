//! What is kept of a call is judged as the call was (SEC-55).

use proptest::prelude::*;

use super::*;
use crate::stage::inspect::Call;

/// Whether this passes: as it came, and as it is kept.
fn passes(policy: &Policy, caller: Option<&Caller>, body: &str) -> [bool; 2] {
    let call = Call::Read(message::read(body.as_bytes()).unwrap());
    let kept = call.kept();
    [call, kept].map(|call| policy.judge(caller, &call).is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn sec_55_what_is_kept_of_a_call_is_judged_as_the_call_was(
        access in any_access(),
        chosen in prop::collection::vec(0_usize..20, 1..4),
    ) {
        let policy = policy(&access);
        let bodies = bodies();
        let chosen = chosen.into_iter().filter_map(|at| bodies.get(at));
        let chosen: Vec<_> = chosen.filter(|it| !it.contains("initialize")).cloned().collect();
        prop_assume!(!chosen.is_empty());
        let batch = format!("[{}]", chosen.join(","));
        for caller in [None].into_iter().chain(people().iter().map(Some)) {
            for body in bodies.iter().chain([&batch]) {
                let [came, kept] = passes(&policy, caller, body);
                prop_assert_eq!(came, kept, "{} {:?}", body, caller);
            }
        }
    }
}

#[test]
fn sec_55_a_long_name_is_kept_as_far_as_it_can_make_a_difference() {
    let (longest, longer) = ("x".repeat(128), "x".repeat(129));
    let public = format!("public_tools: [{longest}]");
    for (access, tool, expected) in [
        (public.clone(), &longest, true),
        (public.clone(), &longer, false),
        ("calls: public".to_owned(), &longer, true),
        (
            "calls: public, tools: [ { match: x* } ]".to_owned(),
            &longest,
            true,
        ),
        (
            "calls: public, tools: [ { match: x* } ]".to_owned(),
            &longer,
            false,
        ),
    ] {
        let policy = policy(&format!("{{ {access} }}"));
        let passes = passes(&policy, None, &call(tool));
        assert_eq!(passes, [expected; 2], "{access} {}", tool.len());
    }
}

#[test]
fn sec_55_little_is_kept_of_a_call() {
    let long = "x".repeat(1000);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"{}","method":"tools/call","params":{{"name":"greet","arguments":{{"key":"secret"}},"uri":"{long}","taskId":"{long}","_meta":{{"io.modelcontextprotocol/protocolVersion":"{long}"}}}}}}"#,
        &long[..100]
    );
    let Call::Read(kept) = Call::Read(message::read(body.as_bytes()).unwrap()).kept() else {
        panic!("it was read");
    };
    let kept = &kept.messages[0];
    assert_eq!(kept.name.as_deref(), Some("greet"));
    assert_eq!(
        (&kept.uri, &kept.task_id, &kept.version, kept.id),
        (&None, &None, &None, None)
    );
}
