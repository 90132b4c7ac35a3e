/*
 * The line of one profile: mark, fold, claim, cells, stats, publish or fail, follow.
 *
 * At the same time run changes of the application and two workers. Leases end at any moment, workers are killed,
 * computations fail. With a switch (-D) there is also
 *   AGENT          the line of the profile's agent, whose score depends on the profile's sums and total
 *   CALLER         a caller who waits for a fresh score
 *   DELETION       the deletion of the profile
 *   SERVER_CRASH   a crash of the database server, which undoes the latest commits that did not wait for the disk;
 *                  a worker that is between two transactions notices nothing
 *   UNBUILT        at the start, the profile's pair cells are not built
 *
 * A transaction is modelled in steps. It takes its locks one by one. Each statement that matters reads in a step of its
 * own, because READ COMMITTED gives each statement its own snapshot. All that it writes appears in one step, the
 * commit. A kill or a crash before the commit undoes it as a whole.
 *
 * Change number i of the application is bit i, wherever changes are counted: in the rows, in the marks, in cells, in
 * the cached score. It belongs to cell i modulo 2. So "the score covers what the claim covers" is a test of bits.
 *
 * Bounds (-D):
 *   CHANGES          changes that the application commits, 1 to 4
 *   MAX_EXPIRIES     leases that end while their worker is alive; those of dead workers always end
 *   MAX_FAILURES     computations, or statements for cells, that fail for this profile
 *   MAX_KILLS        workers that are killed, and batches that an error interrupts, which are given back
 *   MAX_ATTEMPTS     attempts until the entry is set aside as dead
 *   SUSPECT_LOSSES   leases lost until the entry is a suspect, which its losses may set aside; the product has 2
 *
 * Left out: priorities, places, debounce and due times; batches of several profiles and their bisection (locks.pml has
 * two profiles); day cells that time alone makes stale; rules (rules.pml) and holds (holds.pml). Numbers that are only
 * compared for equality are used again when nothing remembers them: a fold gives the generation 1 or 2, whichever was
 * not claimed, and a claim takes the lowest token that no worker and no entry has.
 *
 * Asserted:
 *   promise 1   no change is lost: at rest, score, cells, first sessions, profiles.caas_score and the agent's score are
 *               as the rows say; a published score covers every change that its claim covers; a change that is folded
 *               is in its pair cell or has it touched, at every moment; what came after a claim is never set aside
 *   promise 3   one worker publishes the profile at a time: only the holder of the token writes, and never an older
 *               computation over a newer one; a caller gets a score of everything that was committed when they asked
 *   promise 6   freshness: an entry that was marked again is released with what came after its claim
 * ONLY_PROMISE_3 leaves the others out, for variants that break several.
 */

#define PROMISE_3(condition) assert(condition)
#ifdef ONLY_PROMISE_3
#define PROMISE_1(condition) skip
#define PROMISE_6(condition) skip
#else
#define PROMISE_1(condition) assert(condition)
#define PROMISE_6(condition) assert(condition)
#endif

#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef MAX_EXPIRIES
#define MAX_EXPIRIES 1
#endif
#ifndef MAX_FAILURES
#define MAX_FAILURES 1
#endif
#ifndef MAX_KILLS
#define MAX_KILLS 1
#endif
#ifndef MAX_ATTEMPTS
#define MAX_ATTEMPTS 1
#endif
#ifndef SUSPECT_LOSSES
#define SUSPECT_LOSSES 1
#endif

/* ---- changes and cells, as bits -------------------------------------------------------------------------------- */

#define EVEN 5                  /* changes 0 and 2 belong to cell 0 */
#define ODD 10                  /* changes 1 and 3 belong to cell 1 */
#define FIRST_CELL 1
#define SECOND_CELL 2
#define BOTH_CELLS 3
#define WHOLE 4                 /* touched: every cell, the cells 'pairs' and 'days' of caas.touched_cells */
#define GONE 16                 /* marks: the profile was deleted */

