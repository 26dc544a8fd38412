"""Requests as streams have recorded them, for whoever wants to see what happened."""

from penstock.core.recordings.inquiries import StreamInquiries
from penstock.core.recordings.requests import RecordedRequests

__all__ = ["RecordedRequests", "StreamInquiries"]
