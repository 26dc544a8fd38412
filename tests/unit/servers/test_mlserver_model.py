"""``model-settings.json`` as it is written for MLServer."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.mlserver.model_folder import settings_of

ENVIRONMENT = Path("/opt/mlserver")


def test_a_requirement_and_a_signature_are_enough() -> None:
    signature = Signature(
        (TensorSpec("x", "FP32", ("n", 4)), TensorSpec("any")), (TensorSpec("y", "INT64"),)
    )
    spec = ModelSpec("iris", 1, requirements=("mlserver", "sklearn"), signature=signature)
    assert settings_of(spec, "iris_1", {}, environment=ENVIRONMENT) == {
        "name": "iris_1",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./"},
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}],
    }


def test_what_is_written_stays_and_the_manifest_wins() -> None:
    written = {
        "name": "old",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./m.pkl", "version": "v7", "extra": {"a": 1, "b": 2}},
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [1]}],
        "max_batch_size": 5,
    }
    spec = ModelSpec(
        "new",
        2,
        requirements=("xgboost",),
        parameters={"b": 3},
        signature=Signature((TensorSpec("x", "FP32"),)),
    )
    assert settings_of(spec, "new_2", written) == {
        **written,
        "name": "new_2",
        "parameters": {"uri": "./m.pkl", "version": "v7", "extra": {"a": 1, "b": 3}},
    }
    assert written["name"] == "old"


@pytest.mark.parametrize(
    ("parameters", "environment", "expected"),
    [
        ({}, None, {}),
        ({}, ENVIRONMENT, {"environment_path": "/opt/mlserver", "inference_pool_gid": "m_1"}),
        ({"environment_tarball": "./e.tgz"}, ENVIRONMENT, {"environment_tarball": "./e.tgz"}),
        ({"inference_pool_gid": "g"}, ENVIRONMENT, {"inference_pool_gid": "g"}),
    ],
)
def test_code_of_its_own_gets_processes_of_its_own(
    parameters: dict[str, str], environment: Path | None, expected: dict[str, str]
) -> None:
    written = {"implementation": "models.Mine", "parameters": parameters}
    settings = settings_of(ModelSpec("m", 1), "m_1", written, environment=environment)
    assert settings["parameters"] == expected


@pytest.mark.parametrize("requirements", [("mlserver",), ("sklearn", "xgboost")])
def test_what_says_nothing_of_its_runtime_is_refused(requirements: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequestError, match="nothing says how MLServer is to load model 'm'"):
        settings_of(ModelSpec("m", 1, requirements=requirements), "m_1", {})
