# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether every package of the engine, also those that others bring along, has a wheel on every platform:

    python -m tests.platform_wheels

For when requirements change; needs a package registry, and Python 3.11 of the environment that `dev.py setup` made. uv
resolves as if it were on the other platform and takes wheels only. Exit code 1: one is missing somewhere.
"""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

log = logging.getLogger(__name__)

REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = REPOSITORY / "backend" / "requirements.txt"
SYSTEM_CHECK = REPOSITORY / "blender_addon" / "setup" / "system_check.py"
"""Read as a text: it is part of the extension, which is not importable here."""
PLATFORMS = ("x86_64-manylinux_2_28", "x86_64-pc-windows-msvc", "aarch64-apple-darwin")
SECONDS = 300


def oldest_macos() -> int:
    """The version of macOS that the installer demands."""
    found = re.search(r"^OLDEST_MACOS = (\d+)$", SYSTEM_CHECK.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return int(found[1])


def missing_wheels(platform: str, macos: int) -> str:
    """uv's words about what has no wheel on the platform, "" when all is there. `macos` is the oldest that counts."""
    command = [sys.executable, "-m", "uv", "pip", "compile", str(REQUIREMENTS), "--python-version", "3.11",
               "--python-platform", platform, "--only-binary", ":all:", "--quiet", "--no-header", "--output-file",
               os.devnull]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=SECONDS, check=False,
                         env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": f"{macos}.0"})
    return ran.stderr.strip() if ran.returncode else ""


def main() -> int:
    """The command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    failed, oldest = False, oldest_macos()
    for platform in PLATFORMS:
        complaint = missing_wheels(platform, oldest)
        failed = failed or bool(complaint)
        log.info("%s: %s", platform, complaint or "every package has a wheel")
    if not failed and not missing_wheels("aarch64-apple-darwin", oldest - 1):
        log.error("macOS %d would do: OLDEST_MACOS is too high", oldest - 1)
        failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
