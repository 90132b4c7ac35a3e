/*
 * A drain: when may it say that nothing is left?
 *
 * A drain folds and claims until it finds neither a mark nor a ready entry (worker.drain). Its searches begin at a
 * floor (floor.py), skip what is locked, and take a limited number. Here each takes one mark, or one entry.
 *
 * Two profiles. Three transactions of the application write a mark each: the number is given when it is written, the
 * mark is seen when it commits, so a late commit leaves a lower number than those already folded. Marks 0 and 1 are of
 * profile 0, mark 2 is of profile 1. The entry of profile 0 may be waiting in backoff, for longer than the drain lasts:
 * marks that fold into it make nothing ready.
 *
 * Bounds (-D):
 *   FULL_FOLDS   full folds that the drain puts before its next claim (worker.FULL_FOLDS_PER_BATCH; the product has 10)
 *   ALONE        no other worker; else one folds and claims meanwhile
 *
 * Left out: what a batch computes; leases that end; priorities, which have a floor each. A floor lags some
 * seconds behind: here a search begins at the old floor or at the number reached last. The other worker's searches
 * begin anywhere.
 *
 * Asserted:
 *   promise 1   when a drain ends by itself, every mark that was committed before its last round began is folded, and
 *               no ready entry covers it. What another worker had in hand during that round is that worker's to
 *               finish; what waits in backoff is not due. (Summary.remaining counts both.)
 */

#define PROMISE_1(condition) assert(condition)

#ifndef FULL_FOLDS
#define FULL_FOLDS 1
#endif

#define MARKS 3
#define PROFILE_OF(number) ((number) / 2)

#define NONE 9
#define DRAIN 1
#define OTHER 2

typedef Mark {                  /* caas.changes */
  byte id;                      /* 0: not written */
  bool committed;               /* and not folded yet */
  byte lock
}

typedef Entry {                 /* caas.recalculation_queue */
  bool exists;
  bool waiting;
  bool leased;
  bool marked_again;            /* the generation is not the claimed one */
  byte place;
  byte lock;
  byte covers;                  /* the marks that it covers, as bits */
  byte later_covers
}

Mark mark[MARKS];
Entry entry[2];
byte last_id, last_place;
bool drained;

/* What the assertion speaks of: marks committed before the drain's last round, profiles that the other worker had. */
byte committed;
byte due_before_round;
bool in_other_hands[2];

proctype Application(byte number) {
  atomic {                      /* the trigger writes the mark: its number is given */
    last_id++;
    mark[number].id = last_id
  };
  atomic {                      /* commit */
    mark[number].committed = true;
    committed = committed | (1 << number)
  }
}

#define IS_FREE(number) (mark[number].committed && mark[number].lock == 0)
#define IS_READY(p) (entry[p].exists && !entry[p].waiting && !entry[p].leased && entry[p].lock == 0)

inline select_free(number) {
  if
  :: IS_FREE(0) -> number = 0
  :: IS_FREE(1) -> number = 1
  :: IS_FREE(2) -> number = 2
  fi
}

/* A search begins at the number reached last as soon as that is some seconds old, else still at the floor. */
inline move_floor(floor, reached) {
  if
  :: reached > floor -> floor = reached
  :: true
  fi
}

/* Floor.restart after a search from the beginning that took all that it may; else Floor.reach. */
inline note(floor, reached, number) {
  if
  :: from_beginning ->
     floor = number;
     reached = 0
  :: !from_beginning && number > reached -> reached = number
  :: else
  fi
}

/* Where the search begins: at the very beginning if that is asked for, or when it is time again (Pace); else at the
   floor. */
inline begin_search(whole, floor, reached) {
#ifdef NO_WHOLE_SEARCH
  from_beginning = false;
  move_floor(floor, reached)
#else
  if
  :: from_beginning = true
  :: !whole ->
     from_beginning = false;
     move_floor(floor, reached)
  fi
#endif
}

/* caas.fold and caas.claim lock what they take by skip locked, and remember nothing else of it. */
inline lock_mark(number) {
  mark[number].lock = me;
  p = PROFILE_OF(number);
  in_other_hands[p] = in_other_hands[p] || me == OTHER
}

inline lock_entry(profile) {
  entry[profile].lock = me;
  in_other_hands[profile] = in_other_hands[profile] || me == OTHER
}

/* caas.fold: insert … on conflict do update waits for the entry; then the commit. */
inline write_entry(number) {
  atomic { entry[p].lock == 0 -> entry[p].lock = me };
  atomic {
    if
    :: !entry[p].exists ->
       last_place++;
       entry[p].exists = true;
       entry[p].place = last_place
    :: else
    fi;
    if
    :: entry[p].leased ->
       entry[p].marked_again = true;
       entry[p].later_covers = entry[p].later_covers | (1 << number)
    :: else ->
       entry[p].covers = entry[p].covers | (1 << number)
    fi;
    entry[p].lock = 0;
    mark[number].committed = false;
    mark[number].id = 0;
    mark[number].lock = 0;
    p = 0
  }
}

