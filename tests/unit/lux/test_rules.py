"""Rules as LUX writes them, and what is told of them."""

from __future__ import annotations

import numpy as np

from penstock.plugins.lux.explanation import Explaining, Known
from penstock.plugins.lux.rules import Condition, Rule, rule_of

ROWS = np.array([[0.0, 1.0], [1.5, 1.0], [1.5, -3.0], [2.5, 0.0]])
LOW = Rule((Condition(0, "<", 1.5),), 0)
RIGHT = Rule((Condition(0, ">=", 1.5), Condition(1, ">=", 0.0)), 1)
BELOW = Rule((Condition(0, ">=", 1.5), Condition(1, "<", 0.0)), 2)
RULES = [LOW, RIGHT, BELOW]
NAMES = ["width", "height"]


def explaining(judged: Known) -> Explaining:
    learned = Known(ROWS, np.array([0, 1, 2, 1]))
    return Explaining(learned, judged, NAMES, ["low", "right", "below", "unseen"])


def test_conditions_are_read_as_lux_writes_them() -> None:
    leaf = {"rule": {"x10": ["<1e-05", ">=-0.5"], "x1": ["< 2.0"]}, "prediction": "3"}
    assert rule_of(leaf) == Rule(
        (Condition(10, "<", 1e-05), Condition(10, ">=", -0.5), Condition(1, "<", 2.0)), 3
    )


def test_a_rule_covers_what_all_its_conditions_hold_for() -> None:
    assert RIGHT.covers(ROWS).tolist() == [False, True, False, True]
    assert Rule((), 0).covers(ROWS).all()


def test_what_a_rule_is_worth_is_judged_by_other_rows() -> None:
    judged = Known(
        np.array([[2.0, 1.0], [3.0, 1.0], [9.0, 9.0], [0.0, 0.0]]), np.array([1, 1, 3, 0])
    )
    rule, _, precision, fidelity = explaining(judged).explanation(RULES, ROWS[1], 1, 0)
    assert rule == {
        "prediction": "right",
        "class": "right",
        "conditions": [
            {"feature": "width", "op": ">=", "threshold": 1.5},
            {"feature": "height", "op": ">=", "threshold": 0.0},
        ],
        "precision": 2 / 3,
        "coverage": 3 / 4,
        "covered": 3,
    }
    assert (precision, fidelity) == (2 / 3, 3 / 4)


def test_of_a_rule_that_covers_none_of_them_nothing_is_known() -> None:
    judged = Known(np.array([[0.0, 0.0]]), np.array([0]))
    rule, _, precision, fidelity = explaining(judged).explanation(RULES, ROWS[1], 1, 0)
    assert (rule["precision"], rule["coverage"], rule["covered"]) == (None, 0.0, 0)
    assert (precision, fidelity) == (0.0, 1.0)


def test_the_fewest_changes_come_first_with_a_row_that_went_there() -> None:
    judged = Known(ROWS, np.array([0, 1, 2, 1]))
    explanation = explaining(judged).explanation(RULES, np.array([0.0, -1.0]), 0, 5)
    below, right = explanation.counterfactuals
    assert [below["class"], right["class"]] == ["below", "right"]
    assert below["changes"] == [{"feature": "width", "op": ">=", "threshold": 1.5}]
    assert below["example"] == {"width": 1.5, "height": -3.0}
    assert right["changes"] == right["conditions"]
    assert right["example"] == {"width": 1.5, "height": 1.0}  # not the farther one
    shorter = explaining(judged).explanation(RULES, np.array([0.0, -1.0]), 0, 1)
    assert shorter.counterfactuals == [below]


def test_a_rule_without_a_row_of_its_class_leads_nowhere() -> None:
    rules = [LOW, RIGHT, Rule(BELOW.conditions, 3)]
    judged = Known(ROWS, np.array([0, 1, 2, 1]))
    explanation = explaining(judged).explanation(rules, ROWS[0], 0, 5)
    assert [each["class"] for each in explanation.counterfactuals] == ["right"]


def test_a_rule_that_leads_a_row_to_another_class_than_it_has_says_so() -> None:
    judged = Known(ROWS, np.array([0, 1, 2, 1]))
    explanation = explaining(judged).explanation(RULES, ROWS[0], 1, 5)
    assert (explanation.rule["prediction"], explanation.rule["class"]) == ("right", "low")
    assert [each["class"] for each in explanation.counterfactuals] == ["below"]
