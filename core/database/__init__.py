"""The scheduler's database: what is wanted, in one SQLite file that survives any crash."""

from penstock.core.database.copies import back_up, examine, read, restore
from penstock.core.database.database import REMEMBERED, Database, Saved
from penstock.core.database.rows import SavedResource

__all__ = [
    "REMEMBERED",
    "Database",
    "Saved",
    "SavedResource",
    "back_up",
    "examine",
    "read",
    "restore",
]
