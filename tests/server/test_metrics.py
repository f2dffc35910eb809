"""The metrics: every statistic, in both formats, whatever a client accepts."""

from __future__ import annotations

import dataclasses
import threading
import time

import hypothesis
import hypothesis.strategies as st
import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from trio_rtc.server import ServerLimits
from trio_rtc.server.counters import Statistics
from trio_rtc.server.http.requests import Request
from trio_rtc.server.http.responses import Response
from trio_rtc.server.metrics import METRICS, metrics_route

#: What Prometheus 3 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
    "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def ask(statistics: Statistics, accept: str | None = None) -> Response:
    headers = {} if accept is None else {"accept": accept}
    request = Request(
        method="GET",
        path="/metrics",
        query=b"",
        headers=headers,
        all_headers=list(headers.items()),
        body=b"",
        version="1.1",
        keep_alive=True,
    )
    return metrics_route(statistics)(request)


def samples(response: Response) -> dict[str, float]:
    """All samples of ours, by name and label."""
    text = response.body.decode()
    openmetrics = (response.content_type or "").startswith("application/openmetrics-text")
    parse = parse_openmetrics if openmetrics else parse_text
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in parse(text)
        for sample in family.samples
        if sample.name.startswith("trio_rtc_")
    }


def test_every_statistic_is_a_metric() -> None:
    names = sorted(field.name for field in dataclasses.fields(Statistics))
    assert sorted(metric.field for metric in METRICS) == names


@pytest.mark.parametrize("accept", [None, "*/*", PROMETHEUS, "application/openmetrics-text"])
def test_the_values(accept: str | None) -> None:
    statistics = Statistics()
    expected: dict[str, float] = {}
    for number, metric in enumerate(METRICS, 1):
        value = getattr(statistics, metric.field)
        if metric.label:
            for key in value:
                value[key] = number
                expected[f"{metric.name} {key}"] = number
        else:
            setattr(statistics, metric.field, number)
            expected[metric.name] = number
    assert samples(ask(statistics, accept)) == expected
    for protocol in ("classic", "native"):
        assert f"trio_rtc_peers {protocol}" in expected
    for limit in dataclasses.fields(ServerLimits):
        assert f"trio_rtc_over_limit_total {limit.name}" in expected


def test_they_are_read_anew_each_time() -> None:
    statistics = Statistics()
    assert samples(ask(statistics))["trio_rtc_messages_total"] == 0
    statistics.messages += 7
    assert samples(ask(statistics))["trio_rtc_messages_total"] == 7


def test_the_format_is_the_one_that_is_accepted() -> None:
    answer = ask(Statistics())
    assert (answer.status, answer.content_type) == (200, TEXT)
    assert b"# TYPE trio_rtc_messages_total counter\n" in answer.body
    assert b"# TYPE trio_rtc_rooms gauge\n" in answer.body
    answer = ask(Statistics(), PROMETHEUS)
    assert answer.content_type is not None
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0;")
    assert answer.body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    "accept",
    ["application/openmetrics-text; version=x", "text/plain;version=x", "text/plain;version=",
     "application/openmetrics-text;version=1.0.0.mine", "text/plain;version=99",
     "application/openmetrics-text; version=1.0.0; version=é", "application/openmetrics-text;"
     "version=" + "9" * 5000],
)  # fmt: skip
def test_a_version_that_is_none_is_not_answered(accept: str) -> None:
    assert ask(Statistics(), accept).content_type == TEXT


@hypothesis.given(
    st.lists(
        st.sampled_from(
            ["application/openmetrics-text", "text/plain", ",", ";", " ", "version=", "1.0.0", "9",
             ".", "é", "escaping=", "dots", "values", "q=1", "=", "\t"]
        )
    )
)  # fmt: skip
def test_whatever_is_accepted_gets_an_answer(parts: list[str]) -> None:
    answer = ask(Statistics(), "".join(parts))
    assert answer.content_type is not None
    assert answer.content_type.isascii()
    assert len(samples(answer)) > len(METRICS)


def test_nothing_is_shared_and_nothing_runs() -> None:
    before = list(prometheus_client.REGISTRY.collect())
    threads = threading.active_count()
    ask(Statistics())
    ask(Statistics())
    names = [family.name for family in prometheus_client.REGISTRY.collect()]
    assert names == [family.name for family in before]
    assert threading.active_count() == threads


def test_the_process_is_measured_too() -> None:
    body = ask(Statistics()).body
    assert b"\nprocess_resident_memory_bytes " in body
    assert b"\nprocess_open_fds " in body


def test_an_answer_is_good_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again at once gets the same one: it costs nothing."""
    statistics = Statistics()
    route = metrics_route(statistics)
    request = Request(
        method="GET", path="/metrics", query=b"", headers={}, all_headers=[], body=b"",
        version="1.1", keep_alive=True,
    )  # fmt: skip
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    first = route(request)
    statistics.messages = 5
    assert route(request) is first
    other = route(dataclasses.replace(request, headers={"accept": PROMETHEUS}))
    assert other.content_type != first.content_type
    now += 1.1
    assert samples(route(request))["trio_rtc_messages_total"] == 5
