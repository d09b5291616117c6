"""Cores of a process in a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.inference.cores import cpu_quota, usable_cores


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("50000 100000", 0.5), ("rubbish", None)]
)
def test_a_quota_of_version_2_is_read(tmp_path: Path, text: str, cores: float | None) -> None:
    group(tmp_path, cpu__max=text)
    assert cpu_quota(cgroups=tmp_path, own=tmp_path / "absent") == cores


def test_the_tightest_of_the_groups_above_counts(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/pod/container\n")
    group(tmp_path / "pod", cpu__max="200000 100000")
    group(tmp_path / "pod" / "container", cpu__max="max 100000")
    assert cpu_quota(cgroups=tmp_path, own=own) == 2.0


def test_a_quota_of_version_1_is_read_and_minus_one_is_none(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("3:cpu,cpuacct:/docker/one\n2:memory:/docker/one\n")
    group(tmp_path / "cpu,cpuacct", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert cpu_quota(cgroups=tmp_path, own=own) is None
    group(tmp_path / "cpu,cpuacct" / "docker" / "one", cpu__cfs_quota_us="300000", cpu__cfs_period_us="100000")
    assert cpu_quota(cgroups=tmp_path, own=own) == 3.0


def test_no_control_groups_mean_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(cgroups=tmp_path / "absent", own=tmp_path / "absent") is None
    assert usable_cores() >= 1
