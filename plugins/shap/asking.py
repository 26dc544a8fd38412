"""SHAP values of whatever can be asked: models and pipelines, called with masked rows."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from pathlib import Path

import numpy as np

from penstock.core.arrays import Array
from penstock.core.contracts.explainer import Ask, Explained
from penstock.core.errors import InvalidRequestError, StepFailedError
from penstock.core.explaining import in_lanes, too_many_evaluations
from penstock.core.explaining.tabular.features import Features
from penstock.core.explaining.tabular.output import output_of
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from penstock.plugins.shap.blocks import MOST_EXPLAINED, Block, blocks_of, rows_of_blocks
from penstock.plugins.shap.buffers import Buffers
from penstock.plugins.shap.coalitions import Coalitions
from penstock.plugins.shap.explainer import ShapExplainer, Values, selected
from penstock.plugins.shap.masked_rows import MaskedRows, masked_rows, places_of
from penstock.plugins.shap.options import AskingOptions


class AskingShap(ShapExplainer):
    """Asks what is explained with masked rows; needs a background."""

    background: Array

    def __init__(self, options: AskingOptions) -> None:
        super().__init__(options)
        self._asking = options

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        super().load(explained, artifacts)
        if self.background is None:
            raise InvalidRequestError(
                "there is no background, which stands for what is usual; write rows of it into the "
                "parameter 'background', or storageUri: a file of numpy, or a folder with one"
            )
        self._coalitions = self.coalitions(self.background.shape[1])
        self._places = places_of(self._coalitions, len(self.background))
        self._buffers = Buffers(explained.explains.calls_in_flight + 1)

    @abstractmethod
    def coalitions(self, features: int) -> Coalitions:
        """What is asked for each row, whatever the row is; raises as :meth:`load`."""

    async def computed(self, features: Features, ask: Ask) -> Values:
        masked = await self._masked(features.matrix)
        outputs = await self._outputs(features, masked, ask)
        values, base = [], []
        begin = 0
        for each in masked:
            means = each.means(outputs[begin : begin + each.count])
            values.append(self._coalitions.values(means))
            base.append(means[0])
            begin += each.count
            if begin < len(outputs):
                await asyncio.sleep(0)  # other requests have their turn
        return Values(np.array(values), np.array(base))

    async def _masked(self, rows: Array) -> list[MaskedRows]:
        """Those of all rows; raises where they are more than may be asked."""
        background = self.background.astype(rows.dtype)
        masked: list[MaskedRows] = []
        for row in rows:
            masked.append(masked_rows(self._coalitions, row, background, self._places))
            if not len(masked) % MOST_EXPLAINED:
                await asyncio.sleep(0)
        if sum(each.least for each in masked) > self.explained.explains.max_evaluations:
            raise too_many_evaluations(self.explained.explains)
        return masked

    async def _outputs(self, features: Features, masked: list[MaskedRows], ask: Ask) -> Array:
        """Of all masked rows what is explained, FP64 [rows, columns]. There is one block more than
        calls at a time: it is made while these are answered."""

        async def work(block: Block) -> Array:
            answer = await ask(features.tensors(block.rows, block.of), features.beside)
            output = self._output(answer).array.reshape(len(block.rows), -1).astype(np.float64)
            return selected(output, self._asking.columns, str(self.explained.explains))

        calls = self.explained.explains.calls_in_flight
        most = rows_of_blocks(self.explained.rows_at_once // calls, features.matrix[0].nbytes)
        every = len(masked) * (1 + self._coalitions.count * len(self.background))
        lanes = min(calls + 1, -(-every // most))
        outputs = await in_lanes(lanes, blocks_of(masked, most, self._buffers), work)
        if len({output.shape[1] for output in outputs}) > 1:
            raise StepFailedError(
                f"{self.explained.explains} cannot be explained: it answers some rows with other "
                "columns than others"
            )
        return np.concatenate(outputs)

    def _output(self, answer: Tensors) -> Tensor:
        """The tensor that is explained."""
        tensor = output_of(answer, self._asking.output, self.explained)
        if tensor.datatype == "BYTES":
            raise InvalidRequestError(
                f"the output '{tensor.name}' of {self.explained.explains} is text, which has no "
                "SHAP values; name an output of numbers in the parameter 'output'"
            )
        return tensor
