"""Cells: what the marks of a batch touched is aggregated anew before its statistics read it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from caas_worker.db import Clock, Database
from caas_worker.sql import statements


def refresh(db: Database, token: UUID, profile_ids: Sequence[UUID], clock: Clock, *, share: float = 1) -> datetime:
    """Write the touched pair cells of these claimed profiles, as far as they are still the token's.

    In a transaction of its own, which the claim went before: it sees every change that the claim covers.

    Returns:
        A time that the cells hold for: they may lack what was committed later.
    """
    with db.transaction(lazily=True, share_of_timeout=share) as connection:
        now = clock(connection)
        connection.execute(statements("cells")["refresh_pairs"], {"token": token, "claimed": list(profile_ids)})
    return now
