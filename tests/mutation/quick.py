"""The ``conftest.py`` of a stage: tests that draw examples draw fewer, and the same in every run.

A mutant is tried with every test that reaches it, and whether it lives must be up to the tests
alone: not to luck, to how busy the machine is, or to what was found in a mutant before.
"""

from __future__ import annotations

from hypothesis import Phase, settings

from penstock.testing.laws import JoinLaws

settings.register_profile(
    "mutation",
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # nobody looks at what is found: it need not be small
)
settings.load_profile("mutation")
JoinLaws.max_examples = 30
