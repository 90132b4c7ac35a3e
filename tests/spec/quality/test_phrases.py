"""The phrase lists of the first session rule (scoring 6), and what a file of one's own must look like."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from caas_worker.errors import SettingsError
from caas_worker.quality.phrases import Phrases, words
from caas_worker.strategies.base import VERSION

pytestmark = pytest.mark.quick


def written(folder: Path, text: str) -> Path:
    path = folder / "phrases.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["goal_setting", "confusion", "wrap_up", "encouragement", "negative"])
def test_our_own_lists(name: str) -> None:
    phrases = asdict(Phrases())[name]
    assert 15 <= len(phrases) <= 30
    assert all(" ".join(words(phrase)) == phrase for phrase in phrases)
    assert len(set(phrases)) == len(phrases)


def test_no_phrase_is_praise_and_blame_at_once() -> None:
    ours = Phrases()
    assert not set(ours.encouragement) & set(ours.negative)


def test_a_file_replaces_the_lists_that_it_names(tmp_path: Path) -> None:
    loaded = Phrases.load(written(tmp_path, 'confusion = ["wie bitte", "h\u00e4?"]\nnegative = ["falsch"]'))
    assert loaded == Phrases(confusion=("wie bitte", "h\u00e4?"), negative=("falsch",))
    assert loaded.wrap_up == Phrases().wrap_up


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    loaded = Phrases.load(written(tmp_path, "\ufeff# nothing yet\n"))
    assert loaded == Phrases()
    assert loaded.version == "fsrs-v1"


def test_other_lists_are_another_version(tmp_path: Path) -> None:
    one = Phrases(negative=("wrong",))
    assert re.fullmatch(r"fsrs/[0-9a-f]{8}-v1", one.version)
    assert VERSION.fullmatch(one.version)
    assert one.version == Phrases.load(written(tmp_path, 'negative = ["wrong"]')).version
    assert len({one.version, Phrases(confusion=("wrong",)).version, Phrases(negative=("wrong", "no")).version}) == 3
    same = "".join(f"{name} = {list(phrases)}\n" for name, phrases in asdict(Phrases()).items())
    assert Phrases.load(written(tmp_path, same)).version == "fsrs-v1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param('confused = ["what"]', "confused is no phrase list. There are goal_setting, confusion, wrap_up, "
                     "encouragement, negative.", id="an unknown list"),
        pytest.param('[confusion]\nlist = ["what"]', "confusion is not a list of phrases.", id="a table"),
        pytest.param('confusion = "what"', "confusion is not a list of phrases.", id="a text"),
        pytest.param("confusion = 3", "confusion is not a list of phrases.", id="a number"),
        pytest.param("confusion = []", "confusion is empty; leave it out to keep our own list.", id="an empty list"),
        pytest.param('confusion = ["what", 3]', "confusion holds 3, which is not text.", id="a number in it"),
        pytest.param('confusion = [["what"]]', "confusion holds ['what'], which is not text.", id="a list in it"),
        pytest.param('confusion = [""]', "confusion holds '', which has no words.", id="an empty phrase"),
        pytest.param('confusion = ["what", " "]', "confusion holds ' ', which has no words.", id="a blank phrase"),
        pytest.param('confusion = ["?!"]', "confusion holds '?!', which has no words.", id="a phrase without words"),
    ],
)  # fmt: skip
def test_a_list_that_is_wrong_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as refused:
        Phrases.load(path)
    assert str(refused.value) == f"{path}: {sentence}"


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "confusion = [")
    with pytest.raises(SettingsError, match=r"The phrase file .*phrases\.toml is not TOML: "):
        Phrases.load(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "phrases.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"The phrase file .*phrases\.toml is not UTF-8 text\."):
        Phrases.load(path)


@pytest.mark.parametrize("missing", ["nowhere.toml", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SettingsError, match=r"The phrase file .* can't be read: (No such file|Is a directory)"):
        Phrases.load(tmp_path / missing)
