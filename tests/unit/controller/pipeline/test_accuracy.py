"""Accuracies with and without codecs are over the same samples."""

from dataclasses import replace

import numpy as np
import pytest

from controller.experiment.cells import cell_of
from controller.pipeline.accuracy import accuracies, codec_accuracies
from controller.results import Settings
from exporter.bundle import Bundle, Samples, run_chain

FIRST = 4
"""These alone are labelled as the whole graph answers them."""


class Labelled(Bundle):
    """`tiny` with labels: the accuracy is 1 over the first samples, and FIRST of all over all."""

    @classmethod
    def of(cls, tiny: Bundle) -> "Labelled":
        return cls(tiny.path, replace(tiny.manifest, metric="top1"))

    def samples(self) -> Samples:
        stored = super().samples()
        answers = run_chain(self, (), stored.inputs)["y"].argmax(axis=1)
        wrong = np.arange(stored.count) >= FIRST
        return replace(stored, labels=np.where(wrong, (answers + 1) % 8, answers))


def test_a_limit_holds_with_codecs_too(tiny: Bundle) -> None:
    bundle = Labelled.of(tiny)
    cell = cell_of(bundle, ("pi", "server"), (2,), Settings(codec="fp16", batch=3))
    (plain,) = accuracies(bundle, [(2,)], FIRST)
    (coded,) = codec_accuracies(bundle, [cell], FIRST, sends_all=True)
    assert (plain.samples, plain.whole, plain.chain) == (FIRST, 1.0, 1.0)
    assert (coded.samples, coded.whole, coded.chain) == (FIRST, 1.0, 1.0)
    (over_all,) = codec_accuracies(bundle, [cell], None)
    assert over_all.whole == pytest.approx(FIRST / bundle.samples().count)


def test_the_errors_of_a_codec_are_those_of_every_sample_that_a_sweep_may_send(tiny: Bundle) -> None:
    cell = cell_of(tiny, ("pi", "server"), (2,), Settings(codec="uint8"))
    errors = {}
    for name, limit, sends_all in (("first", 1, False), ("all", None, False), ("sent", 1, True)):
        (found,) = codec_accuracies(tiny, [cell], limit, sends_all=sends_all)
        errors[name] = found.worst_error, found.tensor_error
    assert errors["sent"] == errors["all"]
    assert errors["first"][0] < errors["all"][0]
