"""The plug-in ``opentelemetry``: a span for each request, and one for each visit of a step."""
