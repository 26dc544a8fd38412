"""Whatever is handed to the reader: a set of manifests comes out, or ProblemsError."""

from __future__ import annotations

import random
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.contracts.control import ManifestText
from penstock.core.manifests import FIELDS, ManifestSet, read_manifests
from penstock.core.problems import Problem, ProblemsError

SOUND = """\
apiVersion: mlops.seldon.io/v1alpha1
kind: Pipeline
metadata: {name: p, labels: {a: b}}
spec:
  steps:
  - {name: a, retries: 1}
  - name: b
    inputs: [a.outputs.x, a.outputs.y]
    triggers: [p.inputs.z]
    tensorMap: {a.outputs.x: u}
    inputsJoinType: outer
    joinWindowMs: 5
  output: {steps: [b], stepsJoin: any}
---
kind: Model
metadata: {name: a}
spec: {python: "a:b", memory: 100Mi, parameters: [{name: x, value: "1"}], logger: {}}
---
kind: Experiment
metadata: {name: e}
spec: {candidates: [{name: a, weight: 1}], default: a, mirror: {name: b, percent: 5}}
---
kind: Server
metadata: {name: s}
spec: {serverConfig: mlserver, podSpec: {containers: []}}
"""

KEYS = sorted({key for rules in FIELDS.values() for rule in rules for key in rule.pattern})
WORDS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from(["a", "b", "p", "a.outputs.x", "p.inputs", "inner", "100Mi", "a:b", ""])
    | st.text(max_size=20)
)
VALUES = st.recursive(
    WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def comes_out(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    manifests = ManifestSet()
    try:
        manifests = read_manifests([ManifestText(text, "fuzz", "/m")])
    except ProblemsError as error:
        problems = error.problems
    assert all(problem.position.line >= 1 and str(problem) for problem in problems)
    manifests.missing()
    for entry in manifests.entries:
        again = orjson.dumps(entry.manifest.document()).decode()
        assert read_manifests([ManifestText(again)]).entries[0].manifest == entry.manifest


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    comes_out(text)


@given(
    st.sampled_from(sorted(FIELDS)),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2),
)
@settings(max_examples=200)
def test_any_document_of_a_kind(kind: str, spec: dict[str, Any], more: dict[str, Any]) -> None:
    document = {"kind": kind, "metadata": {"name": "p"}, "spec": spec} | more
    try:
        text = orjson.dumps(document).decode()
    except TypeError:  # an integer that JSON has no place for
        return
    comes_out(text)


@given(st.randoms(use_true_random=False), st.integers(1, 6))
@settings(max_examples=200)
def test_any_mutation_of_sound_manifests(chance: random.Random, count: int) -> None:
    text = SOUND
    for _ in range(count):
        at = chance.randrange(len(text))
        end = min(len(text), at + chance.randrange(1, 12))
        match chance.randrange(4):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:at] + chance.choice("{}[]:,-'\"&*!|>%@#\n\t 0é\x00") + text[at:]
            case 2:
                text = text[:at] + text[at:end] * 2 + text[end:]
            case _:
                other = chance.randrange(len(text))
                text = text[:at] + text[other : other + end - at] + text[end:]
        if not text:
            break
    comes_out(text)


def test_what_the_mutations_start_from_is_sound() -> None:
    assert len(read_manifests([ManifestText(SOUND)]).entries) == 4
