"""The metrics that there are, by the names under which Prometheus stores them, and those that a query asks for."""

import re

from prometheus_client import CollectorRegistry

from caas_worker.metrics import GAUGES, DatabaseGauges, LineMetrics, RequestMetrics

_WORDS = {"and", "atan2", "bool", "offset", "or", "unless"}


def kinds() -> dict[str, str]:
    """Every metric, and whether it is a gauge, a counter or a histogram."""
    registry = CollectorRegistry()
    LineMetrics(registry)
    RequestMetrics(registry)
    registry.register(DatabaseGauges(lambda: {"depth": {}, "tiers": {}, **dict.fromkeys(GAUGES, 0)}))
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in registry.collect()
    }


def exported() -> set[str]:
    """Every series name that a scrape stores: of a histogram its buckets, sum and count."""
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {f"{name}{part}" for name, kind in kinds().items() for part in parts.get(kind, ("",))}


def family(name: str) -> str:
    """The metric that a series belongs to."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if kinds().get(base) == "histogram" else name


def metric_names(expr: str) -> set[str]:
    """Every metric that a PromQL expression selects."""
    expr = re.sub(r"#.*", "", re.sub(r'"(?:[^"\\]|\\.)*"', "", expr))
    expr = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", expr)
    expr = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", expr)
    return set(re.findall(r"(?<![\w:.$])[a-zA-Z_:][\w:]*\b(?!\s*\()", expr)) - _WORDS
