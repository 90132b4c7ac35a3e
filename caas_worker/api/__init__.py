"""The HTTP service: the score cache for who does not speak SQL, calculations on request, a drain for cron callers."""
