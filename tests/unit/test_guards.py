"""The guards that `make guards` takes away are still there to be taken away."""

import pytest

from tests.proof.guards import GUARDS, ROOT, Guard


@pytest.mark.parametrize("guard", GUARDS, ids=[guard.name for guard in GUARDS])
def test_a_guard_is_where_it_is_said_to_be(guard: Guard) -> None:
    assert [
        (file, old) for file, old, _ in guard.every_change() if old not in (ROOT / file).read_text(encoding="utf-8")
    ] == []
