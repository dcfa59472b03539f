"""Plugins as users get them: installed wheels, good and bad ones side by side, seen from another process."""

from __future__ import annotations

import json

import pytest

GOOD = ("good", "bare", "ghost", "raising-doctor")
BAD = {
    # distribution: (entry point, status, a part of the reason)
    "bad-import": ("bad-import", "broken", "No module named 'a_library_that_is_not_there'"),
    "bad-exit": ("bad-exit", "broken", "sys.exit was called: this computer is not good enough"),
    "api-major": (
        "api-major",
        "incompatible",
        "it is written for plugin api 2.0, and this vitrail offers 1.",
    ),
    "api-minor": (
        "api-minor",
        "incompatible",
        "it is written for plugin api 1.9, and this vitrail offers 1.",
    ),
    "bad-argument": ("bad-argument", "incompatible", "{'registry'} are declared in the hookimpl"),
    "unknown-hook": ("unknown-hook", "incompatible", "unknown hook 'vitrail_paint_the_house'"),
    "twin-a": ("twin", "conflict", "vitrail-twin-a 1.0 and vitrail-twin-b 1.0 both give component twin/one"),
    "twin-b": ("twin", "conflict", "vitrail-twin-b 1.0 and vitrail-twin-a 1.0 both give component twin/one"),
    "verb-a": ("verb-a", "conflict", "vitrail-verb-a 1.0 and vitrail-verb-b 1.0 both give verb 'paint'"),
    "verb-b": ("verb-b", "conflict", "vitrail-verb-b 1.0 and vitrail-verb-a 1.0 both give verb 'paint'"),
    "core-verb": ("core-verb", "conflict", "its verb 'train' is one of vitrail's own"),
    "needs-future": ("needs-future", "incompatible", "it requires vitrail >=99, and this is "),
    "wrong-answer": ("wrong-answer", "broken", "gave a dict; wanted are ComponentSpec objects"),
    "wrong-prefix": ("wrong-prefix", "broken", "its prefix is not 'wrong-prefix'"),
    "bad-reference": ("bad-reference", "broken", "trainer 'train this' is not of the form module:name"),
    "raising-hook": ("raising-hook", "broken", "RuntimeError: the moon is in the wrong place"),
}


@pytest.fixture(scope="module")
def site(install):
    return install(*GOOD, *BAD)


@pytest.fixture(scope="module")
def marker(tmp_path_factory):
    return tmp_path_factory.mktemp("marker") / "imported"


@pytest.fixture(scope="module")
def run(vitrail, site, marker):
    def run(*words, **variables):
        return vitrail(*words, site=site, NEEDS_FUTURE_MARKER=str(marker), **variables)

    return run


@pytest.fixture(scope="module")
def listing(run):
    return run("plugins", "list")


@pytest.fixture(scope="module")
def records(run):
    done = run("plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {row["distribution"]: row for row in json.loads(done.stdout)["plugins"]}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plugin_is_named_with_its_reason(name, records, listing):
    point, status, reason = BAD[name]
    row = records[f"vitrail-{name}"]
    assert (row["name"], row["status"]) == (point, status)
    assert reason in row["reason"]
    assert row["components"] == []
    assert row["verbs"] == {}
    said = "in conflict" if status == "conflict" else status
    assert f"{point} (vitrail-{name} 1.0) is {said}: {row['reason']}" in listing.stderr.splitlines()


def test_the_list_exits_with_0_and_shows_the_good_ones(records, listing):
    assert listing.returncode == 0
    assert records["vitrail-good"]["components"] == ["good/one"]
    assert records["vitrail-good"]["verbs"] == {"greet": "Say hello.", "leave": "Leave with a message."}
    assert {records[f"vitrail-{name}"]["status"] for name in GOOD} == {"ok"}
    lines = {line.split()[0]: line.split() for line in listing.stdout.splitlines() if line}
    assert lines["good"][1:4] == ["ok", "vitrail-good", "1.0"]
    assert "good/one, verb greet, verb leave" in listing.stdout
    assert "Traceback" not in listing.stdout + listing.stderr


def test_a_plugin_that_asks_for_another_vitrail_is_never_imported(listing, records, marker):
    assert records["vitrail-needs-future"]["status"] == "incompatible"
    assert not marker.exists()


def test_strict_makes_every_bad_plugin_an_error(run):
    done = run("plugins", "list", VITRAIL_STRICT="1")
    assert done.returncode == 4
    for name, (point, _, reason) in BAD.items():
        assert f"{point} (vitrail-{name} 1.0)" in done.stderr
        assert reason in done.stderr
    assert "vitrail-good" not in done.stderr
    assert "Traceback" not in done.stderr


def test_strict_accepts_disabled_plugins(run):
    done = run("plugins", "list", "--json", VITRAIL_STRICT="1", VITRAIL_PLUGINS="good,bare")
    assert done.returncode == 0, done.stderr
    status = {row["name"]: row["status"] for row in json.loads(done.stdout)["plugins"]}
    assert {name for name, found in status.items() if found == "ok"} == {"good", "bare"}
    assert set(status.values()) == {"ok", "disabled"}


def test_strict_set_to_0_is_off(run):
    assert run("plugins", "list", VITRAIL_STRICT="0").returncode == 0


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ((), {"VITRAIL_DISABLE_PLUGINS": "good, bad-import"}),
        (("--no-plugin", "good", "--no-plugin=bad-import"), {}),
        (("--no-plugin", "good"), {"VITRAIL_DISABLE_PLUGINS": "bad-import"}),
    ],
)
def test_plugins_can_be_switched_off(run, words, variables):
    done = run(*words, "plugins", "list", "--json", **variables)
    status = {row["name"]: row["status"] for row in json.loads(done.stdout)["plugins"]}
    assert status["good"] == status["bad-import"] == "disabled"
    assert status["bare"] == "ok"


