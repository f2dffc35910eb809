"""A server's statistics as Prometheus reads them (``GET /metrics``)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .counters import Statistics
from .http.requests import Request
from .http.responses import Response
from .http.routes import Route
from .worker_files import ProcessesCollector, WorkerFile

PREFIX: Final = "trio_rtc_"

SECONDS: Final = 1.0
"""For how long an answer is good."""

#: So many kinds of answers are kept: there are some versions of two formats.
_KINDS: Final = 10

_VERSIONS: Final = ("version=0.0.1", "version=0.0.4", "version=1.0.0")


@dataclass(frozen=True)
class Metric:
    """How a field of `Statistics` is told.

    Attributes:
        field: its name there.
        help: what it is, for people.
        label: what the keys of the field are, if it is a dict.
        gauge: it goes down as well as up; otherwise it is a counter, whose name gets ``_total``.
    """

    field: str
    help: str
    label: str = ""
    gauge: bool = False

    @property
    def name(self) -> str:
        return PREFIX + self.field + ("" if self.gauge else "_total")


METRICS: Final = (
    Metric("connections", "Connections accepted."),
    Metric("connections_open", "Connections that are open.", gauge=True),
    Metric("requests", "HTTP requests answered or upgraded."),
    Metric("websockets", "WebSocket handshakes that succeeded."),
    Metric("websockets_open", "WebSocket connections that are open.", gauge=True),
    Metric("joined", "Peers that have joined.", label="protocol"),
    Metric("peers", "Peers that are present.", label="protocol", gauge=True),
    Metric("rooms", "Rooms that somebody is in.", gauge=True),
    Metric("messages", "Messages put into a mailbox."),
    Metric("message_bytes", "Bytes of the messages put into a mailbox."),
    Metric("resumed", "Sessions that went on with a new connection."),
    Metric("late", "Connections that came after a later one of their session."),
    Metric("refused", "Joins without authorization, and requests from origins not allowed."),
    Metric("malformed", "Requests, frames and messages that broke a rule of their protocol."),
    Metric("failures", "Connections that ended by an error of the server."),
    Metric(
        "memory_bytes",
        "Bytes kept for others: mail, unfinished messages, what is not sent yet.",
        gauge=True,
    ),
    Metric("cluster_up", "Whether the Redis of the cluster answers.", gauge=True),
    Metric("cluster_servers", "Servers of the cluster.", gauge=True),
    Metric("cluster_batches", "Scripts that Redis has run."),
    Metric("cluster_operations", "Operations done by these scripts."),
    Metric("cluster_seconds", "Seconds that the answers of these scripts took."),
    Metric("cluster_fenced", "Sessions that had gone on elsewhere without the server's knowledge."),
    Metric("cluster_lost", "Sessions of which Redis has forgotten something, and which were told."),
    Metric("cluster_connections", "Connections to Redis."),
    Metric("cluster_generation", "How often Redis was started again or replaced.", gauge=True),
    Metric("over_limit", "How often somebody went over a limit.", label="limit"),
)


class StatisticsCollector(Collector):
    """Reads statistics when it is asked, and keeps nothing.

    Args:
        read: gives them as they are now.
    """

    def __init__(self, read: Callable[[], Statistics]):
        self._read = read

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        statistics = self._read()
        for metric in METRICS:
            family = (GaugeMetricFamily if metric.gauge else CounterMetricFamily)(
                metric.name, metric.help, labels=[metric.label] if metric.label else None
            )
            value = getattr(statistics, metric.field)
            if metric.label:
                for key, number in value.items():
                    family.add_metric([key], number)
            else:
                family.add_metric([], value)
            yield family


def metrics_route(statistics: Statistics, workers: WorkerFile | None = None) -> Route:
    """What answers ``GET /metrics``: these statistics, and what the process uses.

    For one of several workers it is what all have counted and use.

    It answers in the text format of Prometheus, or in OpenMetrics to those who accept that. To
    put an answer together takes a millisecond: so it is good for a second.
    """
    registry = CollectorRegistry()
    if workers is None:
        registry.register(StatisticsCollector(lambda: statistics))
        ProcessCollector(registry=registry)
    else:
        registry.register(StatisticsCollector(workers.statistics))
        registry.register(ProcessesCollector(workers))

    answers: dict[str, tuple[float, Response]] = {}

    def metrics(request: Request) -> Response:
        # The encoder takes the version as it stands, compares it with numbers, and answers it.
        offers = filter(_has_known_version, request.headers.get("accept", "").split(","))
        encode, content_type = choose_encoder(",".join(offers))
        now = time.monotonic()
        since, response = answers.get(content_type, (-math.inf, None))
        if response is None or now - since > SECONDS:
            if len(answers) >= _KINDS:
                answers.clear()
            response = Response(200, "OK", encode(registry), content_type)
            answers[content_type] = (now, response)
        return response

    return metrics


def _has_known_version(offer: str) -> bool:
    parameters = (parameter.strip() for parameter in offer.split(";"))
    return all(one in _VERSIONS for one in parameters if one.startswith("version="))
