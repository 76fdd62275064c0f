"""The four assets of a dataset. A factory per layer would differ in one call only, so there is one for all of them."""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

from collections.abc import Callable, Mapping

import dagster as dg

from mdlake.config import Configuration, Dataset
from mdlake.pipeline.boundary import told
from mdlake.pipeline.metadata import asset_description, asset_metadata, made_metadata
from mdlake.pipeline.naming import asset_key, partitions
from mdlake.standard import Period
from mdlake.steps import LAYER_BELOW, House, Made, Room, Run, make_pseudonymized, make_published, make_raw, make_standardized

__all__ = ["ROOM_LAYERS", "layer_asset"]

ROOM_LAYERS: Mapping[Room, tuple[str, ...]] = {
    "secure": ("raw", "standardized", "pseudonymized"),
    "research": ("published",),
}
"""Which layers are made in which code location."""

_STEPS: Mapping[str, Callable[[House, Dataset, Period, Run], Made]] = {
    "raw": make_raw,
    "standardized": make_standardized,
    "pseudonymized": make_pseudonymized,
    "published": make_published,
}


def layer_asset(configuration: Configuration, dataset: Dataset, layer: str, room: Room) -> dg.AssetsDefinition:
    """The asset of a layer of a dataset, one partition per reference period."""
    owner = configuration.standard.layers[layer].owner  # type: ignore[index]

    @dg.asset(
        key=asset_key(layer, dataset),
        deps=[asset_key(LAYER_BELOW[layer], dataset)] if layer in LAYER_BELOW else None,
        partitions_def=partitions(configuration, dataset),
        group_name=dataset.organization,
        owners=[f"team:{owner}"],
        # the asset graph shows of a key its last part only; the kind is what tells one layer from another there
        kinds={layer, "deltalake", "polars"},
        tags={"layer": layer, "zone": room, "office": owner, "temporal_type": dataset.file.temporal_type},
        description=asset_description(configuration, dataset, layer),
        metadata=asset_metadata(configuration, dataset, layer),
    )
    def made(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult[None]:
        period = Period.parse(context.partition_key)
        with told():
            result = _STEPS[layer](house, dataset, period, Run(context.run.run_id))
        return dg.MaterializeResult(metadata=made_metadata(result, dataset))

    return made
