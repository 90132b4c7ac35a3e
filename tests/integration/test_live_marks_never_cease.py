"""However many live marks come, everyone's turn comes too, and a drain scores instead of only folding."""

from collections.abc import Callable

from caas_worker import worker
from caas_worker.pipeline import Line
from tests.people import Rows, add_tutor


def test_a_mark_of_everyone_is_expanded_although_every_fold_is_full(app: Rows, make_line: Callable[..., Line]) -> None:
    for _ in range(6):
        add_tutor(app)
    app.execute("select caas.enqueue_everyone('rebuilt')")
    folded = make_line(fold_size=2).fold()
    assert (folded.marks, folded.expanded) == (2, 2)


def test_a_drain_puts_a_bounded_number_of_folds_before_a_batch(app: Rows, make_line: Callable[..., Line]) -> None:
    for _ in range(3 * worker.FULL_FOLDS_PER_BATCH):
        add_tutor(app)
    summary = worker.drain(make_line(fold_size=1), batch_size=100, max_batches=1)
    assert summary.marks_folded == 1 + worker.FULL_FOLDS_PER_BATCH
    assert summary.processed == summary.marks_folded