#define CELL_OF(change) (1 << ((change) % 2))
#define CELLS_OF(changes) ((((changes) & EVEN) -> FIRST_CELL : 0) | (((changes) & ODD) -> SECOND_CELL : 0))
#define CHANGES_IN(cells) ((((cells) & FIRST_CELL) -> EVEN : 0) | (((cells) & SECOND_CELL) -> ODD : 0))
#define EVERY_CELL_IF_WHOLE(touched) (((touched) & WHOLE) -> BOTH_CELLS : (touched))
#define RECOUNTED(old, cells, new) (((old) & ~CHANGES_IN(cells)) | ((new) & CHANGES_IN(cells)))

/* ---- the database ---------------------------------------------------------------------------------------------- */

typedef Profile {               /* the application's rows */
  byte rows;                    /* changes that are committed */
  bool deleted;
  byte caas_score               /* the column that follows the cache */
}

typedef Entry {                 /* caas.recalculation_queue */
  bool exists;
  byte generation;
  byte claimed_generation;
  byte token;
  bool waiting;                 /* due_at is set */
  byte attempts;
  byte losses;
  bool later;                   /* the later_ columns are set */
  bool cells_written;
  byte covers;                  /* the changes that reasons and times speak of */
  byte later_covers             /* the same, of the later_ columns */
}

typedef Cells {
  bool paired;                  /* caas.cell_states: pair cells are built */
  byte pairs;                   /* changes that the pair cells count */
  byte touched_pairs;           /* caas.touched_cells: pair cells to be written */
  byte refreshed;               /* … written, and kept for the first sessions */
  byte days;                    /* changes that the day cells count */
  byte touched_days;            /* caas.touched_cells: day cells to be written */
  byte first_sessions           /* changes that first sessions are judged by */
}

typedef Cache {                 /* caas.scores */
  bool exists;
  byte facts;                   /* changes that the profile's facts had */
  byte sums;                    /* changes that the sums of its pair cells had */
  byte generation;
  bool after_asking;            /* calculated_at is later than the caller's mark */
  bool listed                   /* caas.score_follow */
}

typedef Agent {                 /* the profile's agent: its mark, its entry and its score */
  bool mark;
  bool entry;
  byte sums;                    /* changes in the sums of its recruit, the profile */
  byte total                    /* the recruit's total */
}

Profile profile;
byte marks;                     /* caas.changes */
Entry entry;
bool dead;                      /* caas.dead_entries */
Cells cells;
Cache cache;
Agent agent;

#define TOTAL (cache.facts | (cache.sums << 4))

/* ---- locks, and what no transaction undoes ---------------------------------------------------------------------- */

byte marks_locked;
byte entry_lock;                /* the process that holds the entry's row, or the key of one to be inserted */
byte follow_lock;               /* the process that holds the row of caas.score_follow */
byte token[3];                  /* the token that each worker believes to hold */
byte expiries, failures, kills, finished;
bool epoch;                     /* the server crashed and is up again: transactions begun before are gone */

#define CALLING 9               /* the caller, as the holder of a lock */
#define ASKED 3                 /* the generation that the caller's own fold gives */

#ifdef CALLER
bool asked;                     /* the clock: before or after the caller's mark */
byte needed;                    /* what was committed when the caller asked */
#define CALLERS 1
#else
#define asked 0
#define CALLERS 0
#endif
#ifdef DELETION
#define DELETIONS 1
#else
#define DELETIONS 0
#endif

#define AT_REST ( \
  finished == CHANGES + DELETIONS + CALLERS && marks == 0 && !entry.exists && !agent.mark && !agent.entry \
  && !cache.listed && marks_locked == 0 && entry_lock == 0 && follow_lock == 0)

/* ---- a crash of the server -------------------------------------------------------------------------------------- */

#ifdef SERVER_CRASH
Profile disk_profile;
byte disk_marks;
Entry disk_entry;
bool disk_dead;
Cells disk_cells;
Cache disk_cache;
Agent disk_agent;

inline copy_profile(to, from) {
  to.rows = from.rows;
  to.deleted = from.deleted;
  to.caas_score = from.caas_score
}

