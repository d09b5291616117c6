from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from shortlist.errors import InputError
from shortlist.scale.ray_serve import Replica, app, replicas_for_tokens

YAML = Path(__file__).parents[2] / "deploy" / "serve.yaml"


def cluster(*waiting: float, least: int = 1, most: int = 8) -> Any:
    return SimpleNamespace(
        aggregated_metrics={"queued_tokens": dict(enumerate(waiting))},
        current_num_replicas=len(waiting),
        capacity_adjusted_min_replicas=least,
        capacity_adjusted_max_replicas=most,
    )


@pytest.mark.parametrize(
    ("context", "wanted"),
    [
        (cluster(0.0), 1),
        (cluster(90_000.0), 5),
        (cluster(90_000.0, 90_000.0), 8),  # nine are wanted, eight allowed
        (cluster(0.0, 0.0, 0.0, 0.0), 3),  # one at a time
        (cluster(0.0, 0.0, least=2), 2),
        (cluster(20_000.0, 20_000.0), 2),
        (SimpleNamespace(**{**vars(cluster(0.0)), "aggregated_metrics": None}), 1),
    ],
)
def test_waiting_tokens_ask_for_replicas(context: Any, wanted: int) -> None:
    assert replicas_for_tokens(context) == (wanted, {})


def test_a_replica_reports_what_waits_and_is_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    replica = Replica({"model": "lexical:words"}, {"max_wait_ms": 500.0})
    assert replica.record_autoscaling_stats() == {"queued_tokens": 0.0}
    replica.check_health()
    assert callable(replica.__serve_build_asgi_app__())
    with pytest.raises(InputError, match="cannot write to one folder"):
        Replica({}, {"writable_index": True})
    with pytest.raises(InputError, match="models_at_once must be"):
        Replica({"model": "lexical:words"}, models_at_once=-1)


def test_the_file_for_kubernetes_is_one_that_serve_takes() -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="needs the extra ray")
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load(YAML.read_text(encoding="utf-8"))
    assert (service["apiVersion"], service["kind"]) == ("ray.io/v1", "RayService")
    config = schema.ServeDeploySchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"]))
    (application,) = config.applications
    module, name = application.import_path.split(":")
    assert getattr(importlib.import_module(module), name) is app
    (deployed,) = application.deployments
    assert deployed.autoscaling_config["policy"]["policy_function"].endswith(":replicas_for_tokens")
    nodes = service["spec"]["rayClusterConfig"]
    assert nodes["enableInTreeAutoscaling"]  # which `maxReplicas` wants
    (group,) = nodes["workerGroupSpecs"]
    assert group["maxReplicas"] > group["minReplicas"]
    bound = app(application.args)
    assert bound._bound_deployment.name == deployed.name
    with pytest.raises(InputError, match="settings, serving and models_at_once"):
        app({"model": "x"})
