/*
 * A score is pinned by a hold while batches of its profile are being published.
 *
 * One profile with a score of 5, which a change of the application makes 6; an operator who pins it at 9; two workers.
 * A hold goes through the line: it takes the queue's entry first, as the batches do, so that it waits for a
 * batch that is being published, and every later batch sees it.
 *
 * With a switch (-D):
 *   ENDS       the hold has an end, which comes at any moment: the sweep marks the profile, once
 *   RELEASED   the operator releases the hold again
 *
 * Left out: leases that end (line.pml); holds that replace one another; other due times.
 *
 * Asserted:
 *   promise 1   at rest, the score is the hold's while it lasts, with the computed one beside it, and the computed one
 *               after it; profiles.caas_score has followed; and while the hold lasts no batch publishes another total
 */

#define PROMISE_1(condition) assert(condition)

#define BEFORE 5
#define AFTER 6
#define PINNED 9
#define OPERATOR 9

#define CHANGE 1                /* marks, as bits: the change's and the sweep's */
#define TIME 2

byte rows = BEFORE;             /* what the rule computes from the application's rows */
byte caas_score = BEFORE;       /* profiles.caas_score */
byte marks, marks_locked;       /* caas.changes */

typedef Entry {                 /* caas.recalculation_queue */
  bool exists;
  bool marked_again;            /* the generation is not the claimed one */
  byte token;
  byte lock
}
Entry entry;

typedef Cache {                 /* caas.scores */
  byte total;
  byte computed;                /* computed_score: 0 where no hold pins the total */
  bool due;                     /* next_due_at is the hold's end */
  bool swept;
  byte lock;
  bool listed;                  /* caas.score_follow */
  byte list_lock
}
Cache cache;

bool held;                      /* caas.holds: a hold that is not released */
bool ended;                     /* the clock: the hold's end has come */
byte finished;

#ifdef ENDS
#define ENDINGS 1
#else
#define ENDINGS 0
#endif
#ifdef RELEASED
#define RELEASES 1
#else
#define RELEASES 0
#endif

#define HOLDS (held && !ended)
#define TO_BE_SWEPT (cache.due && !cache.swept && ended)
#define AT_REST ( \
  finished == 2 + ENDINGS + RELEASES && marks == 0 && marks_locked == 0 && !entry.exists && entry.lock == 0 \
  && cache.lock == 0 && !cache.listed && cache.list_lock == 0 && !TO_BE_SWEPT)

proctype Application() {
  atomic {
    rows = AFTER;
    marks = marks | CHANGE;
    finished++
  }
}

#ifdef ENDS
proctype Clock() {
  atomic {
    held || finished == 2 + RELEASES ->
    ended = true;
    finished++
  }
}
#endif

/* caas.fold, insert … on conflict do update */
inline write_entry() {
  entry.marked_again = entry.token != 0;
  entry.exists = true
}

/* The locks of caas.hold and caas.release_hold, in this order. */
inline lock_for_hold() {
#ifndef NO_ENTRY_OF_HOLD
  atomic { entry.lock == 0 -> entry.lock = OPERATOR };              /* caas.recalculate */
#endif
  atomic { cache.lock == 0 -> cache.lock = OPERATOR };              /* update caas.scores */
  atomic { cache.list_lock == 0 -> cache.list_lock = OPERATOR }     /* caas.list_to_follow waits for a copy */
}

inline commit_hold() {
  write_entry();
  cache.listed = true;
  cache.lock = 0;
  cache.list_lock = 0;
  if
  :: entry.lock == OPERATOR -> entry.lock = 0
  :: else
  fi;
  finished++
}

proctype Operator() {
  lock_for_hold();
  atomic {                      /* caas.hold, commit */
    held = true;
    if
    :: cache.computed == 0 -> cache.computed = cache.total
    :: else
    fi;
    cache.total = PINNED;
#ifdef ENDS
    cache.due = true;
    cache.swept = false;
#endif
    commit_hold()
  };
#ifdef RELEASED
  lock_for_hold();
  atomic {                      /* caas.release_hold, commit */
    held = false;
    if
    :: cache.computed != 0 ->
       cache.total = cache.computed;
       cache.computed = 0
    :: else
    fi;
    commit_hold()
  }
#endif
}

