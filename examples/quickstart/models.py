"""The quickstart's own models: plain Python, named in ``pipeline.yaml``."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

import joblib
import numpy as np
from numpy.typing import NDArray

from penstock import Context, Model, Shape

Features = Annotated[NDArray[np.float64], Shape("n", 30)]
Probabilities = Annotated[NDArray[np.float64], Shape("n", 2)]


class Scaled(TypedDict):
    """What ``Scale`` puts out."""

    scaled: Features


class Scale(Model):
    """Preprocessing: zero mean and unit variance, as in training."""

    def load(self, context: Context) -> None:
        self._scaler = joblib.load(context.artifacts / "model.joblib")

    def predict(self, features: Features) -> Scaled:
        return {"scaled": self._scaler.transform(features)}


class Voted(TypedDict):
    """What ``vote`` puts out."""

    probability: Probabilities


def vote(forest: Probabilities, linear: Probabilities) -> Voted:
    """The mean of two opinions."""
    return {"probability": (forest + linear) / 2.0}


class Routed(TypedDict):
    """What ``Route`` puts out: one of the two."""

    clear: NotRequired[Probabilities]
    doubtful: NotRequired[Probabilities]


class Route(Model):
    """Decides who answers, by leaving a tensor out: what is left out is not waited for."""

    def load(self, context: Context) -> None:
        self._sure = float(context.parameters["sure"])

    def predict(self, probability: Probabilities) -> Routed:
        if probability.max(axis=1).min() >= self._sure:
            return {"clear": probability}
        return {"doubtful": probability}


class Judged(TypedDict):
    """What ``Outliers`` puts out: one of the two."""

    normal: NotRequired[Annotated[NDArray[np.float64], Shape("n")]]
    strange: NotRequired[Annotated[NDArray[np.float64], Shape("n")]]


class Outliers(Model):
    """Looks whether the training data had anything like this; its scores are the tensors."""

    def load(self, context: Context) -> None:
        self._detector = joblib.load(context.artifacts / "model.joblib")

    def predict(self, scaled: Features) -> Judged:
        scores = self._detector.decision_function(scaled)
        return {"normal": scores} if scores.min() >= 0.0 else {"strange": scores}


class Answer(TypedDict):
    """What every way through the graph ends in."""

    diagnosis: Annotated[NDArray[np.object_], Shape("n")]
    by: Annotated[NDArray[np.object_], Shape(1)]


DIAGNOSES = np.array(["malignant", "benign"], dtype=object)


def accept(probability: Probabilities) -> Answer:
    """The two models agree well enough."""
    return {"diagnosis": DIAGNOSES[probability.argmax(axis=1)], "by": ["accept"]}


class SecondOpinion(Model):
    """A third model, asked only in doubt."""

    def load(self, context: Context) -> None:
        self._neighbours = joblib.load(context.artifacts / "model.joblib")

    def predict(self, scaled: Features) -> Answer:
        return {"diagnosis": DIAGNOSES[self._neighbours.predict(scaled)], "by": ["second-opinion"]}


def refer(scores: Annotated[NDArray[np.float64], Shape("n")]) -> Answer:
    """Nothing that was seen in training: a person has to look."""
    return {"diagnosis": ["ask a doctor"] * len(scores), "by": ["refer"]}