def test_a_plugin_that_is_switched_off_is_not_imported(run):
    done = run("plugins", "info", "bad-import", VITRAIL_DISABLE_PLUGINS="bad-import")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "it was switched off." in done.stdout


def test_using_a_disabled_plugin_says_so(run):
    done = run("--no-plugin", "good", "eval", "good/one")
    assert done.returncode == 3
    assert "the plugin good (vitrail-good 1.0) is disabled: it was switched off." in done.stderr


def test_info_shows_the_traceback_of_a_broken_plugin(run):
    done = run("plugins", "info", "bad-import")
    assert done.returncode == 0
    assert "broken" in done.stdout
    assert "Traceback (most recent call last)" in done.stderr
    assert "import a_library_that_is_not_there" in done.stderr

    as_json = json.loads(run("plugins", "info", "bad-import", "--json").stdout)
    assert as_json["status"] == "broken"
    assert "import a_library_that_is_not_there" in as_json["traceback"]


def test_info_of_a_component_of_a_broken_plugin_says_that_it_is_broken(run):
    done = run("plugins", "info", "raising-hook/one")
    assert done.returncode == 4
    assert "the moon is in the wrong place" in done.stderr


def test_info_describes_a_good_plugin_and_its_component(run):
    plugin = run("plugins", "info", "good")
    assert plugin.returncode == 0
    assert "vitrail-good 1.0" in plugin.stdout
    assert "greet (Say hello.)" in plugin.stdout
    component = json.loads(run("plugins", "info", "good/one", "--json").stdout)
    assert [spec["id"] for spec in component["components"]] == ["good/one"]
    unknown = run("plugins", "info", "good/two")
    assert unknown.returncode == 2
    assert "vitrail-good 1.0 has no 'good/two'; it offers good/one." in unknown.stderr


def test_doctor_calls_every_bad_plugin_a_problem(run):
    names = {point for point, _, _ in BAD.values()}.union(GOOD)  # not those that happen to be installed here
    done = run("doctor", "--json", VITRAIL_PLUGINS=",".join(names))
    assert done.returncode == 4
    lines = json.loads(done.stdout)
    problems = {line["from"] for line in lines if line["level"] == "problem"}
    assert problems == names - {"good", "bare", "ghost"}
    texts = [line["text"] for line in lines]
    assert "the good plugin feels well" in texts
    assert "its own check failed: RuntimeError: the doctor is ill" in texts


def test_doctor_is_content_with_good_plugins(run):
    done = run("doctor", VITRAIL_PLUGINS="good")
    assert done.returncode == 0, done.stdout
    assert "VITRAIL_PLUGINS=good is set" in done.stdout


def test_verbs_of_good_plugins_run_beside_bad_ones(run):
    done = run("greet", "moon")
    assert (done.returncode, done.stdout) == (0, "hello moon\n")
    help_ = run("--help")
    assert help_.returncode == 0
    assert "Say hello." in help_.stdout
    assert "paint" not in help_.stdout  # two distributions give it, so nobody does


def test_a_verb_that_leaves_with_a_message_shows_it(run):
    done = run("leave")
    assert done.returncode == 1
    assert "leaving with a message" in done.stderr


def test_references_that_lead_nowhere_are_one_sentence(run):
    for words, text in [
        (
            ("haunt",),
            "the verb 'haunt' needs vitrail_ghost_code:haunt, and importing vitrail_ghost_code failed",
        ),
        (("eval", "ghost/nowhere"), "ghost/nowhere offers no evaluator"),
        (("bench", "ghost/nowhere"), "ghost/nowhere offers no benchmark"),
    ]:
        done = run(*words)
        assert done.returncode in (2, 4)
        assert text in done.stderr
        assert "Traceback" not in done.stderr


def test_asking_for_a_component_of_a_bad_plugin_gives_its_reason(run):
    done = run("eval", "twin/one")
    assert done.returncode == 4
    assert done.stderr.startswith(
        "error: twin/one cannot be used: the plugin twin (vitrail-twin-a 1.0) is in conflict:"
    )