inline copy_entry(to, from) {
  to.exists = from.exists;
  to.generation = from.generation;
  to.claimed_generation = from.claimed_generation;
  to.token = from.token;
  to.waiting = from.waiting;
  to.attempts = from.attempts;
  to.losses = from.losses;
  to.later = from.later;
  to.cells_written = from.cells_written;
  to.covers = from.covers;
  to.later_covers = from.later_covers
}

inline copy_cells(to, from) {
  to.paired = from.paired;
  to.pairs = from.pairs;
  to.touched_pairs = from.touched_pairs;
  to.refreshed = from.refreshed;
  to.days = from.days;
  to.touched_days = from.touched_days;
  to.first_sessions = from.first_sessions
}

inline copy_cache(to, from) {
  to.exists = from.exists;
  to.facts = from.facts;
  to.sums = from.sums;
  to.generation = from.generation;
  to.after_asking = from.after_asking;
  to.listed = from.listed
}

inline copy_agent(to, from) {
  to.mark = from.mark;
  to.entry = from.entry;
  to.sums = from.sums;
  to.total = from.total
}

Profile no_profile;             /* all zero, for a disk that is not looked at any more */
Entry no_entry;
Cells no_cells;
Cache no_cache;
Agent no_agent;

inline write_disk(new_profile, new_marks, new_entry, new_dead, new_cells, new_cache, new_agent) {
  copy_profile(disk_profile, new_profile);
  disk_marks = new_marks;
  copy_entry(disk_entry, new_entry);
  disk_dead = new_dead;
  copy_cells(disk_cells, new_cells);
  copy_cache(disk_cache, new_cache);
  copy_agent(disk_agent, new_agent)
}

/* The write-ahead log reaches the disk: at any moment, and at the commit of every transaction that waits for it. */
inline flush() {
  if
  :: !epoch -> write_disk(profile, marks, entry, dead, cells, cache, agent)
  :: else
  fi
}

/* Committed transactions that did not wait for the disk (db.py, lazily) are undone, the latest first. There is one
   crash: what is on the disk afterwards does not matter. */
inline crash() {
  copy_profile(profile, disk_profile);
  marks = disk_marks;
  copy_entry(entry, disk_entry);
  dead = disk_dead;
  copy_cells(cells, disk_cells);
  copy_cache(cache, disk_cache);
  copy_agent(agent, disk_agent);
  write_disk(no_profile, 0, no_entry, false, no_cells, no_cache, no_agent);
  marks_locked = 0;
  entry_lock = 0;
  follow_lock = 0;
  epoch = 1
}

proctype Disk() {
  do
  :: AT_REST || epoch -> break
  :: atomic { !epoch -> flush() }
  od
}

proctype Crash() {
  if
  :: atomic { !epoch && !AT_REST -> crash() }
  :: skip
  fi
}

#define OPEN (began == epoch)   /* this transaction's connection is alive */
#define BROKEN (began != epoch)
#define ON_DISK(number) (disk_entry.token == number)
#else
inline flush() { skip }
#define OPEN true
#define BROKEN false
#define ON_DISK(number) false
#endif

/* ---- the application --------------------------------------------------------------------------------------------- */

#ifndef TRIGGER_DO_NOTHING
/* Row and mark are one transaction: they appear together, or, rolled back, never were. The trigger waits for nothing.
   Two changes of one cell are alike, so they commit in the order of their numbers. */
proctype Change(byte number) {
  atomic {
    number < 2 || (profile.rows & (1 << (number - 2))) ->
    profile.rows = profile.rows | (1 << number);
    marks = marks | (1 << number);
    finished++;
    flush()
  }
}
#else
/* Without marks: the trigger inserts the entry itself, on conflict do nothing. */
proctype Change(byte number) {
  bool found;
  found = entry.exists;
  atomic {
    profile.rows = profile.rows | (1 << number);
    if
    :: !found && !entry.exists ->
       entry.exists = true;
       entry.generation = 1;
       entry.covers = 1 << number
    :: else
    fi;
    cells.touched_pairs = cells.touched_pairs | CELL_OF(number);
    cells.touched_days = cells.touched_days | CELL_OF(number);
    finished++
  }
}
#endif

