"""Ask a public database (OSV) for known weaknesses of the packages in the lock files: make audit.

pip-audit asks. It ends with 1 where it found something, and also where it could not ask; only its
report tells the two apart. This ends with 0 where nothing is known, 1 where a package has a known
weakness, and 2 where it could not ask about every package. Arguments are passed to pip-audit, as
`--ignore-vuln ID` for a weakness that does not concern us.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS = [HERE / name for name in ("prod.txt", "local.txt", "dev.txt")]


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            command(report, arguments), stderr=subprocess.PIPE, text=True, check=False
        )
        if not report.exists() or not report.stat().st_size:
            # A traceback ends with its reason.
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            return failed(lines[-1] if lines else f"pip-audit ended with {done.returncode}")
        packages = json.loads(report.read_text())["dependencies"]
    skipped = [
        f"{each['name']} ({each['skip_reason']})" for each in packages if "skip_reason" in each
    ]
    if skipped or not packages:
        return failed(", ".join(skipped) or "the lock files name no package")
    found = [(each, known) for each in packages for known in each["vulns"]]
    for package, known in found:
        fixed = ", ".join(known["fix_versions"]) or "no version"
        say(f"{package['name']} {package['version']}: {known['id']}, fixed in {fixed}")
        say(f"    {known['description']}")
    say(f"{len(packages)} packages, {len(found)} known weaknesses")
    return 1 if found else 0


def command(report: Path, arguments: list[str]) -> list[str]:
    audit = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--strict"]
    # The lock files name every package with its hash, so pip need not look for others.
    audit += ["--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    audit += ["--format", "json", "--desc", "on", "--output", str(report)]
    return [*audit, *arguments, *(f"--requirement={lock}" for lock in LOCKS)]


def failed(reason: str) -> int:
    sys.stderr.write(f"Could not ask for known weaknesses, so nothing is known: {reason}\n")
    return 2


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
