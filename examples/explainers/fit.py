"""Fits a forest to the diabetes data of scikit-learn, and keeps rows that stand for what is usual:
a few for SHAP values, many for rules.

python fit.py
"""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

HERE = Path(__file__).parent / "artifacts"


def main() -> None:
    """Write ``artifacts/forest/model.joblib`` and both files of rows."""
    data = load_diabetes()
    forest = RandomForestRegressor(50, random_state=0).fit(data.data, data.target)
    (HERE / "forest").mkdir(parents=True, exist_ok=True)
    joblib.dump(forest, HERE / "forest" / "model.joblib")
    np.save(HERE / "background.npy", data.data[::20])
    np.save(HERE / "many.npy", data.data[::2])


if __name__ == "__main__":
    main()