#ifdef DELETION
proctype Deletion() {
  atomic {
    profile.deleted = true;
    marks = marks | GONE;
    finished++;
    flush()
  }
}
#endif

/* ---- what several functions do ----------------------------------------------------------------------------------- */

/* caas.fold, insert … on conflict do update. What comes after a claim keeps to the later_ columns. */
inline write_entry(changes, new_generation) {
  entry.generation = new_generation;
#ifdef NO_LATER_COLUMNS
  entry.covers = entry.covers | (changes);
#else
  if
  :: entry.token == 0 ->
     entry.covers = entry.covers | (changes)
  :: else ->
     entry.later = true;
     entry.later_covers = entry.later_covers | (changes)
  fi;
#endif
  entry.exists = true;
  dead = false
}

/* Ready again, or waiting, with what came after the claim as well. */
inline release_entry() {
  entry.token = 0;
  entry.claimed_generation = 0;
  entry.cells_written = false;
  entry.covers = entry.covers | entry.later_covers;
  entry.later_covers = 0;
  entry.later = false
}

inline remove_entry() {
  entry.exists = false;
  entry.generation = 0;
  entry.claimed_generation = 0;
  entry.token = 0;
  entry.attempts = 0;
  entry.losses = 0;
  entry.later = false;
  entry.cells_written = false;
  entry.covers = 0;
  entry.later_covers = 0
}

/* caas.cascade */
inline mark_agent() {
#ifdef AGENT
  agent.mark = true
#else
  skip
#endif
}

/* caas.doubt_pairs: pair cells that are touched and not written count as not built. */
inline doubt_pairs() {
  if
  :: cells.touched_pairs -> cells.paired = false
  :: else
  fi
}

inline set_aside() {
  PROMISE_1(!entry.later);
#ifndef NO_CASCADE_OF_DEAD
  mark_agent();
#endif
  dead = true;
  remove_entry()
}

/* caas.cache, at its end: done, or ready again with what came after the claim. */
inline finish_entry() {
  if
#ifndef NO_GENERATION_CHECK
  :: entry.generation != entry.claimed_generation ->
     PROMISE_6(entry.later);
     entry.covers = 0;
     release_entry();
     entry.attempts = 0;
     entry.losses = 0
#endif
  :: else -> remove_entry()
  fi
}

/* ---- a worker ---------------------------------------------------------------------------------------------------- */

#define IN_USE(number) (token[1] == number || token[2] == number || entry.token == number || ON_DISK(number))
#define NEW_TOKEN (IN_USE(1) -> (IN_USE(2) -> 3 : 2) : 1)
#define OURS (entry.exists && token[me] != 0 && entry.token == token[me])
#define HELD (entry.token == token[1] || entry.token == token[2])

/* select … where token = ours for update: caas.refresh_pairs, caas.lock_claimed, caas.cache, caas.give_back. Waits
   for a row that is locked, then looks at the token again. */
inline lock_claimed() {
  atomic {
#ifdef NO_TOKEN_CHECK
    BROKEN || entry_lock == 0 ->
    ours = OPEN && entry.exists;
#else
    BROKEN || !OURS || entry_lock == 0 ->
    ours = OPEN && OURS;
#endif
    if
    :: ours -> entry_lock = me
    :: else
    fi
  }
}

inline unlock() {
  if
  :: entry_lock == me -> entry_lock = 0
  :: else
  fi;
  if
  :: follow_lock == me -> follow_lock = 0
  :: else
  fi
}

inline forget_batch() {
  token[me] = 0;
  covers = 0;
  facts = 0;
  sums = 0;
  touched = 0;
  counted = 0;
  ours = false;
  failed = false;
  missing = false;
  after_asking = false;
#ifdef NO_TOUCHED_KEPT
  days_taken = 0;
  pairs_taken = 0;
#endif
  began = 0
}

