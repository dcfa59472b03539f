"""Splits are data, so what can be wrong with them is a missing, doubled or shared tile."""

import pytest

from vitrail.errors import UsageError
from vitrail_cmunet import splits

VAIHINGEN_AREAS = {str(n) for n in range(1, 39)} - {"9", "18", "19", "25", "36"}
POTSDAM_TILES = {
    f"{row}_{column}"
    for row, columns in {
        2: range(10, 15), 3: range(10, 15), 4: range(10, 16), 5: range(10, 16), 6: range(7, 16), 7: range(7, 14)
    }.items()
    for column in columns
}  # fmt: skip
CASES = [(dataset, name) for dataset, found in splits.SPLITS.items() for name in found]


@pytest.mark.parametrize(("dataset", "name"), CASES, ids=lambda value: value)
def test_parts_are_disjoint_and_complete(dataset, name):
    split = splits.split(dataset, name)
    ids = [*split.train, *split.validation, *split.test]
    assert len(ids) == len(set(ids))
    wanted = VAIHINGEN_AREAS if dataset == "vaihingen" else POTSDAM_TILES - {"7_10"}
    assert set(ids) == wanted


def test_sizes_of_the_usual_splits():
    assert [len(splits.VAIHINGEN.part(p)) for p in splits.PARTS] == [15, 1, 17]
    assert [len(splits.POTSDAM.part(p)) for p in splits.PARTS] == [22, 1, 14]


def test_odd_even_is_odd_and_even():
    odd = splits.VAIHINGEN_ODD_EVEN
    assert all(int(i) % 2 for i in odd.train + odd.validation)
    assert not any(int(i) % 2 for i in odd.test)
    columns = splits.POTSDAM_ODD_EVEN
    assert all(int(i.split("_")[1]) % 2 for i in columns.train + columns.validation)
    assert not any(int(i.split("_")[1]) % 2 for i in columns.test)


def test_published_way_chooses_by_the_test_tiles():
    theirs = splits.published(splits.POTSDAM)
    assert theirs.validation == theirs.test == splits.POTSDAM.test
    assert theirs.train == splits.POTSDAM.train


def test_unknown_names_say_what_there_is():
    with pytest.raises(UsageError, match="usual, odd-even"):
        splits.split("potsdam", "even")
    with pytest.raises(UsageError, match="vaihingen, potsdam"):
        splits.split("loveda")
    with pytest.raises(UsageError, match="train, validation, test"):
        splits.VAIHINGEN.part("val")
