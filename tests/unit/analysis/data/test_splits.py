"""What a split does, in words."""

import pytest

from analysis.data.splits import describe


@pytest.mark.parametrize(
    ("cuts", "devices", "kind", "where"),
    [
        ((0,), ("pi", "server"), "offload", "raw input to server"),
        ((9,), ("pi", "server"), "stay", "everything on pi"),
        ((4,), ("pi", "server"), "split", "features.1"),
        ((0, 0), ("pi", "mid", "server"), "offload", "raw input to server"),
        ((0, 9), ("pi", "mid", "server"), "offload", "raw input to mid"),
        ((9, 9), ("pi", "mid", "server"), "stay", "everything on pi"),
        ((0, 4), ("pi", "mid", "server"), "split", "features.1, mid→server"),
        ((4, 4), ("pi", "mid", "server"), "split", "features.1, pi→server"),
        ((4, 6), ("pi", "mid", "server"), "split", "features.1"),
        ((4, 6), ("pi", "pi", "server"), "split", "features.1, pi→pi→server"),
        ((4, 9), ("pi", "pi", "server"), "split", "features.1, pi→pi"),
        ((0, 9), ("pi", "pi", "server"), "stay", "everything on pi"),
        ((0, 4), ("pi", "pi", "server"), "split", "features.1, pi→server"),
    ],
)
def test_kind_follows_from_who_computes(
    cuts: tuple[int, ...], devices: tuple[str, ...], kind: str, where: str
) -> None:
    split = describe(cuts, "features.1", devices, 9)
    assert (split.kind, split.where) == (kind, where)


def test_what_is_not_as_usual_stands_behind() -> None:
    split = describe((4,), "f", ("pi", "server"), 9, codec="uint8", topology="hub", threads=2)
    assert (split.place, split.where) == ("f", "f, uint8, hub, 2 threads")
    assert split.sentence == "cut after f with codec uint8 through the controller on 2 threads a stage"
    assert describe((9,), "f", ("pi", "server"), 9, threads=1).where == "everything on pi, 1 thread"


def test_a_device_with_an_empty_partition_does_not_compute() -> None:
    assert describe((4, 4), "x", ("pi", "mid", "server"), 9).computing == ("pi", "server")


def test_a_cut_is_named_once_however_many_devices_are_left_out_there() -> None:
    devices = ("pi", "mid", "other", "server")
    once = describe((4, 4, 4), "a @4 | a @4 | a @4", devices, 9)
    assert once.where == "a @4, pi→server"
    assert once.sentence == "cut after a @4, stages on pi→server"
    twice = describe((0, 4, 6), "input @0 | a @4 | b @6", devices, 9)
    assert twice.where == "a @4 | b @6, mid→other→server"
    assert describe((4, 6, 9), "a @4 | b @6 | y @9", devices, 9).place == "a @4 | b @6, pi→mid→other"


def test_what_is_not_as_usual_is_said() -> None:
    split = describe((4,), "x", ("pi", "server"), 9, codec="uint8", topology="hub", backend="torch_rpc")
    assert split.where == "x, uint8, hub, torch_rpc"
    assert split.sentence == "cut after x with codec uint8 through the controller over torch_rpc"
    assert describe((9,), "x", ("pi", "server"), 9, backend="torch_rpc").where == "everything on pi"
