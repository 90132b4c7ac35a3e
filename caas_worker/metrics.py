"""Metrics for Prometheus: what this process counted, and what one query finds in the database at scrape time.

Label values are names of our own (strategies, steps, endings, error codes, route templates): nothing of a person.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from caas_worker import __version__
from caas_worker.errors import CaasError
from caas_worker.telemetry import LEASE_LOST, NO_STRATEGY, Batch, Watcher

STEP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
FRESHNESS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 1800, 3600, 86_400)
SIZE_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


OUTCOMES = ("scored", "removed", "not_found", "failed", "dead", "lost")
ERROR_CODES = (
    "STATISTICS_FAILED",
    "STRATEGY_FAILED",
    "PROFILE_UNREADABLE",
    "CACHE_REFUSED",
    "CELLS_FAILED",
    "QUALITY_FAILED",
    "PROFILE_NOT_FOUND",
    LEASE_LOST,
)


class LineMetrics(Watcher):
    """Counts what a line does."""

    def __init__(self, registry: CollectorRegistry, strategies: Iterable[str] = ()) -> None:
        """Count in this registry.

        Args:
            strategies: whose series begin at 0 rather than with the first profile: a rate does not see the first value.
        """
        self._processed = Counter(
            "caas_profiles_processed_total",
            "Profiles that ended a batch, by strategy and ending.",
            ["strategy", "outcome"],
            registry=registry,
        )
        self._errors = Counter("caas_errors_total", "Failed attempts at profiles.", ["code"], registry=registry)
        self._marks = Counter("caas_marks_folded_total", "Marks folded into the queue.", registry=registry)
        self._steps = Histogram(
            "caas_batch_seconds", "Seconds that a step took.", ["step"], buckets=STEP_BUCKETS, registry=registry
        )
        self._sizes = Histogram("caas_batch_profiles", "Profiles in a batch.", buckets=SIZE_BUCKETS, registry=registry)
        self._freshness = Histogram(
            "caas_freshness_seconds",
            "Seconds from the earliest change that waited to its score in the cache.",
            buckets=FRESHNESS_BUCKETS,
            registry=registry,
        )

        for strategy in (*strategies, NO_STRATEGY):
            for outcome in OUTCOMES:
                self._processed.labels(strategy, outcome)
        for code in ERROR_CODES:
            self._errors.labels(code)

    def step(self, name: str, seconds: float) -> None:
        self._steps.labels(name).observe(seconds)

    def folded(self, marks: int) -> None:
        self._marks.inc(marks)

    def lapsed(self, lost: int, dead: int) -> None:
        self._errors.labels(LEASE_LOST).inc(lost)
        self._processed.labels(NO_STRATEGY, "dead").inc(dead)

    def batch(self, batch: Batch, seconds: Mapping[str, float]) -> None:
        del seconds
        self._sizes.observe(batch.size)
        for (strategy, outcome), number in batch.by_strategy.items():
            self._processed.labels(strategy, outcome).inc(number)
        for code, number in batch.errors.items():
            self._errors.labels(code).inc(number)
        for age in batch.freshness_seconds:
            self._freshness.observe(age)


class RequestMetrics:
    """Times HTTP requests by route template, method and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "caas_http_request_seconds",
            "Seconds that a request took.",
            ["route", "method", "status"],
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )

    def expect(self, route: str, method: str, statuses: Iterable[int]) -> None:
        """Have the series of a route begin at 0 rather than with the first request that ends so."""
        for status in statuses:
            self._seconds.labels(route, method, str(status))

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._seconds.labels(route, method, str(status)).observe(seconds)


GAUGES = {
    "marks": ("caas_marks_pending", "Marks that are not folded yet."),
    "in_flight": ("caas_queue_in_flight", "Entries that workers hold."),
    "waiting": ("caas_queue_waiting", "Entries that wait for their next attempt."),
    "dead": ("caas_queue_dead", "Entries set aside after their last attempt."),
    "oldest_seconds": (
        "caas_queue_oldest_seconds",
        "Age of the oldest change, manual or live, that is not in the cache; 0 with none.",
    ),
    "stalest_seconds": (
        "caas_stalest_score_seconds",
        "Age of the oldest change of any kind, dead entries included, that is not in the cache; 0 with none.",
    ),
    "workers": ("caas_worker_up", "Workers that said within the last minute that they live."),
    "scores": ("caas_scores", "Cached scores."),
    "holds": ("caas_holds", "Scores pinned by hand."),
}
"""Figure of the database, name and meaning of its gauge."""
TIERS = ("caas_tutors_by_tier", "Tutors by performance tier of the last 30 days; none: without sessions in them.")
TIER_NAMES = ("Exemplary", "Strong", "Developing", "Needs Attention", "At Risk", "none")


class DatabaseGauges(Collector):
    """What one query finds in the database when somebody asks."""

    def __init__(self, figures: Callable[[], Mapping[str, Any]]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering asks no database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The gauges; while the database is away, only that it is."""
        build = GaugeMetricFamily("caas_build_info", "The release that runs.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        up = GaugeMetricFamily("caas_database_up", "Whether the database answers.")
        try:
            figures = self._figures()
        except CaasError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        depth = GaugeMetricFamily("caas_queue_depth", "Entries of the queue.", labels=["priority"])
        for priority, number in figures["depth"].items():
            depth.add_metric([priority], number)
        yield depth
        tiers = GaugeMetricFamily(*TIERS, labels=["tier"])
        for tier in TIER_NAMES:
            tiers.add_metric([tier], figures["tiers"].get(tier, 0))
        yield tiers
        for figure, (name, about) in GAUGES.items():
            yield GaugeMetricFamily(name, about, value=figures[figure])
