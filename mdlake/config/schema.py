"""JSON Schema of every kind of file in `assets_config/`, for editors. Here: the text; not here: where it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mdlake.config.loader import FILE_MODELS

__all__ = ["configuration_schemas"]


def configuration_schemas() -> Mapping[str, str]:
    """File name, such as `dataset.schema.json`, to its JSON Schema as text."""
    return {
        f"{kind}.schema.json": json.dumps(model.model_json_schema(), ensure_ascii=False, indent=2) + "\n"
        for kind, model in FILE_MODELS.items()
    }
