"""The demo: a marketplace with live traffic, workers beside it, and a view in which scores move."""
