"""The ``dataflow`` section: how the streams of a model or a pipeline are kept."""

from __future__ import annotations

from penstock.core.resources.value import Flag, PositiveCount, Value


class ModelDataflow(Value):
    """``clean_topics_on_delete``: whether the topics of the model go when it is deleted."""

    clean_topics_on_delete: Flag = False


class PipelineDataflow(Value):
    """``partitions``: of each topic of the pipeline, None for the configured number.

    ``share_group``: whether requests are taken one by one through a share group of Kafka, by any
    number of workers. ``clean_topics_on_delete``: whether the topics go when the pipeline is
    deleted.
    """

    partitions: PositiveCount | None = None
    share_group: Flag = False
    clean_topics_on_delete: Flag = False
