"""One check operation per asset, with one check per principle, so that a person sees four named principles.

Sixteen separate checks cost an operation each; one operation reads the partition once. Checks have partitions, because
without them one bad month would block every month; that is a preview of Dagster and stands in `_spec` alone.
"""

# no postponed annotations here: Dagster reads the annotations of `context` and of resources as objects

import warnings
from collections.abc import Iterator, Mapping

import dagster as dg
from dagster_shared.utils.warnings import PreviewWarning

from mdlake.config import Configuration, Dataset
from mdlake.errors import GateRefused
from mdlake.pipeline.boundary import told
from mdlake.pipeline.metadata import both, results_table
from mdlake.pipeline.naming import asset_key, partitions
from mdlake.principles import RULES, principles_of
from mdlake.standard import Period
from mdlake.steps import House, Judgement, Run, failure_text, judge

__all__ = ["layer_checks"]

_TITLES = {
    "transformation": "اصل تبدیل",
    "system": "اصل سیستم",
    "consistency": "اصل سازگار",
    "quality": "اصل کیفیت",
}


def layer_checks(configuration: Configuration, dataset: Dataset, layer: str) -> dg.AssetChecksDefinition:
    """The checks of a layer of a dataset, blocking."""
    principles = principles_of(RULES.values(), layer)
    producer = configuration.organizations[dataset.organization].label.en

    @dg.multi_asset_check(
        name=f"principles__{layer}__{dataset.organization}__{dataset.name}",
        specs=[_spec(configuration, dataset, layer, principle) for principle in principles],
    )
    def checked(context: dg.AssetCheckExecutionContext, house: dg.ResourceParam[House]) -> Iterator[dg.AssetCheckResult]:
        period = Period.parse(context.op_execution_context.partition_key)
        with told():
            judgement = judge(house, layer, dataset, period, Run(context.run.run_id))
            excepted = house.gate.exceptions(judgement.verdict)
            objection = house.gate.objection(judgement.verdict, producer)
        for principle in principles:
            yield _result(judgement, dataset, layer, principle, producer, excepted)
        if objection is not None:
            # Dagster's own error names the checks only; a failed run is opened by whoever has to know what is next
            with told():
                raise GateRefused.of(f"{layer} does not pass its principles", [objection], where=judgement.place)

    return checked


def _spec(configuration: Configuration, dataset: Dataset, layer: str, principle: str) -> dg.AssetCheckSpec:
    asks = [both(rule.title) for rule in RULES.values() if rule.principle == principle and layer in rule.layers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)
        return dg.AssetCheckSpec(
            name=principle,
            asset=asset_key(layer, dataset),
            description=f"{_TITLES[principle]}\n\n" + "\n".join(f"- {line}" for line in asks),
            blocking=True,
            partitions_def=partitions(configuration, dataset),
        )


def _result(
    judgement: Judgement, dataset: Dataset, layer: str, principle: str, producer: str, excepted: Mapping[str, str]
) -> dg.AssetCheckResult:
    """One principle.

    Args:
        excepted: the rules that a decision sets aside, with the decision.
    """
    results = tuple(result for result in judgement.results if result["principle"] == principle)
    failed = [result for result in results if not result["passed"]]
    refuses = any(result["severity"] == "error" and result["rule"] not in excepted for result in failed)
    own = {result["rule"]: excepted[result["rule"]] for result in failed if result["rule"] in excepted}
    texts = [failure_text(result) for result in failed]
    texts += [f"{rule} is excepted by decision {decision}" for rule, decision in own.items()]
    return dg.AssetCheckResult(
        passed=not failed,
        asset_key=asset_key(layer, dataset),
        check_name=principle,
        severity=dg.AssetCheckSeverity.ERROR if refuses else dg.AssetCheckSeverity.WARN,
        description=f"{judgement.place}: " + (" | ".join(texts) if texts else "every rule passed"),
        metadata={
            "verdict": judgement.verdict.outcome,
            "content_id": judgement.verdict.content_id,
            "rule_version": judgement.verdict.rule_version,
            "rules": results_table(results),
            "next_step": " | ".join(texts) if texts else "nothing to do",
            **({"who": f"{producer} corrects and sends again"} if refuses else {}),
            **({"excepted_by": ", ".join(sorted(set(own.values())))} if own else {}),
        },
    )
