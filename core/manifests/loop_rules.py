"""What DATAFLOW.md refuses of the loops of a pipeline that allows cycles."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from penstock.core.loops import Loop, loops_of, steps_read
from penstock.core.manifests.circles import find_circles
from penstock.core.manifests.findings import Finding
from penstock.core.references import parse_source
from penstock.core.resources import Pipeline


def findings_of_loops(pipeline: Pipeline) -> list[Finding]:
    """Everything that is wrong with its loops. Its references must be good."""
    loops = loops_of(pipeline)
    findings: list[Finding] = []
    for loop in loops:
        findings += _LoopRules(pipeline, loop).findings()
    findings += _readers_of_several(pipeline, loops)
    return findings


class _LoopRules:
    """The rules, run over one loop."""

    def __init__(self, pipeline: Pipeline, loop: Loop) -> None:
        self._name = pipeline.metadata.name
        self._loop = loop
        self._inside = [
            (index, step)
            for index, step in enumerate(pipeline.spec.steps)
            if step.name in loop.steps
        ]

    def findings(self) -> list[Finding]:
        of_triggers = find_circles(_readers_of(self._reads(inputs=False)))
        findings = [
            self._at_step(
                circle[0],
                f"the circle {_way(circle)} closes through triggers alone",
                "have one of its steps read another one of them as an input",
            )
            for circle in of_triggers
        ]
        findings += [
            self._at_step(
                circle[0],
                f"no step of the circle {_way(circle)} is a turn: its rounds could not be told "
                "from each other",
                "have one of its steps join its inputs by any, with an input from outside the "
                "circle beside the one from inside",
            )
            for circle in find_circles(_readers_of(self._reads(inputs=True)))
            if circle not in of_triggers
        ]
        findings += self._triggers_of_turns()
        if self._loop.turns and not self._entered():
            turns = ", ".join(f"'{name}'" for name in self._loop.steps if name in self._loop.turns)
            findings.append(
                self._at_loop(
                    f"nothing can enter the loop of {_listed(self._loop.steps)}",
                    f"give one of its turns ({turns}) an input from outside the loop",
                )
            )
        return findings

    def _reads(self, *, inputs: bool) -> dict[str, set[str]]:
        """What each step reads inside, by triggers or by inputs too; turns read nothing."""
        return {
            step.name: set()
            if step.name in self._loop.turns
            else self._read((*step.triggers, *(step.inputs if inputs else ())))
            for _, step in self._inside
        }

    def _triggers_of_turns(self) -> list[Finding]:
        return [
            Finding(
                ("spec", "steps", index, "triggers", position),
                f"'{text}' comes from inside the loop of {_listed(self._loop.steps)}, and "
                f"'{step.name}' is a turn of it",
                "a turn has triggers from outside only; give this one to another step of the loop",
            )
            for index, step in self._inside
            if step.name in self._loop.turns
            for position, text in enumerate(step.triggers)
            if self._read((text,))
        ]

    def _entered(self) -> bool:
        return any(
            parse_source(text, pipeline=self._name).step not in self._loop.steps
            for _, step in self._inside
            if step.name in self._loop.turns
            for text in step.inputs
        )

    def _read(self, references: Sequence[str]) -> set[str]:
        """The steps of the loop that are read."""
        return steps_read(references, self._name).intersection(self._loop.steps)

    def _at_step(self, name: str, said: str, hint: str) -> Finding:
        (index,) = (index for index, step in self._inside if step.name == name)
        return Finding(("spec", "steps", index), said, hint)

    def _at_loop(self, said: str, hint: str) -> Finding:
        return self._at_step(self._loop.steps[0], said, hint)


def _readers_of_several(pipeline: Pipeline, loops: Sequence[Loop]) -> list[Finding]:
    """Steps, and the output, that read more than one loop."""
    findings = []
    indexes = {step.name: index for index, step in enumerate(pipeline.spec.steps)}
    for reader in (*indexes, None):
        read = [loop for loop in loops if reader in loop.readers]
        own = [loop for loop in loops if reader in loop.steps]
        if len(read) + len(own) < 2 or not read:
            continue
        who = "the output" if reader is None else f"step '{reader}'"
        several = " and ".join(f"the loop of {_listed(loop.steps)}" for loop in (*own, *read))
        said = f"{who} belongs to or reads {several}" if own else f"{who} reads {several}"
        path = ("spec", "output", "steps") if reader is None else ("spec", "steps", indexes[reader])
        hint = "a step reads one loop; put a step of its own behind each, and read those"
        findings.append(Finding(path, said, hint))
    return findings


def _readers_of(reads: dict[str, set[str]]) -> dict[str, list[str]]:
    return {
        name: [reader for reader, sources in reads.items() if name in sources] for name in reads
    }


def _way(circle: Sequence[str]) -> str:
    return " -> ".join((*circle, circle[0]))


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
