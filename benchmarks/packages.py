"""`make packages`: packing and opening a delivery of a gigabyte, beside the `age` command on the same bytes and disk.

What each side does. The `age` command encrypts, or decrypts, one tar that is there already. We pack: make the tar, encrypt it,
hash what was encrypted and sign it. We open as the intake does: hash the package, verify the signature, then decrypt, hash what
is decrypted from again (so that it is what was verified), take the tar apart, hash and write its files, and verify the
self-check. Plain tools do the same as we do, one after another. Rows of the data file are not read by anyone.

All are processes of their own, in turn, several rounds; the best of each counts. Ours are timed without the start of Python,
which a service pays once. Memory is the highest of the process above what it held with everything imported.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results import write_section
from mdlake.config import DELIVERY_NAMESPACE, SELF_CHECK_NAMESPACE, sender, statistics_unit
from mdlake.exchange import Arrived, SelfCheck, open_package, pack, require_sender
from mdlake.seals import (
    AllowedSigners,
    RevokedKeys,
    generate_identity,
    generate_signing_key,
    hash_name_of,
    load_identity,
    load_signing_key,
    read_recipients,
    sign,
)

ORGANIZATION = "lssi"
DATA, TAR, PACKAGE = "delivery.csv", "delivery.tar", "delivery.tar.age"
MEMBERS = ("datapackage.json", "self-check.json", "self-check.json.sig", DATA)
MOST_MEGABYTES, LEAST_RATIO = 100, 0.5
AT = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure, write the section of RESULTS.md, and fail where a bound of the standard is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--part", choices=("pack", "open"), help="do one thing in this process, in the folder, and print what it took"
    )
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(_measured({"pack": _pack, "open": _open}[arguments.part], arguments.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="mdlake-packages-") as name:
        folder = Path(name)
        _prepare(folder, arguments.megabytes * 10**6)
        rounds = [_round(folder) for _ in range(arguments.rounds)]
    best = {each: min(one[each] for one in rounds) for each in rounds[0]}
    report = _report(arguments.megabytes, arguments.rounds, best)
    print(report)
    write_section(f"A package of {arguments.megabytes:,} MB", report)
    slow = [part for part in ("pack", "open") if best[f"age {part}"] < LEAST_RATIO * best[part]]
    if slow or max(best["pack memory"], best["open memory"]) > MOST_MEGABYTES:
        sys.exit(f"slower than {LEAST_RATIO} of age: {slow}; memory {best['pack memory']:.0f} and {best['open memory']:.0f} MB")


def _prepare(folder: Path, size: int) -> None:
    """Keys, and the four files of a package, of which the data file cannot be compressed."""
    block = os.urandom(1 << 20)
    with (folder / DATA).open("wb") as file:
        for at in range(0, size, len(block)):
            file.write(block[: size - at])
    keys = {desk: generate_signing_key(folder / desk, desk) for desk in ("sender", "unit")}
    identity = generate_identity(folder / "identity")
    (folder / "recipients").write_text(identity.recipients[0] + "\n", encoding="ascii")
    principals = {
        "sender": (sender(ORGANIZATION), DELIVERY_NAMESPACE),
        "unit": (statistics_unit(ORGANIZATION), SELF_CHECK_NAMESPACE),
    }
    lines = (f'{name} namespaces="{space}" {keys[desk].public_line}\n' for desk, (name, space) in principals.items())
    (folder / "allowed").write_text("".join(lines), encoding="ascii")
    with (folder / DATA).open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    said = {"organization": ORGANIZATION, "dataset": "list", "period": "1403-01", "contract_version": "1.0"}
    check = SelfCheck(format="mdlake-self-check/1", hash=digest, rows=1, **said).model_dump_json(exclude_none=True).encode()
    resource = {"name": "list", "path": DATA, "format": "csv", "encoding": "utf-8", "bytes": size, "hash": digest}
    descriptor = {"name": "delivery", "resources": [resource], "mdlake": {**said, "declared_rows": 1, "sequence": 1}}
    (folder / "datapackage.json").write_text(json.dumps(descriptor), encoding="ascii")
    (folder / "self-check.json").write_bytes(check)
    (folder / "self-check.json.sig").write_text(sign(check, keys["unit"], SELF_CHECK_NAMESPACE), encoding="ascii")


def _round(folder: Path) -> dict[str, float]:
    """Seconds, and megabytes of memory, of each contender."""
    found: dict[str, float] = {}
    # plain tools come first: their tar is what the age command alone gets
    found["tools pack"] = _timed(folder, "tar", "--format=ustar", "-cf", TAR, *MEMBERS)
    found["age pack"] = _timed(folder, "age", "-R", "recipients", "-o", PACKAGE, TAR)
    found["tools pack"] += found["age pack"] + _timed(folder, *_SIGN, PACKAGE)
    found["tools open"] = _timed(folder, *_VERIFY, stdin=PACKAGE)
    found["age open"] = _timed(folder, "age", "-d", "-i", "identity", "-o", TAR, PACKAGE)
    (folder / "out").mkdir()
    found["tools open"] += (
        found["age open"] + _timed(folder, "tar", "-xf", TAR, "-C", "out") + _timed(folder, "sha256sum", f"out/{DATA}")
    )
    for part in ("pack", "open"):
        for left in (PACKAGE, f"{PACKAGE}.sig") if part == "pack" else ():
            (folder / left).unlink()
        os.sync()
        command = [sys.executable, "-m", "benchmarks.packages", "--part", part, "--folder", str(folder)]
        done = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        found |= {part: done["seconds"], f"{part} memory": done["megabytes"]}
    for left in (PACKAGE, f"{PACKAGE}.sig", TAR):
        (folder / left).unlink()
    for left in ("out", "opened"):
        shutil.rmtree(folder / left)
    return found


_SIGN = ("ssh-keygen", "-Y", "sign", "-n", DELIVERY_NAMESPACE, "-f", "sender")
_VERIFY = (
    *("ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", sender(ORGANIZATION)),
    *("-n", DELIVERY_NAMESPACE, "-s", f"{PACKAGE}.sig"),
)


def _timed(folder: Path, *command: str, stdin: str = os.devnull) -> float:
    """Seconds of a command; what others wrote is on the disk before it begins."""
    os.sync()
    with (folder / stdin).open("rb") as source:
        begun = time.perf_counter()
        subprocess.run(command, cwd=folder, stdin=source, check=True, capture_output=True)
        return time.perf_counter() - begun


def _measured(work: Callable[[Path], None], folder: Path) -> dict[str, float]:
    """Seconds of some work, and the megabytes that it held above what this process holds now."""
    before = _memory("VmRSS:")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the high water mark begins anew
    begun = time.perf_counter()
    work(folder)
    return {"seconds": time.perf_counter() - begun, "megabytes": (_memory("VmHWM:") - before) / 1e6}


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _pack(folder: Path) -> None:
    recipients = read_recipients((folder / "recipients").read_text(encoding="ascii"), "recipients")
    descriptor, check, signature = ((folder / name).read_bytes() for name in MEMBERS[:3])
    key = load_signing_key(folder / "sender")
    pack(folder / PACKAGE, folder / DATA, descriptor, check, signature.decode(), recipients, key)


def _open(folder: Path) -> None:
    allowed = AllowedSigners.parse((folder / "allowed").read_text(encoding="ascii"))
    signature = (folder / f"{PACKAGE}.sig").read_text(encoding="ascii")
    opened = folder / "opened"
    opened.mkdir()
    with Arrived.opened(folder / PACKAGE) as package:
        package.hash([hash_name_of(signature)])
        require_sender(package, signature, ORGANIZATION, allowed, RevokedKeys(), AT)
        open_package(package, opened, load_identity(folder / "identity"), ORGANIZATION, allowed, AT)


def _report(megabytes: int, rounds: int, best: dict[str, float]) -> str:
    lines = [
        f"## A package of {megabytes:,} MB, packed and opened, beside the age command",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}; best of {rounds}"
        " rounds, the contenders in turn on the same file and disk.",
        "",
        "| | `age` alone, s | mdlake, s | mdlake's speed to `age`'s | plain tools, same work, s | memory above the interpreter |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for part, does in (("pack", "packing: tar, encrypt, hash, sign"), ("open", "opening: hash, verify, decrypt, hash, untar")):
        age, ours, tools = best[f"age {part}"], best[part], best[f"tools {part}"]
        lines.append(f"| {does} | {age:.2f} | {ours:.2f} | {age / ours:.2f}× | {tools:.2f} | {best[f'{part} memory']:.0f} MB |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
