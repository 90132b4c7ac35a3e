"""Takes each guard of the line away in turn, and says which tests miss it: `make guards`.

Works on a copy of the tree, so that nothing here is touched. For each guard the named tests must fail, and the
generated histories are tried as well (not every guard can be missed by a history whose steps come one after another).
Writes docs/explanation/guards.md; exits with 1 when a guard is missed by no test.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "guards.md"
HISTORIES = "tests/proof/test_every_history.py"
EXAMPLES = 100
AT_ONCE = 2

CACHE, FOLD, CLAIM, WAKE, FAIL, WATCH, SWEEP, CASCADE, FOLLOW, PAIRS, DAYS, FIRSTS, QUALITY, LOCK, RULES = (
    f"migrations/functions/{name}.sql"
    for name in (
        "cache", "fold", "claim", "wake", "fail", "watch", "sweep", "cascade", "follow", "refresh_pairs",
        "refresh_days", "first_sessions", "publish_quality", "lock_claimed", "publish_rules",
    )
)  # fmt: skip
LATE_TESTS = "tests/integration/test_late_workers_and_quality.py"
MEET_CELLS = "tests/concurrency/test_cells_meet_workers.py"
CRASHES = "tests/faults/test_crashes_between_transactions.py"
DAY_TESTS, PAIR_TESTS, TIME_TESTS, ALERT_TESTS = (
    f"tests/integration/test_{name}.py" for name in ("day_cells", "pair_cells", "quality_time", "alerts")
)
MEETS = "tests/concurrency/test_change_meets_batch.py"
CACHE_TESTS, CLAIM_TESTS, FOLD_TESTS = (f"tests/integration/test_{name}.py" for name in ("cache", "claim", "fold"))


@dataclass(frozen=True)
class Guard:
    """One guard: what it keeps away, how it is taken away, and the tests that must fail then."""

    name: str
    keeps_away: str
    file: str
    changes: Sequence[tuple[str, str]]
    tests: Sequence[str]
    also: Sequence[tuple[str, str, str]] = ()
    """File, old and new, where the same is guarded a second time."""

    def every_change(self) -> Iterator[tuple[str, str, str]]:
        """File, old and new."""
        yield from ((self.file, old, new) for old, new in self.changes)
        yield from self.also


GUARDS = (
    Guard(
        "token lock",
        "a batch taken over between its check and its write: an older score over a newer one",
        CACHE,
        [("        for update\n    ) as locked;", "    ) as locked;")],
        [f"{MEETS}::test_a_batch_cannot_be_taken_over_between_its_check_and_its_write"],
        [(LOCK, "        for update\n    ) as locked;", "    ) as locked;")],
    ),
    Guard(
        "token check",
        "a worker that lost its lease publishing all the same",
        CACHE,
        [
            (
                "        ) = claim_token\n    ),\n\n    following",
                "        ) is distinct from claim_token or true\n    ),\n\n    following",
            )
        ],
        [f"{CACHE_TESTS}::test_a_worker_that_lost_its_lease_writes_nothing_over_the_newer_score"],
    ),
    Guard(
        "generation check",
        "an entry deleted although it was marked again since its claim",
        CACHE,
        [
            (
                "any(published || absent)\n        and q.generation = q.claimed_generation;",
                "any(published || absent);",
            )
        ],
        [f"{MEETS}::test_a_change_folded_between_stats_and_cache_keeps_the_entry"],
    ),
    Guard(
        "lease",
        "a batch taken from a worker that is still at it",
        WAKE,
        [("q.lease_until < clock_timestamp()", "q.lease_until is not null")],
        [f"{CLAIM_TESTS}::test_a_lease_that_runs_is_left_alone"],
    ),
    Guard(
        "end of the lease",
        "entries held for ever by a worker that is gone",
        WAKE,
        [("q.lease_until < clock_timestamp()", "q.lease_until is null")],
        [f"{CLAIM_TESTS}::test_a_lapsed_lease_is_ready_again_with_what_was_marked_meanwhile"],
    ),
    Guard(
        "sorted locks",
        "deadlocks between folders and cachers",
        FOLD,
        [
            (
                "        from merged as m\n        order by m.profile_id",
                "        from merged as m\n        order by m.profile_id desc",
            )
        ],
        ["tests/concurrency/test_deadlocks.py::test_three_folders_and_three_cachers_in_any_order_never_deadlock"],
    ),
    Guard(
        "row_security = off in statistics",
        "rows that a policy hides counted as none: 30 provisional points",
        "migrations/functions/network_stats.sql",
        [("set row_security = off\n", "")],
        [
            "tests/integration/test_row_level_security.py"
            "::test_where_it_binds_the_views_owner_functions_fail_instead_of_counting_nothing"
        ],
    ),
    Guard(
        "raw keys",
        "owners looked up by the trigger: changes lost when the listing moves meanwhile",
        WATCH,
        [
            (
                "begin\n    select\n        array_agg(split_part",
                "begin\n    if watched = 'bookings' then\n"
                "        keys := array['listing_id as profile_id', 'client_id as profile_id'];\n"
                "    end if;\n    select\n        array_agg(split_part",
            ),
            (
                "'select %1$L, <deleted>, changed.%2$I from (<rows>)",
                "'select %1$L, <deleted>, ' || case when r.key = 'listing_id' then "
                "'(select l.profile_id from public.listings as l where l.id = changed.listing_id)' "
                "else 'changed.%2$I' end || ' from (<rows>)",
            ),
        ],
        [f"{MEETS}::test_a_listing_that_moves_under_an_open_booking_is_scored_for_its_owner_as_of_the_fold"],
    ),
    Guard(
        "READ COMMITTED by name",
        "workers under the database's own default level, failing and making the application fail",
        "caas_worker/db.py",
        [("begin isolation level read committed", "begin")],
        ["tests/concurrency/test_isolation.py"],
    ),
    Guard(
        "bisection",
        "a batch that fails as a whole for one profile",
        "caas_worker/bisect.py",
        [("if isinstance(error, CaasError) and not (", "if True or (")],
        [f"{CACHE_TESTS}::test_statistics_that_fail_for_one_profile_are_never_zeros"],
    ),
    Guard(
        "only a profile's own errors are bisected",
        "everyone counted as failed while a function is missing",
        "caas_worker/bisect.py",
        [("if isinstance(error, CaasError) and not (", "if False and (")],
        [f"{CACHE_TESTS}::test_an_error_that_is_no_profiles_fault_counts_against_nobody"],
    ),
    Guard(
        "attempts reset",
        "innocent profiles set aside for failures of long ago",
        CACHE,
        [("        attempts = 0,\n        losses = 0,\n", "")],
        [f"{CACHE_TESTS}::test_success_forgets_earlier_failures_and_losses"],
    ),
    Guard(
        "suspects are claimed alone",
        "one profile that kills its worker taking its neighbours along",
        CLAIM,
        [("                and q.losses >= 2", "                and q.losses >= 1000")],
        [f"{CLAIM_TESTS}::test_an_entry_lost_twice_is_claimed_alone_and_holds_nobody_up"],
    ),
    Guard(
        "only losses alone count",
        "profiles set aside because their worker was killed again and again",
        WAKE,
        [("q.attempts + q.claimed_alone::integer", "q.attempts + 1"), ("            and q.claimed_alone\n", "")],
        [f"{CLAIM_TESTS}::test_losses_in_company_kill_nobody_however_often_the_profile_failed_before"],
    ),
    Guard(
        "never dead when its generation moved on",
        "a change set aside unseen",
        FAIL,
        [
            (
                "            and q.attempts + 1 >= max_attempts\n            and q.generation = q.claimed_generation\n"
                "        returning",
                "            and q.attempts + 1 >= max_attempts\n        returning",
            )
        ],
        [f"{CACHE_TESTS}::test_a_last_failure_that_was_marked_again_meanwhile_is_tried_again"],
    ),
    Guard(
        "what comes after the claim is kept apart",
        "times and reasons of changes that are in no score yet, lost or mixed with older ones",
        CACHE,
        [
            ("        reasons = q.later_reasons,\n        first_changed_at = q.later_changed_at,\n", ""),
        ],
        [f"{CACHE_TESTS}::test_an_entry_marked_again_meanwhile_is_released_with_what_came_after_the_claim"],
    ),
    Guard(
        "marks are taken by SKIP LOCKED",
        "folders waiting for each other",
        FOLD,
        [("            for update skip locked", "            for update")],
        [f"{FOLD_TESTS}::test_folders_take_different_marks_and_wait_for_none"],
    ),
    Guard(
        "a whole search every second",
        "marks committed late, below the highest that was folded",
        "caas_worker/fold.py",
        [("whole = whole or self._whole.due()", "whole = False")],
        [
            "tests/integration/test_horizon.py",
            f"{FOLD_TESTS}::test_a_late_commit_below_the_last_folded_mark_is_still_folded",
        ],
    ),
    Guard(
        "follow waits to be listed",
        "profiles.caas_score keeping an older total for good",
        CACHE,
        [
            (
                "        on conflict (profile_id) do update\n            set profile_id = excluded.profile_id",
                "        on conflict (profile_id) do nothing",
            )
        ],
        ["tests/integration/test_follow.py::test_a_total_published_while_the_last_one_is_being_copied_is_copied_too"],
    ),
    Guard(
        "agents are decided at the fold",
        "an agent who became one while a tutor was published never told of it",
        CASCADE,
        [
            (
                "    where g.source_profile_id is not null;",
                "    where (select caas.role(p.roles::text[]) from public.profiles as p\n"
                "        where p.id = g.source_profile_id) = 'AGENT';",
            )
        ],
        ["tests/spec/test_cascade.py", "tests/concurrency/test_cascade_meets_changes.py"],
    ),
    Guard(
        "a recruit's own row marks its agents",
        "a tutor who became a client counted as a recruit",
        FOLD,
        [("            where m.reason = 'profiles'\n", "            where false\n")],
        ["tests/spec/test_cascade.py", "tests/concurrency/test_cascade_meets_changes.py"],
    ),
    Guard(
        "agents of those set aside are marked",
        "agents standing still because a recruit cannot be scored",
        FAIL,
        [("perform caas.cascade(", "perform cardinality(")],
        ["tests/spec/test_cascade.py", "tests/concurrency/test_cascade_meets_changes.py"],
    ),
    Guard(
        "rules are compared before writing",
        "an older worker overwriting scores of a newer rule",
        CACHE,
        [("if cardinality(others) > 0 then", "if false then")],
        ["tests/integration/test_rules.py"],
    ),
    Guard(
        "each due time is marked once",
        "a sweep that marks the same profiles every second",
        SWEEP,
        [("            and not s.swept\n", "")],
        ["tests/integration/test_sweep.py"],
    ),
    Guard(
        "a mark names its day",
        "a day's aggregates standing as they were before a late change",
        FOLD,
        [("o.touched_at >= '0001-01-03 00:00:00+00' and", "false and")],
        [DAY_TESTS],
    ),
    Guard(
        "a mark names its counterpart",
        "credibility that counts a client's sessions as they were",
        FOLD,
        [("('pair', null, o.other_id, o.is_pair)", "('pair', null, o.other_id, false)")],
        [PAIR_TESTS],
    ),
    Guard(
        "a listing's sessions move with it",
        "cells of a listing's old and new owner standing as they were",
        FOLD,
        [("m.whole or m.reason = 'listings' as whole", "m.whole as whole")],
        [DAY_TESTS, PAIR_TESTS],
    ),
    Guard(
        "day cells are the token's",
        "a worker that lost its lease writing over the cells of who has it",
        LOCK,
        [("            and q.token = claim_token\n", "")],
        [MEET_CELLS, LATE_TESTS],
    ),
    Guard(
        "pair cells are the token's",
        "a worker that lost its lease taking away what another is about to write",
        PAIRS,
        [("            and q.token = claim_token\n", "")],
        [MEET_CELLS, PAIR_TESTS, LATE_TESTS],
    ),
    Guard(
        "days since the last time",
        "a session that lay ahead counting nowhere when it has begun",
        DAYS,
        [("            k.since,\n            'infinity'", "            'infinity'::date,\n            'infinity'")],
        [DAY_TESTS],
    ),
    Guard(
        "the day's turn",
        "windows that roll only where something else changes",
        SWEEP,
        [
            (
                "from caas.cell_states as s\n        where s.next_due_at is not null",
                "from caas.cell_states as s\n        where false",
            )
        ],
        [TIME_TESTS],
    ),
    Guard(
        "first sessions wait for their attempt",
        "a first session never judged because an attempt failed",
        "caas_worker/appraisal.py",
        [("    if failures:\n", "    if failures and not whole:\n")],
        [LATE_TESTS],
    ),
    Guard(
        "one active alert",
        "an alert raised, and mailed, at every computation",
        QUALITY,
        [("c.is_active and c.standing_id is null", "c.is_active")],
        [ALERT_TESTS],
    ),
    Guard(
        "cells of a claim are there",
        "a score from cells that a crash of the server undid, while it kept the claim",
        LOCK,
        [("not q.cells_written and q.profile_id = any(settled)", "false")],
        [CRASHES],
    ),
    Guard(
        "cells of who is set aside are doubted",
        "an agent's score from sums of a recruit whose worker never came to write them",
        WAKE,
        [("    perform caas.doubt_pairs(chosen);\n", "")],
        ["tests/faults/test_recruits_set_aside.py"],
    ),
    Guard(
        "every new rule marks everyone",
        "an installation's first batch staying on the rule that was published before",
        RULES,
        [
            (
                "if cardinality(published) > 0 then",
                "if cardinality(published) > 0 and exists(select from caas.every_score) then",
            )
        ],
        ["tests/concurrency/test_rules_meet_batch.py"],
    ),
    Guard(
        "a drain's last fold",
        "marks left behind those of somebody who is not due",
        "caas_worker/worker.py",
        [("if batch is None and whole and not line.fold(whole=True).found_any:", "if batch is None and whole:")],
        ["tests/integration/test_drain.py"],
    ),
)


@dataclass(frozen=True)
class Missed:
    """What failed without a guard."""

    guard: Guard
    by: list[str]
    by_histories: bool


def take_away(guard: Guard, tree: Path) -> None:
    """Change the guard's files in this copy of the tree."""
    for file, old, new in guard.every_change():
        path = tree / file
        text = path.read_text()
        assert old in text, f"{guard.name}: {file} no longer holds {old!r}"
        path.write_text(text.replace(old, new))


