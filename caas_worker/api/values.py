"""Kinds of values in requests, each of which PostgreSQL takes as it is."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

FIRST_YEAR, LAST_YEAR = 1970, 2999
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)")


def _is_whole(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a text is made of whole characters") from None
    return text


def _is_written(value: Any) -> Any:
    if not isinstance(value, str) or not _WRITTEN.fullmatch(value):
        raise ValueError("a time is written as in 2026-03-02T15:30:00Z, with its offset")
    return value


def _is_near(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"a year is from {FIRST_YEAR} to {LAST_YEAR}")
    return moment


_Whole = AfterValidator(_is_whole)
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$"), _Whole]
Url = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$"), _Whole]
Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$"), _Whole]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_is_written), AfterValidator(_is_near)]
