"""Every run of the models: the line as it is, and one variant for each guard that is taken away."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """One search of a model, with its bounds."""

    name: str
    file: str
    flags: str
    """Macros that the model is compiled with, as `NAME` or `NAME=number`."""
    shows: str
    """A faithful run: what is tried. A variant: what goes wrong without the guard."""
    guard: str = ""
    """A variant: the guard that is taken away, and its place in the code."""
    violates: str = ""
    """A variant: the assertion that fails, as the model says it; INVALID_END_STATE: transactions wait forever."""

    @property
    def counterexample(self) -> bool:
        """Whether the search must find an error. A faithful run must end without one."""
        return bool(self.violates)

    @property
    def macros(self) -> dict[str, str]:
        """The value of each macro; empty for a switch."""
        return {name: value for name, _, value in (flag.partition("=") for flag in self.flags.split())}


INVALID_END_STATE = "invalid end state"
UNDISTURBED = "MAX_FAILURES=0 MAX_KILLS=0"

FAITHFUL = (
    Run(
        "line",
        "line.pml",
        "CHANGES=3 MAX_EXPIRIES=2 MAX_ATTEMPTS=2 SUSPECT_LOSSES=2 MAX_FAILURES=0 MAX_KILLS=0",
        "Changes at any moment, and two leases that end while their workers go on.",
    ),
    Run(
        "line-killed",
        "line.pml",
        "CHANGES=3 MAX_FAILURES=0 MAX_KILLS=1",
        "A worker that is killed and a lease that ends, where one attempt is the last.",
    ),
    Run(
        "line-failing",
        "line.pml",
        "CHANGES=3 MAX_FAILURES=1 MAX_KILLS=0",
        "A computation that fails and a lease that ends, where one attempt is the last.",
    ),
    Run(
        "line-retried",
        "line.pml",
        "CHANGES=2 MAX_EXPIRIES=2 MAX_ATTEMPTS=2 SUSPECT_LOSSES=2 MAX_FAILURES=2 MAX_KILLS=1",
        "Failures and lost leases up to the second attempt, dead entries that come back.",
    ),
    Run(
        "line-unbuilt",
        "line.pml",
        "CHANGES=2 UNBUILT MAX_ATTEMPTS=2 SUSPECT_LOSSES=2",
        "A profile whose pair cells are not built.",
    ),
    Run(
        "line-deleted",
        "line.pml",
        "CHANGES=2 DELETION",
        "The profile is deleted meanwhile.",
    ),
    Run(
        "line-asked",
        "line.pml",
        f"CHANGES=2 CALLER {UNDISTURBED}",
        "A caller asks for a fresh score and is told as soon as there is one.",
    ),
    Run(
        "line-agent",
        "line.pml",
        "CHANGES=2 AGENT MAX_EXPIRIES=2",
        "The profile's agent is computed from its sums and its total meanwhile.",
    ),
    Run(
        "line-agent-deleted",
        "line.pml",
        "CHANGES=1 AGENT DELETION",
        "The same; the profile is deleted meanwhile.",
    ),
    Run(
        "crash",
        "line.pml",
        "CHANGES=2 SERVER_CRASH MAX_KILLS=0",
        "The database server crashes at any moment and loses any number of the last commits that did not wait.",
    ),
    Run(
        "crash-agent",
        "line.pml",
        "CHANGES=2 SERVER_CRASH AGENT MAX_EXPIRIES=0 MAX_FAILURES=0 MAX_KILLS=0",
        "The same, with the profile's agent.",
    ),
    Run(
        "crash-deleted",
        "line.pml",
        "CHANGES=1 SERVER_CRASH AGENT DELETION MAX_EXPIRIES=0 MAX_FAILURES=0 MAX_KILLS=0",
        "The same, and the profile is deleted.",
    ),
    Run(
        "crash-asked",
        "line.pml",
        "CHANGES=1 SERVER_CRASH CALLER MAX_EXPIRIES=0 MAX_FAILURES=0 MAX_KILLS=0",
        "A crash of the server while a caller waits.",
    ),
    Run(
        "drain-alone",
        "drain.pml",
        "FULL_FOLDS=1 ALONE",
        "A drain on its own, late commits, an entry in backoff.",
    ),
    Run(
        "drain-two",
        "drain.pml",
        "FULL_FOLDS=1",
        "A drain beside another worker.",
    ),
    Run("rules", "rules.pml", "", "A newer rule is published while a worker with the older one is at work."),
    Run(
        "rules-after-lock",
        "rules.pml",
        "COMPARE_AFTER_LOCK",
        "The same; rules are compared after the entries are locked.",
    ),
    Run("rules-standing", "rules.pml", "STANDING", "There is a mark of everyone already, which serves."),
    Run("rules-standing-after-lock", "rules.pml", "STANDING COMPARE_AFTER_LOCK", "The same, compared after the lock."),
    Run("rules-first", "rules.pml", "FIRST", "An installation's first batch is under way: no score exists."),
    Run("rules-first-after-lock", "rules.pml", "FIRST COMPARE_AFTER_LOCK", "The same, compared after the lock."),
    Run("holds", "holds.pml", "", "A hold without an end is set while batches are published."),
    Run("holds-ending", "holds.pml", "ENDS", "A hold with an end: the sweep marks the profile."),
    Run("holds-released", "holds.pml", "ENDS RELEASED", "The same; the hold is released, before its end or after it."),
    Run("moves", "moves.pml", "", "A listing moves to another tutor while its booking changes."),
    Run("locks", "locks.pml", "", "Nine transactions over two profiles take their locks."),
)

VARIANTS = (
    Run(
        "no-marks",
        "line.pml",
        f"TRIGGER_DO_NOTHING {UNDISTURBED}",
        "A change is in no score: its trigger saw an entry, and that entry's computation did not see the change.",
        "triggers append marks; they do not insert entries on conflict do nothing (caas.watch)",
        "PROMISE_1(cache.facts == profile.rows)",
    ),
    Run(
        "no-token-lock",
        "line.pml",
        f"NO_TOKEN_LOCK ONLY_PROMISE_3 {UNDISTURBED}",
        "Between a worker's check and its write another worker publishes; an older score overwrites the newer one.",
        "entries are locked while their token is compared (caas.lock_claimed, caas.cache)",
        "PROMISE_3((facts & cache.facts) == cache.facts)",
    ),
    Run(
        "no-token-check",
        "line.pml",
        f"NO_TOKEN_CHECK ONLY_PROMISE_3 MAX_ATTEMPTS=2 {UNDISTURBED}",
        "A worker that lost its lease publishes all the same: an older score overwrites the newer one.",
        "only entries that are still the token's are written (caas.lock_claimed, caas.cache)",
        "PROMISE_3((facts & cache.facts) == cache.facts)",
    ),
    Run(
        "no-generation-check",
        "line.pml",
        f"NO_GENERATION_CHECK {UNDISTURBED}",
        "An entry is removed although it was marked again since its claim; that change is in no score.",
        "an entry goes only if its generation is the claimed one (caas.cache)",
        "PROMISE_1(cache.facts == profile.rows)",
    ),
    Run(
        "no-later-columns",
        "line.pml",
        f"NO_LATER_COLUMNS {UNDISTURBED}",
        "An entry that was marked again is released without the reasons and times of what came after its claim.",
        "what comes after a claim is kept apart (caas.fold, the later_ columns)",
        "PROMISE_6(entry.later)",
    ),
    Run(
        "no-stats-after-claim",
        "line.pml",
        f"STATS_BEFORE_CLAIM {UNDISTURBED}",
        "The statistics lack a change that was folded before the claim.",
        "statistics begin after the claim committed (Line.run_batch)",
        "PROMISE_1((facts & covers) == covers)",
    ),
    Run(
        "no-cells-lock",
        "line.pml",
        f"NO_CELLS_LOCK {UNDISTURBED}",
        "A worker that lost its lease writes a cell as it was, and takes the touched cell away.",
        "cells are written under the lock of the token's entries (caas.refresh_pairs)",
        "PROMISE_1(false)",
    ),
    Run(
        "no-touched-kept",
        "line.pml",
        "NO_TOUCHED_KEPT",
        "An attempt ends after its pair cells were written; what it touched is forgotten, day cells stay as they were.",
        "touched cells are kept until what depends on them is published (caas.refresh_pairs, caas.refresh_days)",
        "PROMISE_1((cells.days & covers) == covers)",
    ),
    Run(
        "no-wait-to-list",
        "line.pml",
        f"NO_WAIT_TO_LIST {UNDISTURBED}",
        "A total is published while the last one is being copied, and struck off with it: the column keeps the last.",
        "listing a profile to follow waits for a copy under way (caas.cache, caas.list_to_follow)",
        "PROMISE_1(profile.deleted || profile.caas_score == TOTAL)",
    ),
    Run(
        "no-end-of-lease",
        "line.pml",
        "NO_END_OF_LEASE",
        "A worker is killed; its entry is leased forever.",
        "leases end (caas.wake)",
        INVALID_END_STATE,
    ),
    Run(
        "no-dead-check",
        "line.pml",
        "NO_DEAD_CHECK",
        "The last attempt fails, and a change that was folded meanwhile is set aside unseen.",
        "an entry that was marked again is never set aside (caas.fail, caas.wake)",
        "PROMISE_1(!entry.later)",
    ),
    Run(
        "no-cascade-of-dead",
        "line.pml",
        "AGENT NO_CASCADE_OF_DEAD",
        "A recruit is set aside as dead with changes that its agent never hears of.",
        "agents of those set aside are marked (caas.fail, caas.wake: caas.cascade)",
        "PROMISE_1(profile.deleted || agent.sums == profile.rows)",
    ),
    Run(
        "no-doubt-by-fail",
        "line.pml",
        "AGENT NO_DOUBT_BY_FAIL",
        "Cells cannot be written, the entry is set aside after its last attempt, and its agent adds up stale cells.",
        "cells that could not be written count as not built (caas.fail: caas.doubt_pairs)",
        "PROMISE_1(profile.deleted || agent.sums == profile.rows)",
    ),
    Run(
        "no-doubt-by-wake",
        "line.pml",
        "AGENT WAKE_KEEPS_PAIRED",
        "A lease ends before the cells are written, the entry is set aside, and its agent adds up stale cells.",
        "cells that could not be written count as not built (caas.wake: caas.doubt_pairs)",
        "PROMISE_1(profile.deleted || agent.sums == profile.rows)",
    ),
    Run(
        "no-early-clock",
        "line.pml",
        f"CALLER NO_EARLY_CLOCK {UNDISTURBED}",
        "A caller is told of a score that says it is later than the asking, and was counted before it.",
        "a score's time is read before its cells are counted (cells.py)",
        "PROMISE_3((cache.facts & needed) == needed)",
    ),
    Run(
        "no-whole-asking",
        "line.pml",
        f"CALLER NO_WHOLE_ASKING {UNDISTURBED}",
        "A caller is told of a score that lacks a change committed before the asking and not folded yet.",
        "a recalculation by hand touches every cell (caas.recalculate)",
        "PROMISE_3((cache.sums & needed) == needed)",
    ),
    Run(
        "no-cells-flag",
        "line.pml",
        f"CHANGES=1 SERVER_CRASH NO_CELLS_FLAG {UNDISTURBED}",
        "A crash undoes the cells and not the claim; the worker goes on and publishes from the cells as they were.",
        "a batch is given back if a crash undid its cells (cells_written: caas.claim, caas.refresh_pairs, "
        "caas.lock_claimed)",
        "PROMISE_1((sums & covers) == covers)",
    ),
    Run(
        "no-cells-flag-durable",
        "line.pml",
        f"CHANGES=2 SERVER_CRASH NO_CELLS_FLAG CELLS_ARE_DURABLE {UNDISTURBED}",
        "Cells wait for the disk instead: a worker lost its lease and wrote none; a crash undoes that loss.",
        "the flag cells_written, instead of cells that wait for the disk",
        "PROMISE_1((sums & covers) == covers)",
    ),
    Run(
        "no-last-fold",
        "drain.pml",
        "FULL_FOLDS=1 ALONE NO_LAST_FOLD",
        "Full folds find marks of an entry in backoff only, a claim finds nothing; a mark of another profile is left.",
        "a drain ends after a last whole fold that found nothing (worker.drain)",
        "PROMISE_1(!IS_FREE(n))",
    ),
    Run(
        "no-whole-search",
        "drain.pml",
        "FULL_FOLDS=1 ALONE NO_WHOLE_SEARCH",
        "A transaction commits late; its mark lies below the floor, and the drain says that nothing is left.",
        "a drain's last searches begin at the very beginning (worker.drain, fold.py, claim.py)",
        "PROMISE_1(!IS_FREE(n))",
    ),
    Run(
        "no-rule-check",
        "rules.pml",
        "NO_RULE_CHECK",
        "A worker with the older rule publishes after the newer one was published: its score stays.",
        "rules are compared before anything is written (caas.cache, caas.other_rules)",
        "PROMISE_6(score == rule)",
    ),
    Run(
        "no-mark-where-no-scores",
        "rules.pml",
        "FIRST MARK_ONLY_WHERE_SCORES",
        "An installation's first batch has compared its rules and is not committed: no score exists, no one is "
        "marked, and its scores stay.",
        "publishing a rule marks everyone, also where no score exists (caas.publish_rules)",
        "PROMISE_6(score == rule)",
    ),
    Run(
        "no-everyone-lock",
        "rules.pml",
        "STANDING NO_EVERYONE_LOCK",
        "The mark of everyone that was to serve is expanded and computed before the newer rule is committed.",
        "a mark of everyone that serves another request is locked (caas.enqueue_everyone)",
        "PROMISE_6(score == rule)",
    ),
    Run(
        "no-entry-of-hold",
        "holds.pml",
        "NO_ENTRY_OF_HOLD",
        "A batch that was computed before the hold publishes its total over the pinned one.",
        "a hold takes the queue's entry first (caas.hold)",
        "PROMISE_1(cache.total == PINNED || !HOLDS)",
    ),
    Run(
        "no-holds-after-lock",
        "holds.pml",
        "NO_HOLDS_AFTER_LOCK",
        "A batch that looked for holds, and then waited for the entry, publishes its total over the pinned one.",
        "holds are read under the lock of the entries (caas.cache)",
        "PROMISE_1(cache.total == PINNED || !HOLDS)",
    ),
    Run(
        "no-raw-keys",
        "moves.pml",
        "OWNER_IN_TRIGGER",
        "The booking's mark names the old owner only; the new owner's cells lack the session.",
        "marks carry raw keys, owners are looked up by the fold (caas.watch, caas.fold)",
        "PROMISE_1(cells[0].counted == IN_ROWS(0) && cells[1].counted == IN_ROWS(1))",
    ),
    Run(
        "no-whole-move",
        "moves.pml",
        "NO_WHOLE_MOVE",
        "Old and new owner are computed again, and their cells are as before the move.",
        "a listing that moves touches every cell of both owners (caas.fold)",
        "PROMISE_1(cells[0].counted == IN_ROWS(0) && cells[1].counted == IN_ROWS(1))",
    ),
    Run(
        "no-sorted-locks",
        "locks.pml",
        "UNSORTED",
        "A fold and a batch lock two entries in different orders, and deadlock.",
        "entries are locked in the order of profile_id (caas.fold and every other)",
        INVALID_END_STATE,
    ),
    Run(
        "no-entry-before-score",
        "locks.pml",
        "NO_ENTRY_OF_HOLD",
        "A hold has the score's row and waits for the list; a batch has the list's row and waits for the score.",
        "a hold takes the queue's entry first (caas.hold)",
        INVALID_END_STATE,
    ),
)

RUNS = FAITHFUL + VARIANTS


def named(name: str) -> Run:
    """The run with this name.

    Raises:
        KeyError: there is none.
    """
    return {run.name: run for run in RUNS}[name]