#define OURS (entry.exists && entry.token == me)
#define PUBLISHED (pinned -> PINNED : computed)

/* A token is the number of its worker: no lease ends here, so a worker has one claim at a time. */
proctype Worker(byte me) {
  byte taken, computed, copied;
  bool ours, after_end, pinned;
  do
  :: AT_REST -> break

  /* ---- fold: caas.fold ---- */
  :: atomic {
       (marks & ~marks_locked) != 0 ->
       taken = marks & ~marks_locked;
       marks_locked = marks_locked | taken
     };
     atomic { entry.lock == 0 -> entry.lock = me };
     atomic {
       marks = marks & ~taken;
       marks_locked = marks_locked & ~taken;
       taken = 0;
       write_entry();
       entry.lock = 0
     }

  /* ---- sweep: caas.sweep. A locked row is skipped. ---- */
  :: atomic {
       TO_BE_SWEPT && cache.lock == 0 ->
       cache.swept = true;
       marks = marks | TIME
     }

  /* ---- follow: caas.follow ---- */
  :: atomic { cache.listed && cache.list_lock == 0 -> cache.list_lock = me };
     copied = cache.total;
     atomic {
       caas_score = copied;
       copied = 0;
       cache.listed = false;
       cache.list_lock = 0
     }

  /* ---- claim: caas.claim ---- */
  :: atomic {
       entry.exists && entry.token == 0 && entry.lock == 0 ->
       entry.token = me;
       entry.marked_again = false
     };

     /* ---- stats and strategy: one time for all of it ---- */
     atomic {
       computed = rows;
       after_end = ended
     };

     /* ---- cache: caas.cache. Holds are read under the lock of the entry. ---- */
#ifdef NO_HOLDS_AFTER_LOCK
     pinned = held && !after_end;
#endif
     atomic {
       !OURS || entry.lock == 0 ->
       ours = OURS;
       if
       :: ours -> entry.lock = me
       :: else
       fi
     };
     if
     :: !ours
     :: ours ->
#ifndef NO_HOLDS_AFTER_LOCK
        pinned = held && !after_end;
#endif
        atomic { cache.lock == 0 -> cache.lock = me };
        atomic {
          cache.total == PUBLISHED || cache.list_lock == 0 ->
          if
          :: cache.total != PUBLISHED -> cache.list_lock = me
          :: else
          fi
        };
        atomic {                /* commit */
          if
          :: cache.total != PUBLISHED -> cache.listed = true
          :: else
          fi;
          cache.total = PUBLISHED;
          cache.computed = (pinned -> computed : 0);
#ifdef ENDS
          cache.due = pinned;
#endif
          cache.swept = false;
          PROMISE_1(cache.total == PINNED || !HOLDS);
          entry.token = 0;
          entry.exists = entry.marked_again;
          entry.marked_again = false;
          entry.lock = 0;
          cache.lock = 0;
          if
          :: cache.list_lock == me -> cache.list_lock = 0
          :: else
          fi
        }
     fi;
     atomic {
       computed = 0;
       ours = false;
       after_end = false;
       pinned = false
     }
  od
}

active proctype Rest() {
  atomic {
    AT_REST ->
    PROMISE_1(caas_score == cache.total);
    if
    :: HOLDS -> PROMISE_1(cache.total == PINNED && cache.computed == rows)
    :: else -> PROMISE_1(cache.total == rows && cache.computed == 0)
    fi
  }
}

/* A hold pins the published score at every moment. */
active proctype Pinned() {
endwatch:
  atomic {
    HOLDS && cache.total != PINNED ->
    PROMISE_1(false)
  }
}

init {
  atomic {
    cache.total = BEFORE;
    run Application();
    run Operator();
#ifdef ENDS
    run Clock();
#endif
    run Worker(1);
    run Worker(2)
  }
}
