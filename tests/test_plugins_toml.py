"""plugins.toml says what is there, and what is there is in plugins.toml."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import vitrail
from vitrail.errors import NotInstalledError
from vitrail.hookspecs import ENTRY_POINT_GROUP
from vitrail.manager import Manager


@pytest.fixture(scope="module")
def installed():
    return Manager()


def test_the_copy_in_the_wheel_is_the_file_at_the_top(root):
    top, copy = root / "plugins.toml", root / "core" / "src" / "vitrail" / "plugins.toml"
    assert copy.read_bytes() == top.read_bytes()


def test_every_available_row_is_installed_as_it_says(available, installed):
    assert available
    for name, entry in available.items():
        record = installed.record(name)
        assert record is not None, f"{name} is not installed"
        assert record.status == "ok", f"{name}: {record.reason}"
        assert record.distribution == entry.distribution
        assert record.module == entry.entry_point
        assert {spec.id for spec in record.components} == set(entry.components), name
        assert set(record.commands) == set(entry.verbs), name
        assert {spec.api for spec in record.components} <= {entry.api}, name
        assert {spec.kind for spec in record.components} <= {entry.kind}, name
        assert {spec.licence for spec in record.components} <= {entry.licence}, name
        assert find_spec(entry.module) is not None


def test_every_available_row_describes_its_folder(available, projects):
    for name, entry in available.items():
        project = projects[entry.folder]
        extras = set(project.get("optional-dependencies", {}))
        assert project["name"] == entry.distribution
        assert project["license"] == entry.licence
        assert project["entry-points"][ENTRY_POINT_GROUP] == {name: entry.entry_point}
        assert set(entry.extras) == extras - {"testing"}, (
            name
        )  # `testing` is for those who work on the package
        assert set(entry.test_extras) <= extras, name
        assert f"./{entry.folder}" in entry.install
        assert distribution(entry.distribution).version == project["version"]


def test_every_folder_with_a_plugin_has_a_row(projects, available):
    by_folder = {entry.folder: name for name, entry in available.items()}
    for folder, project in projects.items():
        points = project.get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
        assert set(points) == ({by_folder[folder]} if folder in by_folder else set()), folder
    assert set(by_folder) <= set(projects)


def test_every_installed_plugin_of_this_repository_has_a_row(installed, projects, available):
    ours = {project["name"] for project in projects.values()}
    assert {record.name for record in installed.records if record.distribution in ours} == set(available)


def test_every_plugin_is_held_to_the_import_rules(root, available):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    modules = {entry.module for entry in available.values()}
    assert set(settings["importlinter"]["root_packages"]) == {"vitrail"} | modules
    layers = settings["importlinter"]["contracts"][0]["layers"]
    named = {name.strip() for layer in layers for name in layer.replace("|", ":").split(":")}
    assert named == {"vitrail"} | modules
    assert set(settings["uv"]["sources"]) == {"vitrail"} | {
        entry.distribution for entry in available.values()
    }


def test_planned_rows_are_not_there_yet(rows, installed, root):
    planned = {name: entry for name, entry in rows.items() if entry.status == "planned"}
    assert {"fact-adapter", "talkingface"} >= set(planned)
    for name, entry in planned.items():
        assert installed.record(name) is None
        assert not (root / "packages" / name).exists()
        assert (entry.install, entry.folder) == ("", "")
        for id in entry.components:
            with pytest.raises(NotInstalledError, match=f"^{id} is planned and cannot be installed yet"):
                vitrail.load(id)


@pytest.mark.parametrize(
    "words", [("train", "talkingface"), ("eval", "talkingface/sd15"), ("generate", "fact-adapter/sd15")]
)
def test_verbs_say_that_something_is_planned(words, rows, tmp_path):
    if rows[words[1].partition("/")[0]].status != "planned":
        pytest.skip(f"{words[1]} exists by now")
    done = subprocess.run(
        [sys.executable, "-m", "vitrail", *words], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: {words[1]} is planned and cannot be installed yet (")
    assert os.listdir(tmp_path) == []


def test_every_row_from_outside_describes_its_folder(rows, root):
    outside = {name: entry for name, entry in rows.items() if entry.party == "third" and entry.folder}
    assert "insightface" in outside
    for name, entry in outside.items():
        folder = root / entry.folder
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = set(project.get("optional-dependencies", {}))
        assert project["name"] == entry.distribution
        assert project["license"] == entry.licence
        assert project["entry-points"][ENTRY_POINT_GROUP] == {name: entry.entry_point}
        assert set(entry.extras) == extras - {"testing"}
        assert set(entry.test_extras) <= extras
        assert f"./{entry.folder}" in entry.install
        where = folder / "src" / Path(*entry.entry_point.split(".")).with_suffix(".py")
        found = spec_from_file_location(f"{name}_plugin", where)
        module = module_from_spec(found)
        found.loader.exec_module(module)
        specs = module.vitrail_components()
        assert {spec.id for spec in specs} == set(entry.components)
        assert {(spec.kind, spec.licence, spec.api) for spec in specs} == {
            (entry.kind, entry.licence, entry.api)
        }
