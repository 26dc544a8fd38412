"""The tree that LUX fits to the rows around one."""

from __future__ import annotations

import numpy as np

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError
from penstock.plugins.lux.rules import Rule, column_names, rule_of


def fitted_rules(rows: Array, labels: Array, neighbourhood: float, leaf_rows: int) -> list[Rule]:
    """The rules of the tree around the last of ``rows`` [n, features], which is learned from as
    well; each row is covered by exactly one. Blocks for up to seconds.

    ``labels`` [n] has the numbers of their classes, from 0 on without gaps, of which there are at
    least two. ``neighbourhood`` is the share of each class that is learned from, and ``leaf_rows``
    how many of them a rule covers at least. Raises InvalidRequestError where there are fewer.

    As Bobek and Nalepa in arXiv:2310.14894, without the rows that LUX would make up: it draws
    these from the random numbers of the process, and swallows errors meanwhile. So it asks for
    nothing but the classes of ``rows``, and finds the same rules every time.
    """
    import pandas
    from lux.lux import LUX

    known = {row.tobytes(): label for row, label in zip(rows, labels, strict=True)}
    scores = np.eye(int(labels.max()) + 1)

    def predict(asked: object) -> Array:
        matrix = np.ascontiguousarray(asked, np.float64)
        return scores[[known[row.tobytes()] for row in matrix]]

    lux = LUX(predict_proba=predict, neighborhood_size=neighbourhood, node_size_limit=leaf_rows)
    lux.fit(
        pandas.DataFrame(rows, columns=column_names(rows.shape[1])),
        labels,
        instance_to_explain=rows[-1:],
        inverse_sampling=False,
        oversampling=False,
        oblique=False,
        tree_with_shap=False,
    )
    if lux.tree is None:
        raise InvalidRequestError(
            f"a rule has to cover {leaf_rows} rows that are learned from, and these are fewer; "
            "give the explainer more background, or write a smaller leafRows"
        )
    return [rule_of(leaf) for leaf in lux.tree.to_dict()]
