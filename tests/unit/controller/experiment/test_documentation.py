"""The schema that is printed is the schema that is read and documented."""

import json
import re
from pathlib import Path

import msgspec

from controller.experiment.documentation import json_schema, markdown_table
from controller.experiment.networks import load_networks
from controller.experiment.schema import Experiment, load_experiment

ROOT = Path(__file__).parents[4]


def test_the_documented_table_is_the_schema() -> None:
    assert markdown_table() in (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")


def test_the_json_schema_names_every_key() -> None:
    properties = json.loads(json_schema())["$defs"]["Experiment"]["properties"]

    assert set(properties) == {field.name for field in msgspec.structs.fields(Experiment)}


def test_every_shipped_experiment_is_a_good_one() -> None:
    found = sorted((ROOT / "ansible" / "experiments").glob("*.yml"))
    assert found
    for path in found:
        load_experiment(path)


def test_the_documented_examples_are_good(tmp_path: Path) -> None:
    pages = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("experiments.md", "codecs.md")]
    examples = [re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL) for page in pages]
    (experiment, planted, networks), (codecs,) = examples
    path = tmp_path / "example.yml"

    for text in (experiment, experiment + codecs, experiment + planted):
        path.write_text(text, encoding="utf-8")
        load_experiment(path)
    path.write_text(networks, encoding="utf-8")
    load_networks(path)["home"].check_pairs("home", ["pi1", "pi2", "server"])
