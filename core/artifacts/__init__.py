"""The artifacts of models: fetched safely, checked, and kept for those that want the same."""

from penstock.core.artifacts.cache import ArtifactCache
from penstock.core.artifacts.digest import digest_of
from penstock.core.artifacts.fetcher import ArtifactFetcher, FetchedArtifacts
from penstock.core.artifacts.place import default_folder

__all__ = ["ArtifactCache", "ArtifactFetcher", "FetchedArtifacts", "default_folder", "digest_of"]
