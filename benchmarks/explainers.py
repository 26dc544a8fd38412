"""What an explanation costs beyond the calls of the model that it makes.

    python benchmarks/explainers.py [--model forest] [--rounds 5] [--trees 100] [--features 10]
                                    [--background 100] [--rows 1]

One process. Rows of a request are explained by ``permutation_shap`` and by ``kernel_shap``, one
call of the model at a time, so that these do not overlap. The same calls are then made once more as
requests, without an explainer. Prints for each kind the medians of the milliseconds of an
explanation, of the calls in it, of the same calls alone, of what is beyond these, and of the ratio
of the two; and of what numpy alone takes to make as many rows, of masks, the row and the
background, which whoever explains anything so has to make.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, cast

import joblib
import numpy as np
import uvloop
import yaml
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression

from penstock.core.config import Config
from penstock.core.contracts.model import ModelCall
from penstock.core.inference import InferenceRequest
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.pipeline_gateway.questions import Questions
from penstock.core.plugins.manager import assemble
from penstock.core.records import Tensors
from penstock.core.runtime import Runtime
from penstock.core.tensors import Tensor

METHODS = ("permutation_shap", "kernel_shap")
MODELS: dict[str, Callable[[int], Any]] = {
    "linear": lambda trees: LinearRegression(),
    "forest": lambda trees: RandomForestRegressor(trees, random_state=0),
    "boosting": lambda trees: GradientBoostingRegressor(n_estimators=trees, random_state=0),
}
PATIENCE_S = 120.0


def write(folder: Path, options: argparse.Namespace) -> Path:
    """A fitted model, what explains it, and their manifest."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(500, options.features))
    model = MODELS[options.model](options.trees).fit(rows, rows.sum(axis=1) ** 2)
    joblib.dump(model, folder / "model.joblib")
    np.save(folder / "background.npy", rows[: options.background])
    shape = ["n", options.features]
    specs: dict[str, dict[str, Any]] = {
        "model": {
            "storageUri": "model.joblib",
            "execution": "thread",
            "inputs": [{"name": "x", "datatype": "FP64", "shape": shape}],
        },
        **{
            method: {
                "storageUri": "background.npy",
                "explainer": {"type": method, "modelRef": "model", "callsInFlight": 1},
                "parameters": {"samples": 200} if method == "kernel_shap" else {"permutations": 5},
            }
            for method in METHODS
        },
    }
    kinds = {"apiVersion": "penstock.io/v1", "kind": "Model"}
    documents = [{**kinds, "metadata": {"name": n}, "spec": s} for n, s in specs.items()]
    path = folder / "models.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


class Timed:
    """The calls that explanations make, and how long they took."""

    def __init__(self) -> None:
        asking = Questions.ask
        self.kept: list[Tensors] | None = None
        """What is asked, while this is a list."""
        self.took_s = 0.0

        async def ask(questions: Questions, *words: Any) -> Tensors:
            return await self.ask(partial(asking, questions), *words)

        Questions.ask = ask  # type: ignore[assignment,method-assign]  # to time them

    async def ask(
        self,
        asking: Callable[..., Awaitable[Tensors]],
        kind: Any,
        name: str,
        tensors: Tensors,
        call: ModelCall,
        number: int,
    ) -> Tensors:
        """As that of the gateway, which is ``asking``."""
        if self.kept is not None:
            self.kept.append(tuple(Tensor.from_numpy(t.name, t.array.copy()) for t in tensors))
        began_s = time.perf_counter()
        answer = await asking(kind, name, tensors, call, number)
        self.took_s += time.perf_counter() - began_s
        return answer


async def send(gateway: PipelineGateway, name: str, tensors: Tensors) -> float:
    """One request, answered well; how many milliseconds it took."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    request = InferenceRequest(None, tensors)
    began_s = time.perf_counter()
    gateway.resolve(name).submit(request, {}, PATIENCE_S * 1000.0, answer.set_result)
    result = await answer
    if isinstance(result, Exception):
        raise result
    return (time.perf_counter() - began_s) * 1e3


def made_by_hand_ms(count: int, options: argparse.Namespace) -> float:
    """How long numpy takes to put a background in the place of features that are left out."""
    random = np.random.default_rng(2)
    background = random.normal(size=(options.background, options.features))
    row = random.normal(size=options.features)
    masks = random.random((count // options.background, options.features)) < 0.5
    began_s = time.perf_counter()
    np.where(masks[:, None], row, background).reshape(-1, options.features)
    return (time.perf_counter() - began_s) * 1e3


async def measure(gateway: PipelineGateway, options: argparse.Namespace) -> None:
    """Explain, again and again."""
    timed = Timed()
    shape = (options.rows, options.features)
    rows = Tensor.from_numpy("x", np.random.default_rng(1).normal(size=shape))
    for method in METHODS:
        calls = timed.kept = []
        await send(gateway, method, (rows,))  # what is done for the first time takes longer
        timed.kept = None
        figures = []
        for _ in range(options.rounds):
            timed.took_s = 0.0
            took_ms = await send(gateway, method, (rows,))
            within_ms = timed.took_s * 1e3
            alone_ms = sum([await send(gateway, "model", call) for call in calls])
            figures.append((took_ms, within_ms, alone_ms, took_ms - alone_ms, took_ms / alone_ms))
        took_ms, within_ms, alone_ms, beyond_ms, ratio = map(median, zip(*figures, strict=True))
        asked = sum(tensors[0].shape[0] for tensors in calls)
        by_hand_ms = median([made_by_hand_ms(asked, options) for _ in range(options.rounds)])
        print(
            f"{method:16} {len(calls):4} calls, {asked:6} rows; {took_ms:8.2f} ms, calls in it "
            f"{within_ms:8.2f} ms, alone {alone_ms:8.2f} ms, beyond {beyond_ms:6.2f} ms, "
            f"ratio {ratio:.3f}; rows by hand {by_hand_ms:.2f} ms"
        )


async def run(options: argparse.Namespace) -> None:
    """One process, for as long as it takes."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = write(Path(folder), options)
        config = Config.model_validate({"rest": {"port": 0}, "grpc": {"port": 0}})
        runtime = Runtime(config, assemble(config))
        await runtime.start([manifest])
        try:
            shortfalls = await runtime.wait_ready(PATIENCE_S)
            if shortfalls:
                raise SystemExit(str(shortfalls))
            await measure(cast(PipelineGateway, runtime.gateway), options)
        finally:
            await runtime.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="forest")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--background", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1)
    logging.basicConfig(level=logging.ERROR)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
