"""Kinds of values in requests, each of which PostgreSQL takes as it is."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

FIRST_YEAR, LAST_YEAR = 1970, 2999

_WITHOUT_NUL = r"^[^\x00]*$"
_NOT_BLANK = r"^[^\x00]*[^\x00\s][^\x00]*$"
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)")


def _is_written(value: Any) -> Any:
    if not isinstance(value, str) or not _WRITTEN.fullmatch(value):
        raise ValueError("a time is written as in 2026-03-02T15:30:00Z, with its offset")
    return value


def _is_near(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"a year is from {FIRST_YEAR} to {LAST_YEAR}")
    return moment


Name = Annotated[str, Field(min_length=1, max_length=100, pattern=_NOT_BLANK)]
Url = Annotated[str, Field(min_length=1, max_length=2000, pattern=_WITHOUT_NUL)]
Text = Annotated[str, Field(max_length=2000, pattern=_WITHOUT_NUL)]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_is_written), AfterValidator(_is_near)]
