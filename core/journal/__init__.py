"""What is remembered of requests: how each of their ports ended, and what became of them."""

from penstock.core.journal.desk import InquiryDesk
from penstock.core.journal.inquiries import OwnInquiries
from penstock.core.journal.journal import Journal, JournalLimits
from penstock.core.journal.letters import Letter, LetterBox
from penstock.core.journal.story import AttemptRecord, PortRecord, Story

__all__ = [
    "AttemptRecord",
    "InquiryDesk",
    "Journal",
    "JournalLimits",
    "Letter",
    "LetterBox",
    "OwnInquiries",
    "PortRecord",
    "Story",
]
