"""On what a calibration was made, and what has changed since."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from shortlist.inference.cores import usable_cores
from shortlist.inference.processor import processor_features, processor_name

_PACKAGES = ("numpy", "onnxruntime", "openvino", "shortlist", "shortlist-native", "tokenizers", "torch")


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides how fast a model runs here: processor, its instruction sets, cores, and versions."""

    processor: str
    features: tuple[str, ...]
    cores: int
    system: str
    versions: Mapping[str, str]

    @classmethod
    def here(cls) -> Machine:
        """Describe this machine and this install."""
        return cls(
            processor_name(),
            tuple(sorted(processor_features())),
            usable_cores(),
            f"{platform.system()} {platform.machine()}, Python {sys.version_info[0]}.{sys.version_info[1]}",
            {name: found for name in _PACKAGES if (found := _version(name))},
        )

    def changes(self, now: Machine) -> tuple[str, ...]:
        """Say what is different now, one text a change; nothing when nothing is."""
        fields = {
            "processor": (self.processor, now.processor),
            "instruction sets": (" ".join(self.features), " ".join(now.features)),
            "cores": (str(self.cores), str(now.cores)),
            "system": (self.system, now.system),
        }
        names = sorted({*self.versions, *now.versions})
        fields |= {name: (self.versions.get(name, "absent"), now.versions.get(name, "absent")) for name in names}
        return tuple(
            f"{name}: {was or 'none'} then, {new or 'none'} now" for name, (was, new) in fields.items() if was != new
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
