"""Real clusters. On a busy machine a raylet and Serve's proxy take longer to start than Ray waits by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "180",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and two nodes with one core each: three raylets, as on three machines."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **small})
    made.nodes = [made.add_node(num_cpus=1, **small) for _ in range(2)]
    ray.init(address=made.address, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def node() -> Iterator[None]:
    """A cluster of one node that takes itself for one of three cores."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    ray.init(num_cpus=3, include_dashboard=False, object_store_memory=100 * 2**20, logging_level="ERROR")
    yield
    ray.shutdown()