proctype Worker(byte me) {
  byte began;                   /* the epoch in which the transaction at hand began */
  byte taken;                   /* marks that a fold has locked */
  byte covers;                  /* changes that the claim covers */
  byte facts, sums;             /* what the statistics saw: two statements, two snapshots */
  byte touched, counted;        /* cells to be written, and what the rows said of them */
  bool ours, failed, missing, after_asking;
#ifdef NO_TOUCHED_KEPT
  byte days_taken, pairs_taken; /* what a worker remembers instead of the table */
#endif

next_turn:
  do
  :: AT_REST -> goto leave

  /* ---- fold: caas.fold. Marks are taken by skip locked; the entry is waited for. ---- */
  :: atomic {
       (marks & ~marks_locked) != 0 ->
       taken = marks & ~marks_locked;
       marks_locked = marks_locked | taken;
       began = epoch
     };
     if
     :: atomic { OPEN && entry_lock == 0 -> entry_lock = me };
        if
        :: atomic {
             OPEN ->
             marks = marks & ~taken;
             marks_locked = marks_locked & ~taken;
             write_entry(taken & ~GONE, (entry.claimed_generation == 1 -> 2 : 1));
             cells.touched_pairs = cells.touched_pairs | CELLS_OF(taken);
             cells.touched_days = cells.touched_days | CELLS_OF(taken);
             entry_lock = 0
           }
        :: atomic {             /* killed: the marks are as they were */
             OPEN && kills < MAX_KILLS ->
             kills++;
             marks_locked = marks_locked & ~taken;
             entry_lock = 0
           }
        :: BROKEN
        fi
     :: BROKEN
     fi;
     atomic {
       taken = 0;
       began = 0
     }

  /* ---- wake: caas.wake, first half. A pause is over. ---- */
  :: atomic {
       entry.exists && entry_lock == 0 && entry.waiting ->
       entry.waiting = false
     }

#ifndef NO_END_OF_LEASE
  /* ---- wake: caas.wake, second half. A lease has ended. ---- */
  :: atomic {
       entry.exists && entry_lock == 0 && entry.token != 0 && (expiries < MAX_EXPIRIES || !HELD) ->
       if
       :: HELD -> expiries++
       :: else
       fi;
       if
       :: entry.losses < SUSPECT_LOSSES -> entry.losses++
       :: else
       fi;
       if
       :: entry.attempts < MAX_ATTEMPTS -> entry.attempts++
       :: else
       fi;
       if
       :: entry.losses == SUSPECT_LOSSES && entry.attempts == MAX_ATTEMPTS &&
          entry.generation == entry.claimed_generation ->
          set_aside();
#ifndef WAKE_KEEPS_PAIRED
          doubt_pairs()
#endif
       :: else -> release_entry()
       fi
     }
#endif

  /* ---- follow: caas.follow. Takes a row that is free; it is locked until it is struck off. ---- */
  :: atomic {
       cache.listed && follow_lock == 0 ->
       follow_lock = me;
       began = epoch
     };
     if
     :: atomic {
          OPEN ->
          facts = cache.facts;
          sums = cache.sums
        };
        if
        :: atomic {
             OPEN ->
             profile.caas_score = facts | (sums << 4);
             cache.listed = false;
             follow_lock = 0
           }
        :: atomic {             /* killed, or a row that the application holds */
             OPEN && kills < MAX_KILLS ->
             kills++;
             follow_lock = 0
           }
        :: BROKEN
        fi
     :: BROKEN
     fi;
     atomic {
       facts = 0;
       sums = 0;
       began = 0
     }

  /* ---- claim: caas.claim. Takes a ready entry that is free; the flag of the cells is cleared. ---- */
  :: atomic {
       entry.exists && entry_lock == 0 && entry.token == 0 && !entry.waiting ->
       token[me] = NEW_TOKEN;
       entry.token = token[me];
       entry.claimed_generation = entry.generation;
       entry.cells_written = false;
       covers = entry.covers
     };
     break

#ifdef STATS_BEFORE_CLAIM
  :: facts = profile.rows
#endif
  od;

  /* ---- cells: caas.refresh_pairs, a transaction that begins after the claim committed ---- */
  atomic {
    began = epoch;
    after_asking = asked        /* the time of the score (cells.py): before anything is counted */
  };
#ifdef NO_CELLS_LOCK
  ours = true;
#else
  lock_claimed();
#endif
  if
  :: BROKEN -> goto lost
  :: OPEN && !ours
  :: atomic {                   /* update caas.touched_cells */
       OPEN && ours ->
       touched = (cells.paired -> EVERY_CELL_IF_WHOLE(cells.touched_pairs) : BOTH_CELLS)
     };
     if
     :: BROKEN -> goto lost
     :: atomic {                /* caas.count_pairs, in a later snapshot */
          OPEN ->
          counted = profile.rows
        };
        if
        :: BROKEN -> goto lost
        :: atomic {             /* commit */
             OPEN ->
             if
             :: touched == BOTH_CELLS -> cells.paired = true
             :: else
             fi;
             cells.pairs = RECOUNTED(cells.pairs, touched, counted);
             cells.touched_pairs = cells.touched_pairs & ~touched & BOTH_CELLS;
#ifdef NO_TOUCHED_KEPT
             pairs_taken = touched;
             days_taken = cells.touched_days;
             cells.touched_days = 0;
#else
             cells.refreshed = cells.refreshed | touched;
#endif
             entry.cells_written = true;
             unlock();
#ifdef CELLS_ARE_DURABLE
             flush();
#endif
             touched = 0;
             counted = 0
           }
        :: atomic {             /* the statement fails for this profile: CELLS_FAILED */
             OPEN && failures < MAX_FAILURES ->
             failures++;
             failed = true;
             unlock();
             touched = 0;
             counted = 0
           }
        :: atomic {
             OPEN && kills < MAX_KILLS ->
             kills++;
             unlock();
             goto killed
           }
        fi
     fi
  fi;

  /* Between two transactions a worker may be killed, or meet an error that no profile caused and give its batch back. */
  if
  :: skip
  :: atomic {
       kills < MAX_KILLS ->
       kills++;
       goto killed
     }
  :: atomic {
       kills < MAX_KILLS ->
       kills++;
       goto lost
     }
  fi;

  /* ---- stats: facts, then sums. A begin on a dead connection is repeated on a new one (db.py): the line goes on. */
  began = epoch;
  if
  :: BROKEN -> goto lost
  :: atomic {
       OPEN ->
#ifndef STATS_BEFORE_CLAIM
       facts = profile.rows;
#endif
       missing = profile.deleted
     }
  fi;
  if
  :: BROKEN -> goto lost
  :: atomic {                   /* caas.teaching_sums: cells where they are built */
       OPEN ->
       sums = (cells.paired -> cells.pairs : profile.rows)
     }
  fi;

  /* ---- strategy ---- */
  if
  :: skip
  :: atomic {
       !failed && failures < MAX_FAILURES ->
       failures++;
       failed = true
     }
  fi;

  /* ---- publish: one transaction of caas.refresh_days, caas.first_sessions, caas.cache and caas.fail ---- */
  began = epoch;
#ifdef NO_TOKEN_LOCK
  ours = OURS;
  entry_lock == 0;
#else
  lock_claimed();
#endif
  if
  :: BROKEN -> goto lost

  :: OPEN && !ours && !failed   /* the lease was lost: nothing is written */

  :: atomic {                   /* caas.fail. Its doubt is the one write that asks for no token */
       OPEN && !ours && failed ->
       doubt_pairs()
     }

  :: atomic {                   /* caas.fail: dead after the last attempt, unless marked again; else it waits */
       OPEN && ours && failed ->
#ifndef NO_DOUBT_BY_FAIL
       doubt_pairs();
#endif
       if
#ifndef NO_DEAD_CHECK
       :: entry.attempts + 1 >= MAX_ATTEMPTS && entry.generation == entry.claimed_generation ->
#else
       :: entry.attempts + 1 >= MAX_ATTEMPTS ->
#endif
          set_aside()
       :: else ->
          release_entry();
          entry.waiting = true;
          entry.attempts++;
          entry.losses = 0
       fi;
       unlock()
     }

#ifdef NO_CELLS_FLAG
#define CELLS_WRITTEN true
#else
#define CELLS_WRITTEN entry.cells_written
  :: atomic {                   /* caas.lock_claimed: a crash undid the cells, the entry is given back */
       OPEN && ours && !failed && !entry.cells_written ->
       release_entry();
       unlock()
     }
#endif

  :: atomic {                   /* caas.refresh_days, caas.first_sessions */
       OPEN && ours && !failed && CELLS_WRITTEN ->
       counted = profile.rows
     };
     if
     :: BROKEN -> goto lost
     :: atomic {                /* caas.cache: the row of caas.score_follow is waited for */
          OPEN && (follow_lock == 0 || (!missing && TOTAL == (facts | (sums << 4)))) ->
          if
          :: missing || TOTAL != (facts | (sums << 4)) -> follow_lock = me
          :: else
          fi
        }
#ifdef NO_WAIT_TO_LIST
     :: OPEN
#endif
     fi;
     if
     :: BROKEN -> goto lost
     :: atomic {
          OPEN && kills < MAX_KILLS ->
          kills++;
          unlock();
          goto killed
        }
     :: atomic {                /* commit, of a profile that does not exist any more: caas.forget */
          OPEN && missing ->
          if
          :: cache.exists -> mark_agent()
          :: else
          fi;
          cache.exists = false;
          cache.facts = 0;
          cache.sums = 0;
          cache.listed = false;
          cells.paired = false;
          cells.pairs = 0;
          cells.touched_pairs = 0;
          cells.refreshed = 0;
          cells.days = 0;
          cells.touched_days = 0;
          cells.first_sessions = 0;
          finish_entry();
          unlock()
        }
     :: atomic {                /* commit, of a score with its cells */
          OPEN && !missing ->
          PROMISE_3((facts & cache.facts) == cache.facts);
          PROMISE_3((sums & cache.sums) == cache.sums);
#if !defined(NO_TOKEN_LOCK) && !defined(NO_TOKEN_CHECK)
          PROMISE_3(OURS);      /* … else: what does a late worker overwrite? */
#endif
          PROMISE_1((facts & covers) == covers);
          PROMISE_1((sums & covers) == covers);
          touched = EVERY_CELL_IF_WHOLE(cells.touched_days);
#ifdef NO_TOUCHED_KEPT
          touched = touched | EVERY_CELL_IF_WHOLE(days_taken);
          cells.refreshed = pairs_taken;
#endif
          cells.days = RECOUNTED(cells.days, touched, counted);
          PROMISE_1((cells.days & covers) == covers);
          cells.touched_days = 0;
          cells.first_sessions = RECOUNTED(cells.first_sessions, cells.refreshed, counted);
          cells.refreshed = 0;
          if
          :: TOTAL != (facts | (sums << 4)) -> cache.listed = true
          :: else
          fi;
          cache.exists = true;
          cache.facts = facts;
          cache.sums = sums;
#ifdef CALLER
          cache.generation = entry.claimed_generation;
#ifdef NO_EARLY_CLOCK
          cache.after_asking = asked;
#else
          cache.after_asking = after_asking;
#endif
#endif
          mark_agent();         /* caas.cascade */
          finish_entry();
          unlock()
        }
     fi
  fi;
  atomic {
    forget_batch();
    goto next_turn
  };

  /* The statement failed: the worker gives back what is still its own (worker.py, claim.py): caas.give_back. */
lost:
  atomic {
    !OURS || entry_lock == 0 ->
    if
    :: OURS -> release_entry()
    :: else
    fi
  };

  /* A new worker takes this one's place. */
killed:
  atomic {
    forget_batch();
    goto next_turn
  };
leave:
  skip
}

