"""In which order cells are visited."""

from itertools import groupby, product

from controller.profiling.short_runs import in_random_order

CELLS = list(product(range(12), "abc"))


def test_what_belongs_together_stays_together() -> None:
    groups = in_random_order(CELLS, lambda cell: cell[0], 1)
    assert sorted(cell for group in groups for cell in group) == CELLS
    assert all(len(list(groupby(group, key=lambda cell: cell[0]))) == 1 for group in groups)
    assert len(groups) == 12


def test_groups_and_what_is_in_them_are_shuffled_anew_by_every_seed() -> None:
    one, again, other = (in_random_order(CELLS, lambda cell: cell[0], seed) for seed in (1, 1, 2))
    assert one == again
    assert [group[0][0] for group in one] != [group[0][0] for group in other]
    assert len({tuple(kind for _, kind in group) for group in one}) > 1
