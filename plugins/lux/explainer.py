"""``lux``: the rule that leads to the class of a row, and rules that lead to others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from penstock.core.arrays import Array
from penstock.core.config.parameters import options_of_parameters
from penstock.core.contracts.explainer import Ask, Explained, Explainer
from penstock.core.errors import InvalidRequestError
from penstock.core.explaining.tabular.background import SEED, background_of
from penstock.core.explaining.tabular.features import Features
from penstock.core.explaining.tabular.names import names_of
from penstock.core.explaining.tabular.output import output_of
from penstock.core.inference import InferenceRequest
from penstock.core.own_thread import in_own_thread
from penstock.core.records import Tensors
from penstock.core.signature import Signature
from penstock.plugins.lux.answer import answer_of, signature_of
from penstock.plugins.lux.classes import classes_of
from penstock.plugins.lux.explanation import Explaining, Explanation, Known
from penstock.plugins.lux.options import LuxOptions
from penstock.plugins.lux.rules import covering
from penstock.plugins.lux.tree import fitted_rules

JUDGES: Final = 3
"""One of so many rows of the background judges rules, which are learned from the others."""
MOST_CLASSES: Final = 50
"""What has more is no class; the tree would have a leaf for nearly every row."""


class Lux(Explainer):
    """Asks for the classes of the background and of the row, and fits a tree to them.

    So one explanation of a row costs as many evaluations as the background has rows, and one. The
    classes are asked for each time: another version of the model may give others.
    """

    explained: Explained
    background: Array

    def __init__(self, **parameters: object) -> None:
        self._options = options_of_parameters(LuxOptions, parameters, "lux")

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        self.explained = explained
        options = self._options
        background = background_of(options.background, artifacts, options.background_rows)
        if background is None or len(background) < JUDGES:
            raise InvalidRequestError(
                f"lux needs a background of {JUDGES} rows or more, as the model gets them, of "
                "several classes; write them into the parameter 'background', or storageUri: a "
                "file of numpy, or a folder with one"
            )
        _check_finite(background, "the background")
        # Files are often sorted by class.
        self.background = np.random.default_rng(SEED).permutation(background)
        import lux.lux  # noqa: F401 - it takes seconds, which no request shall wait for

    def signature(self) -> Signature:
        return signature_of(self.explained.signature)

    async def explain(self, request: InferenceRequest, ask: Ask) -> Tensors:
        features = Features(request.tensors, self._options.features, self.explained.signature)
        rows = features.matrix.astype(np.float64)
        _check_finite(rows, "the request")
        width = rows.shape[1]
        if self.background.shape[1] != width:
            raise InvalidRequestError(
                f"the background has {self.background.shape[1]} features, and the request {width}"
            )
        names = names_of(self._options.feature_names, self.explained, width)
        explanations = []
        for number, row in enumerate(rows):
            asked = np.vstack([self.background, row])
            answer = await ask(
                features.tensors(asked, np.full(len(asked), number)), features.beside
            )
            output = output_of(answer, self._options.output, self.explained)
            classes = classes_of(output, self._options.class_names, self.explained)
            explanations.append(await self._explanation(asked, classes, names))
        return answer_of(explanations)

    async def _explanation(
        self, rows: Array, classes: Sequence[str], names: Sequence[str]
    ) -> Explanation:
        """Of the last of ``rows``; the others are the background."""
        judging = np.zeros(len(rows), bool)
        judging[:-1:JUDGES] = True
        every = self._classes(classes, judging)
        labels = np.array([every.index(each) for each in classes])
        learned = Known(rows[~judging], labels[~judging])
        judged = Known(rows[judging], labels[judging])
        row, label = rows[-1], labels[-1]
        options = self._options

        def work() -> Explanation:
            rules = fitted_rules(*learned, options.neighbourhood, options.leaf_rows)
            if covering(rules, row).label != label:
                rules = fitted_rules(*learned, options.neighbourhood, 1)
            explaining = Explaining(learned, judged, names, every)
            return explaining.explanation(rules, row, label, options.counterfactuals)

        return await in_own_thread(work, f"explaining {self.explained.explains}")

    def _classes(self, classes: Sequence[str], judging: Array) -> list[str]:
        """All there are, first those that are learned from."""
        learned = sorted(
            {each for each, judges in zip(classes, judging, strict=True) if not judges}
        )
        explains = self.explained.explains
        if len(learned) == 1:
            raise InvalidRequestError(
                f"{explains} answers '{learned[0]}' to the row and to all rows of the background "
                "that rules are learned from; give the explainer rows of other classes as well"
            )
        if len(learned) > MOST_CLASSES:
            raise InvalidRequestError(
                f"{explains} answers {len(learned)} different things to {len(classes)} rows, which "
                f"are no classes (there may be {MOST_CLASSES}); explain it by permutation_shap"
            )
        return learned + sorted(set(classes) - set(learned))


def _check_finite(rows: Array, what: str) -> None:
    if not np.isfinite(rows).all():
        raise InvalidRequestError(
            f"{what} has values that are infinite or no number, which no rule can tell apart; "
            "fill them in before"
        )
