"""What is refused of several manifests together, each of them being right on its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from penstock.core.manifests.circles import find_circles
from penstock.core.manifests.externals import external_sources, refusal_of
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.manifest_set import Entry, problem_of
from penstock.core.manifests.needs import needs_of
from penstock.core.problems import Problem
from penstock.core.resources import Experiment, Model, Pipeline


def problems_among(entries: Iterable[Entry]) -> list[Problem]:
    """Everything that is wrong with the manifests of one apply taken together."""
    everything = list(entries)
    return [
        *_doubles(everything),
        *_namespaces(everything),
        *_circles(everything),
        *_circles_of_experiments(everything),
        *_doubled_defaults(everything),
        *_children_without_output(everything),
        *_external_sources(everything),
    ]


def circles_of_pipelines(
    pipelines: Iterable[Pipeline], models: Iterable[Model] = ()
) -> list[tuple[str, ...]]:
    """Pipelines that need each other, each circle as the names on its way.

    A pipeline with a step that is an explainer, one of ``models``, needs the pipeline which that
    explains.
    """
    everything = list(pipelines)
    explained = {each.name: explained_pipeline(each) for each in models}
    readers: dict[str, list[str]] = {pipeline.name: [] for pipeline in everything}
    for pipeline in everything:
        for need in needs_of(pipeline):
            name = need.name if need.kind == "Pipeline" else explained.get(need.name)
            if name is not None and name in readers:
                readers[name].append(pipeline.name)
    return find_circles(readers)


def circle_said(circle: tuple[str, ...]) -> str:
    """The sentence about a circle of pipelines."""
    if len(circle) == 1:
        return f"the pipeline '{circle[0]}' has a step that explains it"
    return f"the pipelines need each other: {' -> '.join((*circle, circle[0]))}"


def explained_pipeline(model: Model) -> str | None:
    """The pipeline that a model explains, None where it explains none."""
    return None if model.spec.explainer is None else model.spec.explainer.pipeline_ref


def _doubles(entries: list[Entry]) -> Iterator[Problem]:
    first: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        earlier = first.setdefault((entry.kind, entry.name), entry)
        if earlier is not entry:
            path = ("metadata", "name")
            where = earlier.document.position(path)
            said = f"the {entry.kind.lower()} '{entry.name}' stands at {where} already"
            finding = Finding(path, said, "take one of them out, or give it another name")
            yield problem_of(finding, entry.document)


def _namespaces(entries: list[Entry]) -> Iterator[Problem]:
    first: Entry | None = None
    for entry in entries:
        namespace = entry.manifest.metadata.namespace
        if namespace is None:
            continue
        if first is None:
            first = entry
        elif namespace != first.manifest.metadata.namespace:
            path = ("metadata", "namespace")
            said = (
                f"the namespace '{namespace}' is not that of the {first.kind.lower()} "
                f"'{first.name}' ('{first.manifest.metadata.namespace}')"
            )
            finding = Finding(path, said, "one runtime serves one namespace")
            yield problem_of(finding, entry.document)


def _circles(entries: list[Entry]) -> Iterator[Problem]:
    by_name = {entry.name: entry for entry in entries if isinstance(entry.manifest, Pipeline)}
    pipelines = [entry.manifest for entry in entries if isinstance(entry.manifest, Pipeline)]
    models = [entry.manifest for entry in entries if isinstance(entry.manifest, Model)]
    for circle in circles_of_pipelines(pipelines, models):
        entry = by_name[circle[0]]
        if len(circle) == 1 and _needs_itself(entry):
            continue  # refused already, by the rules of the pipeline
        finding = Finding(
            ("metadata", "name"),
            circle_said(circle),
            "have one of them do without the next",
        )
        yield problem_of(finding, entry.document)


def _needs_itself(entry: Entry) -> bool:
    needs = needs_of(entry.manifest)
    return any(need.kind == "Pipeline" and need.name == entry.name for need in needs)


def _circles_of_experiments(entries: list[Entry]) -> Iterator[Problem]:
    by_name = {entry.name: entry for entry in entries if isinstance(entry.manifest, Experiment)}
    there = [entry.manifest for entry in by_name.values()]
    for circle in circles_of_experiments(m for m in there if isinstance(m, Experiment)):
        yield problem_of(finding_of_circle(circle), by_name[circle[0]].document)


def circles_of_experiments(experiments: Iterable[Experiment]) -> list[tuple[str, ...]]:
    """Experiments that lead to each other, each circle as the names on its way."""
    everything = list(experiments)
    readers: dict[str, list[str]] = {experiment.name: [] for experiment in everything}
    for experiment in everything:
        for need in needs_of(experiment):
            if need.kind == "Experiment" and need.name in readers:
                readers[need.name].append(experiment.name)
    return find_circles(readers)


def finding_of_circle(circle: Sequence[str]) -> Finding:
    """That experiments lead to each other."""
    way = " -> ".join((*circle, circle[0]))
    said = f"the experiments lead to each other: {way}"
    return Finding(("spec", "candidates"), said, "have one of them lead to a model or a pipeline")


def _doubled_defaults(entries: list[Entry]) -> Iterator[Problem]:
    by_name = {entry.name: entry for entry in entries if isinstance(entry.manifest, Experiment)}
    there = [entry.manifest for entry in by_name.values()]
    for name, finding in doubled_defaults(m for m in there if isinstance(m, Experiment)):
        yield problem_of(finding, by_name[name].document)


def doubled_defaults(experiments: Iterable[Experiment]) -> list[tuple[str, Finding]]:
    """Experiments whose default is another's already, by name: whose split should hold?"""
    first: dict[tuple[str, str], str] = {}
    found = []
    for experiment in experiments:
        spec = experiment.spec
        if spec.default is None:
            continue
        earlier = first.setdefault((spec.resource_type, spec.default), experiment.name)
        if earlier != experiment.name:
            said = f"requests to {spec.resource_type} '{spec.default}' are split by experiment "
            finding = Finding(
                ("spec", "default"),
                f"{said}'{earlier}' already",
                "take default out of one of them",
            )
            found.append((experiment.name, finding))
    return found


def _children_without_output(entries: list[Entry]) -> Iterator[Problem]:
    pipelines = {
        entry.name: entry.manifest for entry in entries if isinstance(entry.manifest, Pipeline)
    }
    for entry in entries:
        if not isinstance(entry.manifest, Pipeline):
            continue
        for index, step in enumerate(entry.manifest.spec.steps):
            child = None if step.pipeline is None else pipelines.get(step.pipeline)
            if child is not None and child.spec.output is None:
                finding = Finding(
                    ("spec", "steps", index, "pipeline"),
                    f"the pipeline '{child.name}' has no output, so it cannot be a step",
                    "give it an output section",
                )
                yield problem_of(finding, entry.document)


def _external_sources(entries: list[Entry]) -> Iterator[Problem]:
    pipelines = {
        entry.name: entry.manifest for entry in entries if isinstance(entry.manifest, Pipeline)
    }
    for entry in entries:
        reader = entry.manifest
        if not isinstance(reader, Pipeline):
            continue
        for source, path in external_sources(reader):
            other = pipelines.get(source.pipeline)
            # Reading itself is refused already, by the rules of the pipeline.
            if other is None or other.name == reader.name:
                continue
            refusal = refusal_of(source, reader, other)
            if refusal is not None:
                yield problem_of(Finding(path, *refusal), entry.document)
