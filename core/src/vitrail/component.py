"""An optional base class: the parts of the contract that are the same for every component.

`PlainComponent` suits components that keep their state in numpy arrays or in nothing at all; those with a
torch network inherit `vitrail_training.component.TorchComponent`. Neither is required.
"""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from vitrail.configs import from_dict as from_dict
from vitrail.errors import BrokenError, UsageError
from vitrail.files import write_text
from vitrail.specs import ComponentSpec, resolve_function

CONFIG_FILE = "config.json"
C = TypeVar("C", bound="PlainComponent")


class PlainComponent:
    """A component on the CPU whose whole state is its config, a frozen dataclass (or None)."""

    config_class: ClassVar[type | None] = None

    def __init__(self, config: Any, spec: ComponentSpec) -> None:
        self.config = config
        self.spec = spec

    @property
    def device(self) -> str:
        return "cpu"

    def to(self: C, device: str) -> C:
        if device != "cpu":
            raise UsageError(f"{self.spec.id} computes on the cpu only; {device!r} was asked for.")
        return self

    @classmethod
    def from_config(cls: type[C], config: Any = None, *, spec: ComponentSpec, device: str | None = None) -> C:
        return cls(default_config(spec) if config is None else config, spec).to(device or "cpu")

    @classmethod
    def from_pretrained(
        cls: type[C], folder: Path | str, *, spec: ComponentSpec, device: str | None = None
    ) -> C:
        return cls.from_config(read_config(folder, cls.config_class, spec), spec=spec, device=device)

    def save_pretrained(self, folder: Path | str) -> Path:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder, self.config, self.spec)
        return folder


def default_config(spec: ComponentSpec) -> Any:
    """The config that the spec names, or None if it names none."""
    return resolve_function(spec.config, wanted_by=spec.id)() if spec.config else None


def write_config(folder: Path, config: Any, spec: ComponentSpec, **more: Any) -> Path:
    """Write config.json: the id, the contract's version, the config's fields, and whatever is in `more`."""
    values = asdict(config) if is_dataclass(config) and not isinstance(config, type) else {}
    record = {"format": 1, "id": spec.id, "api": spec.api, "config": values, **more}
    return write_text(folder / CONFIG_FILE, json.dumps(record, indent=2, default=_path_as_text) + "\n")


def _path_as_text(value: Any) -> str:
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"a config holds a {type(value).__name__}, which cannot be written as JSON")


def read_record(folder: Path | str) -> dict[str, Any]:
    """The whole of config.json. UsageError where there is none, BrokenError where it cannot be read."""
    path = Path(folder) / CONFIG_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{folder} holds no {CONFIG_FILE}; wanted is a folder that save_pretrained, `vitrail train` or "
            "`vitrail convert` wrote."
        ) from error
    except (OSError, ValueError) as error:
        raise BrokenError(f"{path} cannot be read ({error}). Get the weights again.") from error
    if not isinstance(record, dict) or record.get("format") != 1:
        raise BrokenError(
            f"{path} is not a Vitrail config of format 1. A newer vitrail may be needed to read it."
        )
    return record


def read_config(folder: Path | str, config_class: type | None, spec: ComponentSpec) -> Any:
    """The config in `folder`, as an instance of `config_class`.

    Raises UsageError when the folder belongs to another plugin, BrokenError for fields that the class lacks.
    """
    record = read_record(folder)
    if str(record.get("id", "")).partition("/")[0] != spec.plugin:
        raise UsageError(f"{folder} holds weights of {record.get('id')}; {spec.id} was asked for.")
    if config_class is None:
        return None
    return from_dict(config_class, record.get("config", {}), where=str(Path(folder) / CONFIG_FILE))
