"""docs/reference/errors.md: the tree of caas_worker.errors, and the codes that summaries and entries carry."""

import inspect

from caas_worker import errors
from caas_worker.errors import EXIT_CODES, CaasError, http_status
from docs.pages.text import bullets, code, document, paragraph

PROFILE_CODES = {
    "CELLS_FAILED": "The profile's pair cells could not be written: the statement failed for it alone. It is tried "
    "again; agents who recruited it are counted in its rows meanwhile.",
    "STATISTICS_FAILED": "Facts or statistics of this profile could not be read: the statement failed for it alone. "
    "It is tried again; zeros are never put in their place, because zero sessions would award 30 provisional points.",
    "STRATEGY_FAILED": "The strategy raised an error for this profile, or returned what the cache cannot keep: a total "
    "outside 0 to 100, a number that is not finite, text with a NUL character. It is tried again.",
    "PROFILE_UNREADABLE": "The profile's own facts have no sensible shape. It is tried again.",
    "QUALITY_FAILED": "A quality rule raised an error for this tutor, for instance over a transcript. None of the "
    "tutor's scores is written, credibility included: they belong together. It is tried again.",
    "CACHE_REFUSED": "PostgreSQL refused this profile's row, for instance by a constraint. It is tried again.",
    "PROFILE_NOT_FOUND": "Somebody asked for an id that no profile has and no delete explains. Its entry is done: "
    "nothing is tried again, and a drain's exit code stays 0.",
    "LEASE_LOST": "The worker that held the profile ended or outlived its lease. Only a loss while the profile was "
    "claimed alone counts as an attempt; after two losses it is claimed alone.",
}


def page() -> str:
    return document(
        "Errors",
        "caas_worker/errors.py",
        "## Of commands",
        paragraph(
            "Every error that the product raises stands in one tree. A command ends with the error's message after "
            "`caas-worker:` on standard error, and with the exit code of its class or of the nearest class above it."
        ),
        "\n".join(["```text", CaasError.__name__, *_branch(CaasError), "```"]),
        bullets(_line(kind) for kind in _kinds()),
        paragraph(
            "Errors of the PostgreSQL driver are translated at one place (`caas_worker/db.py`): a connection that "
            "fails or ends is `DatabaseUnavailable`, and a running worker waits and tries again; `DatabaseBusy` says "
            "that the process has no connection to spare, and nothing of the server; a missing object of ours is "
            "`NotInstalled`; everything else is `DatabaseError` with its SQLSTATE."
        ),
        "## Of profiles",
        paragraph(
            "One profile's error is its own: the rest of the batch goes through. These codes stand in the summary of "
            "`caas-worker drain` (`error_types`), in `caas.recalculation_queue.error` and in `caas.dead_entries.error`."
        ),
        bullets(f"{code(name)}: {text}" for name, text in PROFILE_CODES.items()),
        paragraph(
            "A failed profile waits `CAAS_BACKOFF_SECONDS` before its second attempt and twice as long before each "
            "further one, give or take a half at random. After `CAAS_MAX_ATTEMPTS` it is dead: set aside in "
            "`caas.dead_entries` with its error, message and traceback. It comes back when the profile changes again "
            "or when somebody marks it; see [when scores stand still](../how-to/when-scores-stand-still.md)."
        ),
        paragraph(
            "An error that no single profile can cause, such as a missing function or grant (SQLSTATE class 42), is "
            "everyone's: no attempt is counted, a drain ends with exit code 1, 4 or 8, a running worker logs it and "
            "tries again."
        ),
    )


def _kinds() -> list[type[CaasError]]:
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CaasError)]


def _branch(kind: type[CaasError]) -> list[str]:
    below = sorted((child for child in _kinds() if kind in child.__bases__), key=lambda child: child.__name__)
    lines = []
    for child in below:
        joint, pad = ("└── ", "    ") if child is below[-1] else ("├── ", "│   ")
        lines += [joint + child.__name__, *(pad + line for line in _branch(child))]
    return lines


def _line(kind: type[CaasError]) -> str:
    exit_code = next(EXIT_CODES[ancestor] for ancestor in kind.__mro__ if ancestor in EXIT_CODES)
    text = " ".join(inspect.cleandoc(kind.__doc__ or "").split())
    return f"{code(kind.__name__)} ({code(kind.code)}, exit code {exit_code}, HTTP {http_status(kind())}): {text}"
