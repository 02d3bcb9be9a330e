use super::*;
use crate::testing::Fixed;
use proptest::prelude::*;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn with(vars: &[(&str, &str)]) -> Fixed {
    let local = Fixed::default().var(ENDPOINT, "http://127.0.0.1:4318");
    vars.iter()
        .fold(local, |sources, (name, value)| sources.var(name, value))
}

#[track_caller]
fn on(vars: &[(&str, &str)]) -> Traces {
    let (traces, warnings) = traces(&with(vars));
    assert_eq!(warnings, [], "{vars:?}");
    traces.expect("an endpoint is set")
}

/// What is warned of, and whether there are traces all the same.
#[track_caller]
fn warned(vars: &[(&str, &str)], expected: &str, traces_are_on: bool) {
    let (traces, warnings) = traces(&with(vars));
    let said: Vec<String> = warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.path, warning.reason))
        .collect();
    assert_eq!(said, [expected]);
    assert_eq!(traces.is_some(), traces_are_on, "{vars:?}");
}

#[test]
fn without_an_endpoint_there_are_none() {
    let sources = Fixed::default()
        .var("OTEL_SERVICE_NAME", "gate")
        .var("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .var("OTEL_TRACES_SAMPLER", "nonsense")
        .var(ENDPOINT, " ");
    let (traces, warnings) = traces(&sources);
    assert!(traces.is_none());
    assert_eq!(warnings, []);
}

#[test]
fn an_endpoint_is_enough() {
    let traces = on(&[]);
    assert_eq!(&*traces.collector.path, "/v1/traces");
    assert_eq!(traces.collector.origin.to_string(), "http://127.0.0.1:4318");
    assert!(traces.headers.is_empty());
    assert_eq!(traces.timeout, Duration::from_secs(10));
    let sampler = Sampler {
        parent_based: true,
        share: Sampler::ALL,
    };
    assert_eq!(traces.sampler, sampler);
    let batches = Batches {
        delay: Duration::from_secs(5),
        queue: 2048,
        size: 512,
    };
    assert_eq!(traces.batches, batches);
    assert_eq!(service(&traces), "portcullis");
}

fn service(traces: &Traces) -> &str {
    let found = traces
        .resource
        .iter()
        .find(|(name, _)| **name == *"service.name");
    &found.unwrap().1
}

#[test]
fn a_base_is_extended_and_a_url_for_traces_is_not() {
    let of_traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    for (name, url, path) in [
        (ENDPOINT, "https://c.example/otlp", "/otlp/v1/traces"),
        (
            ENDPOINT,
            "https://c.example/otlp/?a=b",
            "/otlp/v1/traces?a=b",
        ),
        (of_traces, "https://c.example", "/"),
        (of_traces, "https://c.example/in?a=b", "/in?a=b"),
    ] {
        let traces = on(&[(name, url)]);
        assert_eq!(&*traces.collector.path, path, "{url}");
        assert_eq!(traces.collector.origin.to_string(), "https://c.example");
    }
}

#[test]
fn traces_can_be_off_in_words() {
    for (name, value) in [(DISABLED, "TRUE"), (EXPORTER, "none")] {
        let (traces, warnings) = traces(&with(&[(name, value)]));
        assert!(traces.is_none(), "{name}");
        assert_eq!(warnings, []);
    }
    on(&[(DISABLED, "false"), (EXPORTER, "otlp")]);
}

/// Variable, value, what is said of it, whether there are traces all the same.
const UNUSABLE: &[(&str, &str, &str, bool)] = &[
    (
        ENDPOINT,
        "collector:4318",
        "is not an absolute http or https URL",
        false,
    ),
    (
        ENDPOINT,
        "https://me:hunter2@c",
        "must not contain a user name or password",
        false,
    ),
    (
        ENDPOINT,
        "http://c/a b",
        "has characters in it that belong in no URL",
        false,
    ),
    (
        EXPORTER,
        "zipkin",
        "names an exporter that is not there",
        false,
    ),
    (
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "grpc",
        "is another protocol than `http/protobuf`",
        false,
    ),
    (
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "gzip",
        "is not supported",
        true,
    ),
    (
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "/ca.pem",
        "is not supported",
        true,
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "key",
        "has an entry that is no header, or too many",
        true,
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "host=x",
        "has an entry that is no header, or too many",
        true,
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "a=%0a",
        "has an entry that is no header, or too many",
        true,
    ),
    (
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "10s",
        "is no number from 1 to 60000",
        true,
    ),
    (
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "0",
        "is no number from 1 to 65536",
        true,
    ),
    (
        SAMPLER,
        "jaeger_remote",
        "names a sampler that is not there",
        true,
    ),
    (
        RESOURCE,
        "a=b,c",
        "is not a list of `name=value`, or is too long",
        true,
    ),
    (
        RESOURCE,
        "a=%zz",
        "is not a list of `name=value`, or is too long",
        true,
    ),
];

#[test]
fn what_cannot_be_used_is_warned_of_and_ends_nothing() {
    for &(name, value, reason, traces_are_on) in UNUSABLE {
        warned(
            &[(name, value)],
            &format!("{name}: {reason}"),
            traces_are_on,
        );
    }
    warned(
        &[(SAMPLER, "traceidratio"), (SAMPLER_ARG, "2")],
        "OTEL_TRACES_SAMPLER_ARG: is no number from 0 to 1",
        true,
    );
}

#[test]
fn sec_81_headers_are_read_and_not_shown() {
    let traces = on(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=overruled"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "Authorization=Bearer%20hunter2planted, x-scope = a=b,",
        ),
    ]);
    let read: Vec<_> = traces
        .headers
        .iter()
        .map(|(name, value)| (&**name, value.expose()))
        .collect();
    let expected = [
        ("authorization", "Bearer hunter2planted"),
        ("x-scope", "a=b"),
    ];
    assert_eq!(read, expected);
    assert!(!format!("{traces:?}").contains("hunter2"));
}

#[test]
fn samplers_have_their_standard_names() {
    let half = Sampler::ALL / 2;
    for (name, parent_based, share) in [
        ("always_on", false, Sampler::ALL),
        ("always_off", false, 0),
        ("traceidratio", false, half),
        ("parentbased_always_on", true, Sampler::ALL),
        ("parentbased_always_off", true, 0),
        ("parentbased_traceidratio", true, half),
    ] {
        let sampler = on(&[(SAMPLER, name), (SAMPLER_ARG, "0.5")]).sampler;
        let expected = Sampler {
            parent_based,
            share,
        };
        assert_eq!(sampler, expected, "{name}");
    }
    assert_eq!(on(&[(SAMPLER, "traceidratio")]).sampler.share, Sampler::ALL);
}

#[test]
fn the_service_is_called_as_it_is_said() {
    let attributes = "service.name=by%20attribute,deployment.environment=prod";
    let traces = on(&[(RESOURCE, attributes)]);
    assert_eq!(service(&traces), "by attribute");
    let prod = ("deployment.environment".into(), "prod".into());
    assert!(traces.resource.contains(&prod));
    let traces = on(&[(RESOURCE, attributes), (SERVICE, "gate")]);
    assert_eq!(service(&traces), "gate");
}

proptest! {
    #[test]
    fn any_value_is_read_without_panic(value in ".*") {
        for name in [ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TIMEOUT", RESOURCE, SERVICE] {
            let _ = traces(&with(&[(name, &value)]));
        }
        let _ = traces(&with(&[(SAMPLER, "traceidratio"), (SAMPLER_ARG, &value)]));
    }
}
