/*
 * A newer rule is published while a worker with the older one is at work.
 *
 * One profile; a worker with rule 1, a worker with rule 2, and the publication of rule 2. Where rules differ a worker
 * writes nothing and gives its batch back. The transaction that publishes a newer rule marks everyone, so that scores
 * of the older rule are computed again.
 *
 * How it begins (-D):
 *   (none)      the profile has a score of rule 1 and a mark
 *   STANDING    the profile has a score of rule 1, and there is a mark of everyone, not begun
 *   FIRST       an installation: no score exists, the profile is marked
 *
 * COMPARE_AFTER_LOCK compares the rules after the entry is locked. Either order is right. (The publishing transaction
 * has locked the batch's entries already, in caas.refresh_days, when caas.cache compares.)
 *
 * Left out: leases that end (line.pml); several roles; a mark of everyone that is expanded piece by piece; rules that
 * are withdrawn, and refusals.
 *
 * Asserted:
 *   promise 3   a score of an older rule never overwrites one of a newer
 *   promise 6   publishing a newer rule marks everyone: at rest, the score is of the published rule
 */

#define PROMISE_3(condition) assert(condition)
#define PROMISE_6(condition) assert(condition)

#define OLDER 1
#define NEWER 2
#define PUBLISHER 9

byte rule = OLDER;              /* caas.rules: the published version */
bool published;

bool everyone;                  /* the mark of everyone in caas.changes */
byte everyone_lock;
bool mark;                      /* the profile's mark in caas.changes */
byte mark_lock;
byte score;                     /* caas.scores: the rule of the cached score; 0: none */

typedef Entry {                 /* caas.recalculation_queue */
  bool exists;
  bool marked_again;            /* the generation is not the claimed one */
  byte token;
  byte lock
}
Entry entry;

#define AT_REST ( \
  published && !everyone && !mark && !entry.exists && everyone_lock == 0 && mark_lock == 0 && entry.lock == 0)

/* caas.publish_rules and caas.enqueue_everyone: one transaction. A mark of everyone that is there and not
   begun serves; it is locked, so that it is not expanded before the newer rule is seen. */
proctype Publication() {
  bool inserts;
#ifdef MARK_ONLY_WHERE_SCORES
  bool found;
  found = score != 0;
#else
#define found true
#endif
  atomic {
    if
    :: !found
    :: found && everyone && everyone_lock == 0 ->
#ifndef NO_EVERYONE_LOCK
       everyone_lock = PUBLISHER
#else
       skip
#endif
    :: found && !(everyone && everyone_lock == 0) -> inserts = true
    fi
  };
  atomic {                      /* commit */
    rule = NEWER;
    published = true;
    if
    :: inserts -> everyone = true
    :: else
    fi;
    if
    :: everyone_lock == PUBLISHER -> everyone_lock = 0
    :: else
    fi
  }
}

#define OURS (entry.exists && entry.token == me)

/* A token is the number of its worker: no lease ends here, so a worker has one claim at a time. */
proctype Worker(byte me; byte version) {
  byte computed;
  bool ours, outdated;
  do
  :: AT_REST -> break

  /* ---- fold: caas.expand, the mark of everyone by skip locked ---- */
  :: atomic { everyone && everyone_lock == 0 -> everyone_lock = me };
     atomic {
       everyone = false;
       mark = true;
       everyone_lock = 0
     }

  /* ---- fold: caas.fold ---- */
  :: atomic { mark && mark_lock == 0 -> mark_lock = me };
     atomic { entry.lock == 0 -> entry.lock = me };
     atomic {
       mark = false;
       mark_lock = 0;
       entry.marked_again = entry.token != 0;
       entry.exists = true;
       entry.lock = 0
     }

  /* ---- claim: a worker publishes its rules before it works, so the newer one waits for that ---- */
  :: atomic {
       entry.exists && entry.token == 0 && entry.lock == 0 && (version == OLDER || published) ->
       entry.token = me;
       entry.marked_again = false
     };

     /* ---- stats and strategy ---- */
     computed = version;

     /* ---- cache: caas.other_rules, and the lock of what is still the token's ---- */
#ifndef COMPARE_AFTER_LOCK
     outdated = version != rule;
#endif
     atomic {
       !OURS || entry.lock == 0 ->
       ours = OURS;
       if
       :: ours -> entry.lock = me
       :: else
       fi
     };
#ifdef COMPARE_AFTER_LOCK
     outdated = version != rule;
#endif
#ifdef NO_RULE_CHECK
     outdated = false;
#endif
     atomic {
       if
       :: !ours
       :: ours && !outdated ->
          PROMISE_3(computed >= score);
          score = computed;
          entry.token = 0;
          entry.exists = entry.marked_again;
          entry.marked_again = false;
          entry.lock = 0
       :: ours && outdated ->   /* RulesOutdated: the transaction is undone, then caas.give_back */
          entry.token = 0;
          entry.marked_again = false;
          entry.lock = 0
       fi;
       computed = 0;
       ours = false;
       outdated = false
     }
  od
}

active proctype Rest() {
  atomic {
    AT_REST ->
    PROMISE_6(score == rule)
  }
}

init {
  atomic {
#if defined(FIRST)
    mark = true;
#elif defined(STANDING)
    score = OLDER;
    everyone = true;
#else
    score = OLDER;
    mark = true;
#endif
    run Worker(1, OLDER);
    run Worker(2, NEWER);
    run Publication()
  }
}
