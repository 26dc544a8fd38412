"""The names that plug-ins and the manager agree on."""

from __future__ import annotations

from typing import Final

import pluggy

ENTRY_POINT_GROUP: Final = "penstock"
"""The group of entry points that plug-ins are found in. The entry's name is the plug-in's name."""

API_VERSION: Final = 1
"""What a plug-in says in ``penstock_api``. Grows when a contract or a hook changes shape."""

HOOK_PREFIX: Final = "penstock_"

CONFIG_HOOK: Final = "penstock_register_config"
"""The hook that registers the schema of a plug-in's options."""

hookspec: Final = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl: Final = pluggy.HookimplMarker(ENTRY_POINT_GROUP)
"""Marks a function of a plug-in as the implementation of the hook of the same name."""
