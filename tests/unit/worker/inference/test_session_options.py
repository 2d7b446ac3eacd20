"""ONNX Runtime's options: what a device's inventory may say, and what a session makes of it."""

from pathlib import Path

import onnxruntime
import pytest

from tests.unit.worker.tiny import relu_graph
from worker.inference.session_options import options_line, parse_options, session_options
from worker.inference.stage import Stage
from worker.wire.errors import RefusedError, UsageError

SPINNING = "session.intra_op.allow_spinning"


def test_options_reach_the_session() -> None:
    made = session_options(
        Path("/weights"), 3, parse_options([f"{SPINNING}=1", "graph_optimization_level=basic"])
    )
    assert made.intra_op_num_threads == 3
    assert made.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    assert made.get_session_config_entry(SPINNING) == "1"
    assert made.get_session_config_entry("session.inter_op.allow_spinning") == "0"
    assert made.get_session_config_entry("session.model_external_initializers_file_folder_path") == "/weights"


def test_without_options_threads_do_not_spin() -> None:
    made = session_options(None, 1, {})
    assert made.get_session_config_entry(SPINNING) == "0"
    assert made.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert made.get_session_config_entry("session.load_model_format") == "ONNX"


def test_nothing_loads_a_library_of_operators() -> None:
    sources = [
        path for package in ("worker", "exporter", "controller") for path in Path(package).rglob("*.py")
    ]
    assert sources
    for path in sources:
        text = path.read_text()
        assert "register_custom_op" not in text, path
        assert "register_execution_provider_library" not in text, path


def test_the_stamp_has_them_in_one_order() -> None:
    one = parse_options([f"{SPINNING}=1", "graph_optimization_level=disable"])
    other = parse_options(["graph_optimization_level=disable", f"{SPINNING}=1"])
    assert options_line(one) == options_line(other) == f"graph_optimization_level=disable, {SPINNING}=1"
    assert options_line({}) is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            ["nonsense=1"],
            "unknown ONNX Runtime option 'nonsense'; allowed: graph_optimization_level, and",
        ),
        (["session.x" * 200 + "=1"], "unknown ONNX Runtime option 'session.xsession"),
        ([SPINNING], f"ONNX Runtime option '{SPINNING}': write KEY=VALUE"),
        ([f"{SPINNING}="], "write KEY=VALUE"),
        ([f"{SPINNING}=True"], f"ONNX Runtime option '{SPINNING}' is True; write 1 or 0"),
        ([f"{SPINNING}=1", f"{SPINNING}=0"], f"ONNX Runtime option '{SPINNING}' is given twice"),
        (["graph_optimization_level=3"], "is '3'; allowed: disable, basic, extended, layout, all"),
        (["session.model_external_initializers_file_folder_path=/"], "is set by the worker itself"),
        (["session.load_model_format=ORT"], "is refused, since it may load code, or read or write files"),
        (["session.custom_ops_library=/tmp/evil.so"], "'session.custom_ops_library' is refused"),
        (["session.register_custom_op=x"], "is refused"),
        (["session.optimized_model_filepath=/etc/cron.d/x"], "is refused"),
        (["session.enable_profiling=1"], "is refused"),
        (["session.collect_node_memory_stats_to_file=/tmp/x"], "is refused"),
        (["session.use_ort_model_bytes_directly=1"], "is refused"),
        (["session.node_partition_config_file=x"], "is refused"),
        (["ep.context_file_path=/tmp/x"], "is refused"),
        (["ep.qnn.backend_path=/tmp/evil.so"], "is refused"),
    ],
)
def test_what_is_no_option_is_refused(given: list[str], reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_options(given)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_that_onnx_runtime_cannot_use_fails_the_stage_in_one_line() -> None:
    options = parse_options(["session.intra_op_thread_affinities=nowhere"])
    with pytest.raises(RefusedError, match="shard s cannot be loaded: ") as caught:
        Stage(relu_graph(), None, threads=3, label="shard s", options=options)
    assert "\n" not in str(caught.value)
