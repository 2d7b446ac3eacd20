"""`sweep.yml` and `report.yml`: real ansible-playbook, real workers."""

from pathlib import Path

from tests.integration.playbooks.local_lab import EXPERIMENT, LocalLab, assert_fails_saying, assert_succeeds


def test_sweep_brings_bundles_runs_profiles_and_reports(lab: LocalLab, experiment: Path) -> None:
    swept = lab.play("sweep.yml", "experiment=experiments/tiny.yml", "results='../my results'")
    assert_succeeds(swept)
    results = lab.root / "my results"
    for device in ("pi", "server"):
        (bundle,) = (lab.state / device / "store" / "bundles").iterdir()
        assert {"manifest.json", "weights.bin", "shards.zip", "samples.npz"} <= {
            p.name for p in bundle.iterdir()
        }
    progress = (results / "progress.log").read_text(encoding="utf-8").splitlines()
    shown = [line.strip() for line in swept.stdout.splitlines()]
    for line in progress:
        assert shown.count(line.strip()) == progress.count(line), line

    again = lab.play(
        "sweep.yml", "experiment=ansible/experiments/tiny.yml", "results='my results'", within="."
    )
    assert_succeeds(again)
    assert "nothing to do: all trials are done" in again.stdout
    assert "Copy the bundle's files" not in again.stdout

    assert_succeeds(lab.play("report.yml", "results='my results'", within="."))
    assert (results / "report.html").stat().st_size > 0
    assert (results / "pareto.csv").read_text(encoding="utf-8").count("\n") > 1


def test_a_missing_bundle_is_named(lab: LocalLab, experiment: Path) -> None:
    absent = experiment.with_name("absent.yml")
    absent.write_text(EXPERIMENT.replace("models: [tiny]", "models: [resnet18]"), encoding="utf-8")
    done = lab.play("sweep.yml", f"experiment='{absent}'")
    assert_fails_saying(done, "error: ", "bundles/resnet18", "python -m exporter export")


def test_a_sweep_without_a_lab_says_what_makes_one(lab: LocalLab, experiment: Path) -> None:
    nowhere = lab.root / "nowhere"
    done = lab.play("sweep.yml", f"experiment='{experiment}'", f"edgecut_state_dir='{nowhere}'")
    assert_fails_saying(done, f"error: no lab file {nowhere}/local.json", "deploy.yml")
    assert not nowhere.exists()
