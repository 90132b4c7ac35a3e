"""The tutoring application's tables with sample people and live traffic, for the demo, the tests and the benchmarks."""
