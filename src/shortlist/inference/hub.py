"""Models fetched from the hub, or kept on this machine under the name they have there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from shortlist._optional import require
from shortlist.errors import ModelNotFoundError

# One ready-made graph a folder, not its dozen of quantised variants.
GRAPH_FILES = ("model.onnx*", "onnx/model.onnx*", "openvino_model.*", "openvino/openvino_model.*")
# No pickles, no code.
MODEL_FILES = ("*.json", "artifact.metadata", *GRAPH_FILES, "model*.safetensors", "[0-9]*_*/model.safetensors")
# What `shortlist` itself writes into a model's folder.
OWN_FILES = ("query_map.npy", "table.npy", "exit_heads.safetensors", "int8/model.*")
SETTINGS_FILES = ("*.json",)
CODE_FILES = ("*.py",)


def is_hub_id(name: str) -> bool:
    """Whether a name has the form `owner/name`."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not name.endswith("/")


def stored_folder(hub_id: str) -> Path:
    """Return where a model is kept on this machine when it was unpacked from a bundle; it need not be there.

    That is below `SHORTLIST_MODELS`, or below `shortlist/models` in the user's data folder.
    """
    from platformdirs import user_data_path

    root = os.environ.get("SHORTLIST_MODELS")
    return (Path(root) if root else user_data_path("shortlist") / "models") / hub_id.replace("/", "--")


def is_fetched(hub_id: str) -> bool:
    """Say whether a model's files are on this machine: unpacked from a bundle, or in the hub's cache.

    Looks for folders only, so that a list of models needs neither the extra `hub` nor its import.
    """
    if stored_folder(hub_id).is_dir():
        return True
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home, "hub")).expanduser()
    return any((cache / f"models--{hub_id.replace('/', '--')}").glob("snapshots/*/config.json"))


def fetch(
    hub_id: str,
    *,
    revision: str | None = None,
    files: Sequence[str] = MODEL_FILES,
    folder: Path | None = None,
) -> Path:
    """Fetch a repository's files into the hub's cache, or into `folder`, and return where they are.

    `huggingface_hub` does it, so its cache, mirrors (`HF_ENDPOINT`), tokens and offline mode
    apply, and an interrupted fetch goes on where it stopped. Raises ModelNotFoundError that says
    what to do when the hub, the repository or the commit is out of reach.
    """
    hub = require("huggingface_hub", extra="hub")
    try:
        return Path(hub.snapshot_download(hub_id, revision=revision, allow_patterns=list(files), local_dir=folder))
    except Exception as error:  # many kinds: no network, no such repository, gated, no space
        reason = next(iter(str(error).splitlines()), "")
        raise ModelNotFoundError(
            f"cannot fetch {hub_id!r} from the hub ({type(error).__name__}: {reason}); check the name and the network"
            " (HF_ENDPOINT names a mirror), or give the path of a folder that holds the model, or bring a bundle from"
            f" a machine that has the hub: shortlist pack {hub_id} -o bundle.tar there, shortlist unpack here"
        ) from error