/* ---- fold: Folder.fold, the free mark with the lowest number ---- */
inline fold(whole) {
  atomic {
    begin_search(whole, fold_floor, fold_reached);
    found = NONE;
    for (n : 0 .. MARKS - 1) {
      if
      :: IS_FREE(n) && (from_beginning || mark[n].id >= fold_floor) && (found == NONE || mark[n].id < mark[found].id) ->
         found = n
      :: else
      fi
    };
    n = 0;
    if
    :: found != NONE ->
       lock_mark(found);
       note(fold_floor, fold_reached, mark[found].id)
    :: else
    fi
  };
  if
  :: found != NONE -> write_entry(found)
  :: else
  fi
}

/* ---- claim: Claimant.claim, the ready entry with the lowest place ---- */
inline claim(whole) {
  atomic {
    begin_search(whole, claim_floor, claim_reached);
    claimed = NONE;
    for (n : 0 .. 1) {
      if
      :: IS_READY(n) && (from_beginning || entry[n].place >= claim_floor) &&
         (claimed == NONE || entry[n].place < entry[claimed].place) ->
         claimed = n
      :: else
      fi
    };
    n = 0;
    if
    :: claimed != NONE ->
       lock_entry(claimed);
       note(claim_floor, claim_reached, entry[claimed].place)
    :: else
    fi
  };
  if
  :: claimed != NONE ->
     atomic {                   /* commit */
       entry[claimed].leased = true;
       entry[claimed].lock = 0
     }
  :: else
  fi
}

/* ---- publish: the entry goes, or is ready again with what came after its claim, at a new place: caas.cache ---- */
inline publish() {
  atomic { entry[claimed].lock == 0 -> entry[claimed].lock = me };
  atomic {
    if
    :: entry[claimed].marked_again ->
       last_place++;
       entry[claimed].place = last_place
    :: else ->
       entry[claimed].exists = false;
       entry[claimed].place = 0
    fi;
    entry[claimed].leased = false;
    entry[claimed].marked_again = false;
    entry[claimed].covers = entry[claimed].later_covers;
    entry[claimed].later_covers = 0;
    entry[claimed].lock = 0;
    claimed = NONE
  }
}

#ifndef ALONE
/* Another worker (worker.Worker). Wherever its searches begin, it takes one of what is free. */
proctype Other(byte me) {
  byte n, p;
  byte claimed = NONE;
  do
  :: drained -> break
  :: atomic {
       select_free(n);
       lock_mark(n)
     };
     write_entry(n);
     n = 0
  :: atomic {
       if
       :: IS_READY(0) -> claimed = 0
       :: IS_READY(1) -> claimed = 1
       fi;
       lock_entry(claimed)
     };
     atomic {                   /* commit */
       entry[claimed].leased = true;
       entry[claimed].lock = 0
     };
     publish()
  od
}
#endif

/* worker.drain. A new process begins with floors of 0. */
proctype Drain(byte me) {
  byte fold_floor, fold_reached, claim_floor, claim_reached;
  byte n, p, found, claimed, more;
  bool from_beginning;
  bool whole = true;
  do
  :: atomic {                   /* a round begins */
       due_before_round = committed;
       for (p : 0 .. 1) {
         in_other_hands[p] = entry[p].lock == OTHER || entry[p].leased
       };
       for (n : 0 .. MARKS - 1) {
         if
         :: mark[n].lock == OTHER -> in_other_hands[PROFILE_OF(n)] = true
         :: else
         fi
       };
       n = 0;
       p = 0
     };
     fold(whole);
     do
     :: found != NONE && more < FULL_FOLDS ->
        more++;
        fold(false)
     :: else -> break
     od;
     more = 0;
     claim(whole);
     if
     :: claimed != NONE ->
        publish();
        whole = false
     :: claimed == NONE && whole ->
#ifdef NO_LAST_FOLD
        break
#else
        fold(true);             /* claimed marks may all have gone to entries that are not ready: is there another? */
        if
        :: found == NONE -> break
        :: else
        fi
#endif
     :: else -> whole = true
     fi
  od;
  atomic {
    for (n : 0 .. MARKS - 1) {
      p = PROFILE_OF(n);
      if
      :: (due_before_round & (1 << n)) && !in_other_hands[p] ->
         PROMISE_1(!IS_FREE(n));
         PROMISE_1(!IS_READY(p) || !(entry[p].covers & (1 << n)))
      :: else
      fi
    };
    drained = true
  }
}

active proctype Rest() {
  drained
}

init {
  byte number;
  atomic {
    if
    :: entry[0].exists = true;
       entry[0].waiting = true
    :: skip
    fi;
    for (number : 0 .. MARKS - 1) {
      run Application(number)
    };
    run Drain(DRAIN);
#ifndef ALONE
    run Other(OTHER);
#endif
    number = 0
  }
}
