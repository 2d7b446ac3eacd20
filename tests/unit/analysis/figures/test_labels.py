"""Labels cover neither one another nor a point."""

from analysis.figures.labels import Box, place


def test_labels_of_a_crowded_front_cover_neither_each_other_nor_a_point() -> None:
    """Eight points within a third of the plot, as a front of clean splits has them."""
    points = [(40.0 + 9 * i, 90.0 - 7 * i) for i in range(8)]
    texts = [f"features.{i}.conv.2" for i in range(8)]
    placed = place(points, texts, width=262, height=250, font=10, radius=4)
    for i, mine in enumerate(placed):
        assert mine.box.left >= 0 and mine.box.right <= 262
        assert not any(_overlap(mine.box, other.box) for other in placed[:i])
        assert not any(_overlap(mine.box, Box(x - 4, y - 4, x + 4, y + 4)) for x, y in points)


def test_a_label_that_another_point_is_nearer_to_has_a_line_to_its_own() -> None:
    (label,) = place([(50.0, 50.0)], ["here"], width=200, height=100, font=10, radius=4)
    assert not label.leader
    everywhere = [(float(x), float(y)) for x in range(0, 200, 9) for y in range(0, 100, 9)]
    (label,) = place([(50.0, 50.0)], ["here"], width=200, height=100, font=10, radius=4, obstacles=everywhere)
    assert label.leader


def _overlap(a: Box, b: Box) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
