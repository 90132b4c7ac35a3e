"""Credibility as a Service: scores for the people of a marketplace, kept fresh inside its PostgreSQL."""

__version__ = "0.1.0"
