/*
 * The order of locks: can the product's transactions deadlock with one another?
 *
 * Two profiles. Two folds, two publications, a worker's release, two holds, a follow and a sweep, each once, at the
 * same time. What locks several entries does so in the order of profile_id. What needs rows of caas.scores or
 * caas.score_follow has the entries first. Follow, sweep, claim and wake take only what is free, and wait for nothing.
 * (Writing cells locks entries as a release does. The application's transactions take none of these rows.)
 *
 * Left out: everything but locks; rows of quality scores, where two batches can deadlock over sessions that move
 * crosswise between their tutors: such a batch is repeated (Line.publish).
 *
 * Checked:
 *   promise 2   no deadlock: there is no state in which a transaction waits forever (an invalid end state)
 */

#define TRANSACTIONS 9

typedef Rows {                  /* the process that holds the row of profile 0, of profile 1 */
  byte holder[2]
}
Rows entries;                   /* caas.recalculation_queue */
Rows scores;                    /* caas.scores */
Rows follows;                   /* caas.score_follow */
byte committed;

inline lock(table, profile) {
  atomic { table.holder[profile] == 0 -> table.holder[profile] = _pid }
}

inline lock_if_free(table, profile) {
  if
  :: table.holder[profile] == 0 -> table.holder[profile] = _pid
  :: else
  fi
}

inline release(table) {
  if
  :: table.holder[0] == _pid -> table.holder[0] = 0
  :: else
  fi;
  if
  :: table.holder[1] == _pid -> table.holder[1] = 0
  :: else
  fi
}

inline commit() {
  atomic {
    release(entries);
    release(scores);
    release(follows);
    committed++
  }
}

/* caas.fold: the entries of one profile, or of both */
proctype Fold() {
  if
  :: lock(entries, 0)
  :: lock(entries, 1)
  :: lock(entries, 0);
     lock(entries, 1)
#ifdef UNSORTED
  :: lock(entries, 1);
     lock(entries, 0)
#endif
  fi;
  commit()
}

/* caas.give_back, caas.refresh_pairs */
proctype Release() {
  lock(entries, 0);
  lock(entries, 1);
  commit()
}

/* One statement of caas.cache lists and writes, in either order. */
inline write(first, second) {
  lock(first, 0);
  lock(first, 1);
  lock(second, 0);
  lock(second, 1)
}

/* caas.refresh_days and caas.cache: a batch of both profiles, or of one */
proctype Publish() {
  if
  :: lock(entries, 0);
     lock(entries, 1);
     if
     :: write(scores, follows)
     :: write(follows, scores)
     fi
  :: lock(entries, 0);
     lock(follows, 0);
     lock(scores, 0)
  :: lock(entries, 1);
     lock(follows, 1);
     lock(scores, 1)
  fi;
  commit()
}

/* caas.hold, caas.release_hold */
proctype Hold(byte profile) {
#ifndef NO_ENTRY_OF_HOLD
  lock(entries, profile);
#endif
  lock(scores, profile);
  lock(follows, profile);
  commit()
}

/* caas.follow: skip locked */
proctype Follow() {
  atomic {
    lock_if_free(follows, 0);
    lock_if_free(follows, 1)
  };
  commit()
}

/* caas.sweep: skip locked */
proctype Sweep() {
  atomic {
    lock_if_free(scores, 0);
    lock_if_free(scores, 1)
  };
  commit()
}

active proctype Rest() {
  committed == TRANSACTIONS
}

init {
  atomic {
    run Fold();
    run Fold();
    run Publish();
    run Publish();
    run Release();
    run Hold(0);
    run Hold(1);
    run Follow();
    run Sweep()
  }
}
