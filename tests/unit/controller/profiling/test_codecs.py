"""What codecs leave of a payload, for predictions."""

from dataclasses import replace

import pytest

from controller.profiling import codecs
from exporter.bundle import Bundle


def test_a_batch_larger_than_the_samples_that_are_looked_at_is_one_look(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = Bundle(tiny.path, replace(tiny.manifest, batch=4))
    usual = codecs._encoded_bytes(fixed, (0, 2, 4), "fp16")
    monkeypatch.setattr(codecs, "_SAMPLES", 2)
    assert codecs._encoded_bytes(fixed, (0, 2, 4), "fp16") == usual