def failing(tree: Path, tests: Sequence[str]) -> list[str]:
    """Those of the tests that fail in this tree."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-rfE", *tests],
        cwd=tree,
        env={**os.environ, "CAAS_TEST_EXAMPLES": str(EXAMPLES), "CAAS_TEST_SHRINK": "no", "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode not in (0, 1):
        raise SystemExit(run.stdout[-3000:] + run.stderr[-3000:])
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.MULTILINE)


def miss(guard: Guard, *, histories: bool) -> Missed:
    """Take one guard away and look who misses it."""
    with tempfile.TemporaryDirectory(prefix="caas-guard-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".venv", ".git", "__pycache__", ".hypothesis"))
        take_away(guard, tree)
        by = failing(tree, guard.tests)
        return Missed(guard, by, bool(histories and failing(tree, [HISTORIES])))


def page(found: Sequence[Missed]) -> str:
    """The table as a page."""
    lines = [
        "# Guards, each taken away in turn",
        "",
        "What protects the promises, what each of them keeps away, and which test fails without it. `make guards`",
        "takes them away one by one in a copy of the tree, runs the tests and writes this page; a guard that no test",
        "misses makes it fail. The last column says whether the generated histories (`tests/proof/`) happened to",
        f"notice, too, {EXAMPLES} of them: `make test` tries more and notices more, but their steps come one after",
        "another, so they can never see what two transactions do at the same moment.",
        "",
        "| guard | keeps away | missed by | histories |",
        "|---|---|---|---|",
    ]
    for missed in found:
        tests = "<br>".join(f"`{test.split('/')[-1].split('[')[0]}`" for test in missed.by) or "**nobody**"
        lines.append(
            f"| {missed.guard.name} | {missed.guard.keeps_away} | {tests} | {'yes' if missed.by_histories else 'no'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """All guards, or those whose name holds a word."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.guards", description=__doc__)
    parser.add_argument("word", nargs="?", default="", help="only guards whose name holds this; writes no page")
    parser.add_argument("--quick", action="store_true", help="without the generated histories; writes no page")
    options = parser.parse_args()
    found = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = (guard for guard in GUARDS if options.word in guard.name)
        for missed in pool.map(lambda guard: miss(guard, histories=not options.quick), asked):
            found.append(missed)
            sys.stdout.write(
                f"{missed.guard.name}: {', '.join(missed.by) or 'NOBODY'}; histories: {missed.by_histories}\n"
            )
            sys.stdout.flush()
    if not (options.word or options.quick):
        PAGE.write_text(page(found))
    sys.exit(0 if all(missed.by for missed in found) else 1)


if __name__ == "__main__":
    main()
