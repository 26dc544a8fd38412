"""Every outcome of a pipeline, found by playing it over models that are scripts."""

from penstock.core.outcomes.dials import Dial
from penstock.core.outcomes.endings import Ending
from penstock.core.outcomes.outcomes import Outcomes, PipelineOutcomes
from penstock.core.outcomes.rows import Row

__all__ = ["Dial", "Ending", "Outcomes", "PipelineOutcomes", "Row"]
