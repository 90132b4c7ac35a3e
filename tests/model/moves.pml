/*
 * A listing moves from one tutor to another while a booking of it changes.
 *
 * Two profiles, 0 and 1; profile 0 owns the listing. One transaction completes the booking, another gives the listing
 * to profile 1. The booking's mark carries raw keys: its owner is looked up when it is folded. The listing's mark names
 * the old and the new owner, and touches every cell of both. Two workers fold, write cells and publish.
 *
 * Left out: leases that end, failures and kills (line.pml); more than one booking; day cells.
 *
 * Asserted:
 *   promise 1   at rest, the cells and the total of both profiles are what their listings' bookings add up to
 */

#define PROMISE_1(condition) assert(condition)

#define BOOKING 1               /* marks, as bits */
#define MOVE 2

byte owner = 0;                 /* of the listing */
bool completed;                 /* the booking */
byte marks, marks_locked;       /* caas.changes */
byte booking_owner;             /* the owner that the trigger saw: only where it looks */
byte finished;

typedef Entry {                 /* caas.recalculation_queue */
  bool exists;
  bool marked_again;            /* the generation is not the claimed one */
  byte token;
  byte lock
}
Entry entry[2];

typedef Cells {
  byte counted;                 /* the pair cell of the booking's client */
  bool touched;                 /* caas.touched_cells, pair */
  bool whole                    /* caas.touched_cells, pairs: every cell */
}
Cells cells[2];
byte total[2];                  /* caas.scores */

#define IN_ROWS(p) ((owner == (p) && completed) -> 1 : 0)
#define IS_FREE(p) (!entry[p].exists && entry[p].lock == 0)
#define AT_REST (finished == 2 && marks == 0 && marks_locked == 0 && IS_FREE(0) && IS_FREE(1))

proctype Booking() {
#ifdef OWNER_IN_TRIGGER
  booking_owner = owner;        /* the trigger looks, in a snapshot of its statement */
#endif
  atomic {                      /* commit */
    completed = true;
    marks = marks | BOOKING;
    finished++
  }
}

proctype Move() {
  atomic {
    owner = 1;
    marks = marks | MOVE;
    finished++
  }
}

/* caas.fold, insert … on conflict do update */
inline write_entry(p) {
  entry[p].marked_again = entry[p].token != 0;
  entry[p].exists = true
}

#define OURS (entry[p].exists && entry[p].token == me)

inline lock_claimed() {
  atomic {
    !OURS || entry[p].lock == 0 ->
    ours = OURS;
    if
    :: ours -> entry[p].lock = me
    :: else
    fi
  }
}

/* A token is the number of its worker: no lease ends here, so a worker has one claim at a time. */
proctype Worker(byte me) {
  byte taken, p, tutor, counted;
  bool ours, touched;
  do
  :: AT_REST -> break

  /* ---- fold: caas.fold. It takes one free mark, or both; both entries are locked in the order of profile_id. ---- */
  :: atomic {
       (marks & ~marks_locked) != 0 ->
       taken = marks & ~marks_locked;
       if
       :: taken == (BOOKING | MOVE) -> taken = BOOKING
       :: taken == (BOOKING | MOVE) -> taken = MOVE
       :: true
       fi;
       marks_locked = marks_locked | taken
     };
#ifdef OWNER_IN_TRIGGER
     tutor = booking_owner;
#else
     tutor = owner;             /* as of the fold: the snapshot of its statement */
#endif
     if
     :: (taken & MOVE) || tutor == 0 -> atomic { entry[0].lock == 0 -> entry[0].lock = me }
     :: else
     fi;
     if
     :: (taken & MOVE) || tutor == 1 -> atomic { entry[1].lock == 0 -> entry[1].lock = me }
     :: else
     fi;
     atomic {                   /* commit */
       marks = marks & ~taken;
       marks_locked = marks_locked & ~taken;
       if
       :: taken & BOOKING ->
          cells[tutor].touched = true;
          write_entry(tutor)
       :: else
       fi;
       if
       :: taken & MOVE ->
#ifndef NO_WHOLE_MOVE
          cells[0].whole = true;
          cells[1].whole = true;
#endif
          write_entry(0);
          write_entry(1)
       :: else
       fi;
       if
       :: entry[0].lock == me -> entry[0].lock = 0
       :: else
       fi;
       if
       :: entry[1].lock == me -> entry[1].lock = 0
       :: else
       fi;
       taken = 0;
       tutor = 0
     }

  /* ---- claim: caas.claim ---- */
  :: atomic {
       if
       :: entry[0].exists && entry[0].token == 0 && entry[0].lock == 0 -> p = 0
       :: entry[1].exists && entry[1].token == 0 && entry[1].lock == 0 -> p = 1
       fi;
       entry[p].token = me;
       entry[p].marked_again = false
     };

     /* ---- cells: caas.refresh_pairs ---- */
     lock_claimed();
     if
     :: !ours
     :: ours ->
        touched = cells[p].touched || cells[p].whole;
        counted = IN_ROWS(p);   /* caas.count_pairs, in a later snapshot */
        atomic {                /* commit */
          if
          :: touched ->
             cells[p].counted = counted;
             cells[p].touched = false;
             cells[p].whole = false
          :: else
          fi;
          touched = false;
          entry[p].lock = 0
        }
     fi;

     /* ---- stats, then publish: caas.cache ---- */
     counted = cells[p].counted;
     lock_claimed();
     atomic {
       if
       :: !ours
       :: ours ->
          total[p] = counted;
          entry[p].token = 0;
          entry[p].exists = entry[p].marked_again;
          entry[p].marked_again = false;
          entry[p].lock = 0
       fi;
       counted = 0;
       ours = false;
       p = 0
     }
  od
}

active proctype Rest() {
  atomic {
    AT_REST ->
    PROMISE_1(cells[0].counted == IN_ROWS(0) && cells[1].counted == IN_ROWS(1));
    PROMISE_1(total[0] == IN_ROWS(0) && total[1] == IN_ROWS(1))
  }
}

init {
  atomic {
    run Booking();
    run Move();
    run Worker(1);
    run Worker(2)
  }
}