/* ---- the agent's own way down the line. Its statistics are one statement, in one snapshot: caas.agent_stats ------ */

#ifdef AGENT
proctype AgentLine() {
  byte sums, total;
  do
  :: AT_REST -> break
  :: atomic {
       agent.mark ->
       agent.mark = false;
       agent.entry = true
     }
  :: atomic {
       agent.entry ->
       sums = (cells.paired -> cells.pairs : profile.rows);
       total = TOTAL
     };
     atomic {
       if
       :: agent.entry ->
          agent.sums = sums;
          agent.total = total;
          agent.entry = false
       :: else                  /* a crash took the entry back to its mark */
       fi;
       sums = 0;
       total = 0
     }
  od
}
#endif

/* ---- a caller who wants a score as of now: caas.recalculate, which waits for the disk; then desk.py -------------- */

#ifdef CALLER
proctype Caller() {
  byte began;
  atomic {
    needed = profile.rows;
    began = epoch
  };
  if
  :: BROKEN -> goto not_asked
  :: atomic { OPEN && entry_lock == 0 -> entry_lock = CALLING }
  fi;
  if
  :: BROKEN -> goto not_asked
  :: atomic { OPEN -> asked = true }    /* the mark's time, after the fold and before the commit */
  fi;
  if
  :: BROKEN -> goto not_asked
  :: atomic {
       OPEN ->
       write_entry(0, ASKED);
#ifndef NO_WHOLE_ASKING
       cells.touched_pairs = cells.touched_pairs | WHOLE;
       cells.touched_days = cells.touched_days | WHOLE;
#endif
       entry_lock = 0;
       finished++;
       flush()
     }
  fi;
  if
  :: atomic {                   /* told: the generation that was asked for, or a computation that began later */
       cache.exists && (cache.generation == ASKED || cache.after_asking) ->
       PROMISE_3((cache.facts & needed) == needed);
       PROMISE_3((cache.sums & needed) == needed);
       PROMISE_3((cells.days & needed) == needed)
     }
  :: AT_REST
  fi;
  goto leave;
not_asked:
  finished++;
leave:
  skip
}
#endif

