"""The next best plans, and the experiment that tries them."""

from pathlib import Path

import pytest

from controller.errors import PlanError
from controller.experiment.networks import Network
from controller.experiment.resolve import resolve
from controller.experiment.schema import load_experiment
from controller.lab.inventory import Lab
from controller.planning import Chooser, Limits, Plan, Predictor, Profile
from controller.planning.constraints import Objective
from controller.planning.experiment_file import write_experiment
from controller.planning.problem import Problem, evaluate
from exporter.bundle import Bundle

LIMITS = Limits(sources=("pi",))


@pytest.fixture
def predictor(profile: Profile, tiny: Bundle) -> Predictor:
    return Predictor(profile, tiny, Network())


@pytest.fixture
def problem(predictor: Predictor) -> Problem:
    return predictor.problem(0.01)


@pytest.fixture
def chooser(predictor: Predictor) -> Chooser:
    return Chooser(predictor)


@pytest.mark.parametrize("objective", ["latency", "throughput", "knee"])
def test_the_next_best_of_all_there_are(chooser: Chooser, problem: Problem, objective: Objective) -> None:
    plans = chooser.best(objective, LIMITS, 3)
    every = [evaluate(problem, ("pi", "server"), (cut,)) for cut in problem.cuts[:-1]]
    every.append(evaluate(problem, ("pi",), ()))
    if objective == "latency":
        values = sorted(plan.latency_s for plan in every)
        assert [plan.latency_s for plan in plans] == pytest.approx(values[:3])
    elif objective == "throughput":
        values = sorted(plan.period_s for plan in every)
        assert [plan.period_s for plan in plans] == pytest.approx(values[:3])
    assert len({(plan.devices, plan.cuts) for plan in plans}) == 3


def test_the_next_best_keep_to_the_limits_too(chooser: Chooser) -> None:
    quickest = chooser.best("latency", LIMITS, 1)[0]
    limits = Limits(sources=("pi",), latency_s=quickest.latency_s * 1.01)
    assert all(plan.latency_s <= limits.latency_s for plan in chooser.best("latency", limits, 5))


def test_all_of_a_pareto_set_are_best(chooser: Chooser) -> None:
    plans = chooser.best("pareto", LIMITS, 1)
    assert [plan.period_s for plan in plans] == sorted((p.period_s for p in plans), reverse=True)


def _written(path: Path, tiny: Bundle, plans: list[Plan], objective: str = "latency") -> None:
    networks = path.parent / "networks.yml"
    networks.write_text("lan: {delay_ms: 1}\n")
    order = ("pi", "desk", "server")
    write_experiment(
        path,
        tiny,
        plans,
        order=order,
        network="lan",
        networks_file=networks,
        batch=1,
        threads=1,
        objective=objective,
    )


def test_the_experiment_has_the_plans_and_what_they_are_compared_with(
    tmp_path: Path, tiny: Bundle, lab: Lab
) -> None:
    path = tmp_path / "new" / "experiment.yml"
    path.parent.mkdir()
    plans = [
        Plan(("pi", "server"), (1,), 0.02, 0.006, "pi"),
        Plan(("pi",), (), 0.02, 0.02, "pi"),
        Plan(("pi", "server", "desk"), (1, 3), 0.03, 0.005, "pi"),
    ]
    _written(path, tiny, plans)
    cells = resolve(path, lab).cells["lan"]
    assert {(cell.devices, cell.cuts) for cell in cells} == {
        (("pi", "server"), (1,)),
        (("pi", "desk"), (4,)),
        (("pi", "server", "desk"), (1, 3)),
        (("pi", "server"), (4,)),
        (("pi", "server"), (0,)),
        (("pi", "server"), (2,)),
    }
    # The sweep finds how deep each must be for its slowest part always to have work.
    assert {cell.role for cell in cells} == {"", "saturating"}


@pytest.mark.parametrize(
    ("objective", "objectives"),
    [
        ("throughput", ("throughput", "latency")),
        ("latency", ("latency", "throughput")),
        ("knee", ("latency", "throughput")),
    ],
)
def test_what_was_planned_for_is_the_first_objective(
    tmp_path: Path, tiny: Bundle, objective: str, objectives: tuple[str, ...]
) -> None:
    path = tmp_path / "experiment.yml"
    _written(path, tiny, [Plan(("pi", "server"), (1,), 0.02, 0.006, "pi")], objective)
    assert load_experiment(path).objectives == objectives


def test_an_experiment_that_cannot_be_written(tmp_path: Path, tiny: Bundle) -> None:
    (tmp_path / "file").write_text("")
    networks = tmp_path / "networks.yml"
    with pytest.raises(PlanError, match="--experiment .* cannot be written"):
        write_experiment(
            tmp_path / "file" / "experiment.yml",
            tiny,
            [Plan(("pi",), (), 0.02, 0.02, "pi")],
            order=("pi",),
            network="as_is",
            networks_file=networks,
            batch=1,
            threads=1,
        )


def test_a_bundle_may_be_named_by_where_one_stands(
    tmp_path: Path, tiny: Bundle, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.path)
    _written(tmp_path / "e.yml", Bundle.open(Path()), [Plan(("pi", "server"), (2,), 0.02, 0.01, "pi")])
    assert {cell.model for cell in resolve(tmp_path / "e.yml", lab).cells["lan"]} == {"tiny"}
