"""scikit-learn's estimators from files, on their own and in MLServer's folders."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.calls import call_with
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.errors import (
    InvalidRequestError,
    NotFoundError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.records import Tensors
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.binding.bound_model import BoundModel
from penstock.servers.loader_choice import choose_loader
from penstock.servers.mlserver_folder import MLServerFolderLoader
from penstock.servers.python_loader import PythonLoader
from penstock.servers.sklearn_loader import SklearnLoader

LOADERS: dict[str, Loader] = {
    "python": PythonLoader(),
    "sklearn": SklearnLoader(),
    "mlserver-folder": MLServerFolderLoader(),
}
FEATURES, LABELS = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def classifier() -> Any:
    return LogisticRegression(max_iter=1000).fit(FEATURES, LABELS)


def bound(artifacts: Path | None, *requirements: str, **parameters: Any) -> BoundModel:
    spec = ModelSpec("m", 1, artifacts=artifacts, requirements=requirements, parameters=parameters)
    return BoundModel(choose_loader(spec, LOADERS).load(spec), spec, VirtualClock())


def arrays(tensors: Tensors) -> dict[str, Any]:
    return {tensor.name: tensor.array for tensor in tensors}


class TestFiles:
    @pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.pickle", "other.joblib"])
    @pytest.mark.parametrize("requirements", [(), ("sklearn",)])
    def test_an_estimator_is_found_in_its_folder(
        self, tmp_path: Path, classifier: Any, name: str, requirements: tuple[str, ...]
    ) -> None:
        (tmp_path / "notes.txt").write_text("hello")
        (tmp_path / name).write_bytes(pickle.dumps(classifier))
        for place in (tmp_path, tmp_path / name):
            answer = arrays(bound(place, *requirements).call(call_with(x=FEATURES)))
            assert answer["predict"].shape == (150, 1)
            assert np.array_equal(answer["predict"][:, 0], classifier.predict(FEATURES))

    def test_outputs_are_chosen_by_the_parameter(self, tmp_path: Path, classifier: Any) -> None:
        joblib.dump(classifier, tmp_path / "model.joblib")
        model = bound(tmp_path, outputs=["predict_proba", "decision_function"])
        answer = arrays(model.call(call_with(anything=FEATURES)))
        assert list(answer) == ["predict_proba", "decision_function"]
        assert np.array_equal(answer["predict_proba"], classifier.predict_proba(FEATURES))
        assert np.array_equal(answer["decision_function"], classifier.decision_function(FEATURES))

    def test_transformers_transform(self, tmp_path: Path) -> None:
        scaler = StandardScaler().fit(FEATURES)
        joblib.dump(scaler, tmp_path / "model.joblib")
        answer = arrays(bound(tmp_path).call(call_with(x=FEATURES)))
        assert np.array_equal(answer["transform"], scaler.transform(FEATURES))

    def test_text_in_labels_out(self, tmp_path: Path) -> None:
        texts = ["good dog", "bad cat", "good bird", "bad fish"]
        reviews = make_pipeline(CountVectorizer(), MultinomialNB())
        reviews.fit(texts, ["süß", "bitter", "süß", "bitter"])
        joblib.dump(reviews, tmp_path / "model.joblib")
        model = bound(tmp_path)
        for shape in ((2,), (2, 1)):
            sent = np.array([b"good fish", b"bad bird"], dtype=object).reshape(shape)
            [answer] = model.call(call_with(x=sent))
            assert answer.datatype == "BYTES"
            assert answer.array.tolist() == [["süß".encode()], [b"bitter"]]
        with pytest.raises(InvalidRequestError, match="not UTF-8"):
            model.call(call_with(x=np.array([b"\xff"], dtype=object)))

    # Without pandas the estimator is given a matrix, and says so.
    @pytest.mark.filterwarnings("ignore:X does not have valid feature names")
    def test_columns_by_name(self, tmp_path: Path, classifier: Any) -> None:
        named = LogisticRegression(max_iter=1000).fit(FEATURES, LABELS)
        names = ["a", "b", "c", "d"]
        named.feature_names_in_ = np.array(names, dtype=object)
        model = self.saved(tmp_path, named, outputs="predict")
        columns = dict(zip(names, FEATURES.T.copy(), strict=True))
        columns["b"] = columns["b"].reshape(-1, 1)
        for call in (call_with(**columns), call_with(x=FEATURES)):
            answer = arrays(model.call(call))["predict"]
            assert np.array_equal(answer[:, 0], classifier.predict(FEATURES))
        del columns["c"]
        with pytest.raises(InvalidRequestError, match="'c' did not come"):
            model.call(call_with(**columns))
        with pytest.raises(InvalidRequestError, match=r"column 'c' has the shape \[2, 2\]"):
            model.call(call_with(c=[[1, 2], [3, 4]], **columns))
        with pytest.raises(InvalidRequestError, match="different lengths"):
            model.call(call_with(c=[1, 2], **columns))

    @pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
    def test_a_wrong_shape_is_the_callers_fault(
        self, tmp_path: Path, classifier: Any, shape: tuple[int, ...]
    ) -> None:
        model = self.saved(tmp_path, classifier)
        with pytest.raises(InvalidRequestError, match=r"shape \[n, 4\], and tensor 'x' is"):
            model.call(call_with(x=np.zeros(shape)))

    def test_several_tensors_without_names_of_columns(
        self, tmp_path: Path, classifier: Any
    ) -> None:
        model = self.saved(tmp_path, classifier)
        with pytest.raises(InvalidRequestError, match=r"one tensor, of shape \[n, 4\], and got 2"):
            model.call(call_with(a=[1], b=[2]))

    @pytest.mark.parametrize(
        ("parameters", "sentence"),
        [
            ({"outputs": ["predict_prob"]}, "does not have; it has .*did you mean 'predict_proba'"),
            ({"outputs": []}, "is a list of methods"),
            ({"outputs": 5}, "is a list of methods"),
        ],
    )
    def test_wrong_outputs(
        self, tmp_path: Path, classifier: Any, parameters: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(InvalidRequestError, match=sentence):
            self.saved(tmp_path, classifier, **parameters)

    def test_what_is_no_estimator(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequestError, match="a dict is no estimator"):
            self.saved(tmp_path, {"not": "a model"})
        with pytest.raises(InvalidRequestError, match="a DBSCAN is no estimator that can be"):
            self.saved(tmp_path, DBSCAN().fit(FEATURES))

    def test_a_file_that_is_broken(self, tmp_path: Path) -> None:
        (tmp_path / "model.joblib").write_bytes(b"not a pickle")
        with pytest.raises(
            InvalidRequestError, match=r"model\.joblib cannot be loaded with joblib"
        ):
            bound(tmp_path)

    @pytest.mark.parametrize("there", [[], ["one.pkl", "two.pkl"], ["model.onnx"]])
    def test_no_file(self, tmp_path: Path, there: list[str]) -> None:
        for name in there:
            (tmp_path / name).write_bytes(b"")
        with pytest.raises(InvalidRequestError, match=r"no loader recognises .*model\.joblib"):
            bound(tmp_path)
        with pytest.raises(NotFoundError, match="holds no estimator"):
            SklearnLoader().load(ModelSpec("m", 1, artifacts=tmp_path))
        with pytest.raises(NotFoundError, match=r"write spec\.storageUri"):
            SklearnLoader().load(ModelSpec("m", 1))

    def saved(self, folder: Path, estimator: Any, **parameters: Any) -> BoundModel:
        joblib.dump(estimator, folder / "model.joblib")
        return bound(folder, "sklearn", **parameters)


class TestMLServerFolders:
    def write(self, folder: Path, estimator: Any = None, **settings: Any) -> Path:
        (folder / "model-settings.json").write_text(json.dumps({"name": "iris"} | settings))
        if estimator is not None:
            joblib.dump(estimator, folder / "model.joblib")
        return folder

    @pytest.mark.parametrize(
        "implementation", ["mlserver_sklearn.SKLearnModel", "mlserver_sklearn.sklearn.SKLearnModel"]
    )
    def test_scikit_learn_is_loaded(
        self, tmp_path: Path, classifier: Any, implementation: str
    ) -> None:
        (tmp_path / "sub").mkdir()
        joblib.dump(classifier, tmp_path / "sub" / "iris.joblib")
        self.write(
            tmp_path,
            implementation=implementation,
            parameters={"uri": "./sub/iris.joblib", "version": "v0.1.0"},
            inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
            outputs=[{"name": "predict", "datatype": "INT64", "shape": [-1]}],
        )
        for requirements in ((), ("sklearn",)):
            model = bound(tmp_path, *requirements)
            assert model.signature == Signature(
                (TensorSpec("x", "FP32", (None, 4)),), (TensorSpec("predict", "INT64", (None,)),)
            )
            # Its metadata are not checked, as MLServer does not.
            answer = arrays(model.call(call_with(other=FEATURES)))
            assert np.array_equal(answer["predict"][:, 0], classifier.predict(FEATURES))

    def test_without_an_implementation_the_requirement_says_it(
        self, tmp_path: Path, classifier: Any
    ) -> None:
        self.write(tmp_path, classifier)
        assert bound(tmp_path, "sklearn").call(call_with(x=FEATURES))
        with pytest.raises(InvalidRequestError, match="names no implementation; write one"):
            bound(tmp_path)

    @pytest.mark.parametrize(
        ("settings", "error", "sentence"),
        [
            (
                {"implementation": "mine.Model"},
                UnsupportedError,
                "an implementation of its own, 'mine.Model': it needs a server .* mlserver$",
            ),
            (
                {"implementation": "mlserver_xgboost.XGBoostModel"},
                UnsupportedError,
                "needs a server with the capabilities mlserver and xgboost",
            ),
            ({"implementation": 5}, InvalidRequestError, "implementation must be text, not int"),
            (
                {"parameters": {"uri": "../model.joblib"}},
                InvalidRequestError,
                "leads out of the folder",
            ),
            (
                {"parameters": {"uri": "missing.joblib"}},
                NotFoundError,
                r"holds no 'missing.joblib', which model-settings\.json names",
            ),
            ({"inputs": [{"name": "x"}]}, InvalidRequestError, "inputs must be a list of {name"),
            (
                {"outputs": [{"name": "x", "datatype": "float", "shape": []}]},
                InvalidRequestError,
                "'float' is no datatype",
            ),
        ],
    )
    def test_what_cannot_be_loaded(
        self,
        tmp_path: Path,
        classifier: Any,
        settings: dict[str, Any],
        error: type[PenstockError],
        sentence: str,
    ) -> None:
        known = {"implementation": "mlserver_sklearn.SKLearnModel"}
        self.write(tmp_path, classifier, **(known | settings))
        with pytest.raises(error, match=sentence):
            bound(tmp_path)

    @pytest.mark.parametrize("text", ["{", "[]", '"text"'])
    def test_settings_that_are_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "model-settings.json").write_text(text)
        with pytest.raises(InvalidRequestError, match=r"model-settings\.json (cannot|must)"):
            bound(tmp_path)
