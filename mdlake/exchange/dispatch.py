"""A package made from a data file and its descriptor by both desks of a producer at once: its statistics unit, its sender.

Here: what goes together, from files that were checked. Not here: the checking, and whose keys these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mdlake.config import SELF_CHECK_NAMESPACE
from mdlake.exchange.descriptor import Descriptor
from mdlake.exchange.package import pack
from mdlake.exchange.self_check import Finding, SelfCheck
from mdlake.seals import Recipient, SigningKey, sign

__all__ = ["dispatch"]


def dispatch(
    descriptor: Path,
    folder: Path,
    recipients: Sequence[Recipient],
    sender_key: SigningKey,
    unit_key: SigningKey,
    findings: Sequence[Finding] = (),
) -> Path:
    """Sign the self-check of a delivery, pack it into a folder, and return the package; its signature is there first.

    Args:
        descriptor: the descriptor file; the data file that it names lies beside it.

    Raises:
        DeliveryRefused: `unreadable_descriptor`.
        SealError: a package of this name is there already.
    """
    read = Descriptor.read(descriptor)
    said, resource = read.mdlake, read.resource
    check = SelfCheck(
        format="mdlake-self-check/1",
        organization=said.organization,
        dataset=said.dataset,
        period=said.period,
        reporting_unit=said.reporting_unit,
        contract_version=said.contract_version,
        hash=resource.hash,
        rows=said.declared_rows,
        findings=tuple(findings),
    )
    content = check.model_dump_json(exclude_none=True).encode()
    package = folder / f"{descriptor.stem}.tar.age"
    signature = sign(content, unit_key, SELF_CHECK_NAMESPACE)
    data = descriptor.with_name(resource.path)
    pack(package, data, descriptor.read_bytes(), content, signature, recipients, sender_key)
    return package
