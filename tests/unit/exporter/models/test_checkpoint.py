"""Weights files in all the forms that people have them in."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from exporter.errors import WeightsError
from exporter.models.build import build
from exporter.models.checkpoint import TrainedAs, fit_weights, read_weights, save_weights


def _module() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def _saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("form", ["plain", "state_dict", "model", "module.", "without counter"])
def test_every_usual_form_loads(tmp_path: Path, form: str) -> None:
    source, target = _module(), _module()
    state = source.state_dict()
    content: Any = {
        "plain": state,
        "state_dict": {"epoch": 3, "state_dict": state},
        "model": {"model": state, "optimizer": {"lr": 0.1}},
        "module.": {f"module.{name}": tensor for name, tensor in state.items()},
        "without counter": {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")},
    }[form]
    fit_weights(read_weights(_saved(tmp_path / "w.pth", content)), target)
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor)


def test_inception_loads_with_or_without_its_auxiliary_head(tmp_path: Path) -> None:
    module = build("inception_v3", 10)
    state = module.state_dict()
    auxiliary = {"AuxLogits.conv0.conv.weight": torch.zeros(1), "AuxLogits.fc.bias": torch.zeros(10)}
    for content in (state, state | auxiliary):
        fit_weights(read_weights(_saved(tmp_path / "w.pth", content)), module)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"0.weight": None}, 'lacks "0.weight"'),
        ({"0.weight": torch.zeros(5, 3)}, r'"0.weight" is \[5, 3\] and the model has \[2, 3\]'),
        ({"7.bias": torch.zeros(2)}, 'the model has no "7.bias"'),
    ],
)
def test_weights_that_do_not_fit_name_the_first_key(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    state = {name: t for name, t in (_module().state_dict() | change).items() if t is not None}
    with pytest.raises(WeightsError, match=says):
        fit_weights(read_weights(_saved(tmp_path / "w.pth", state)), _module())


def test_a_pickled_module_is_refused_with_the_line_that_converts_it(tmp_path: Path) -> None:
    path = _saved(tmp_path / "whole.pth", _module())
    with pytest.raises(
        WeightsError, match="which edgecut never unpickles; if you trust the file, convert it"
    ) as caught:
        read_weights(path)
    line = str(caught.value).partition("python -c ")[2].strip().strip('"')
    exec(line)  # the line that the user is told to run
    fit_weights(read_weights(path.with_suffix(".state.pth")), _module())


def test_nothing_in_a_weights_file_is_run(tmp_path: Path) -> None:
    path, proof = tmp_path / "evil.pth", tmp_path / "proof"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (proof,))

    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(WeightsError):
        read_weights(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError):
        read_weights(path)
    assert not proof.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x80\x02garbage", b"text"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pth"):
        read_weights(path)
    with pytest.raises(WeightsError, match="no such weights file"):
        read_weights(tmp_path / "absent.pth")


@pytest.mark.parametrize("content", [{}, [1, 2], {"state_dict": {"a": 3}}, torch.zeros(2)])
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_weights(_saved(tmp_path / "w.pth", content))


def test_what_training_notes_comes_back(tmp_path: Path) -> None:
    noted = TrainedAs("resnet18", "digits", 10, 32, 7, 0.97)
    save_weights(tmp_path / "w.pth", _module(), noted)
    assert read_weights(tmp_path / "w.pth").trained_as == noted
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]