/* ---- what is promised -------------------------------------------------------------------------------------------- */

active proctype Rest() {
  atomic {
    AT_REST ->
    if
    :: dead
    :: !dead && profile.deleted ->
       PROMISE_1(!cache.exists)
    :: !dead && !profile.deleted ->
       PROMISE_1(cache.facts == profile.rows);
       PROMISE_1(cache.sums == profile.rows);
       PROMISE_1(!cells.paired || cells.pairs == profile.rows);
       PROMISE_1(cells.days == profile.rows);
       PROMISE_1(cells.first_sessions == profile.rows);
       PROMISE_1(!cells.touched_pairs && !cells.touched_days)
    fi;
    PROMISE_1(profile.deleted || profile.caas_score == TOTAL);
#ifdef AGENT
    PROMISE_1(agent.total == TOTAL);
    PROMISE_1(profile.deleted || agent.sums == profile.rows);
#endif
  }
}

#define FORGOTTEN(cell) ( \
  cells.paired && !profile.deleted && (profile.rows & ~marks & ~cells.pairs & CHANGES_IN(cell)) \
  && !(cells.touched_pairs & (cell | WHOLE)))

/* A change that is folded is in its pair cell, or the cell is touched: at every moment. */
active proctype Forgotten() {
endwatch:
  atomic {
    FORGOTTEN(FIRST_CELL) || FORGOTTEN(SECOND_CELL) ->
    PROMISE_1(false)
  }
}

init {
  byte number;
  atomic {
#ifndef UNBUILT
    cells.paired = true;
#endif
    cache.exists = true;
    flush();
    for (number : 0 .. CHANGES - 1) {
      run Change(number)
    };
    run Worker(1);
    run Worker(2);
#ifdef DELETION
    run Deletion();
#endif
#ifdef CALLER
    run Caller();
#endif
#ifdef AGENT
    run AgentLine();
#endif
#ifdef SERVER_CRASH
    run Disk();
    run Crash();
#endif
    number = 0
  }
}
