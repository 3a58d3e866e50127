# SPDX-License-Identifier: Apache-2.0
"""Write requirements/*.txt: the exact versions that the current environment holds.

One file per dependency group of pyproject.toml (the base install and each extra), each with the whole
closure of that group, so that any subset installs the same versions. To move to newer versions: upgrade
the packages in `.venv`, run the tests, run `make lock`, and review the diff.
"""

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
# Installing the project itself without build isolation needs its build backend and the editable hook.
BUILD_BACKEND = ["hatchling", "editables"]
BY_HAND = {"board"}  # installed without all that it asks for, see its file


def closure(requirements: list[Requirement]) -> dict[str, str]:
    """Installed name -> version of `requirements` and everything they need here.

    Raises:
        PackageNotFoundError: a needed package is not installed in this environment.
    """
    pins: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    todo = [(requirement, "") for requirement in requirements]
    while todo:
        requirement, extra_context = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra_context}):
            continue
        try:
            dist = distribution(requirement.name)
        except PackageNotFoundError:
            raise PackageNotFoundError(f"{requirement} (needed for the lock files)") from None
        name = canonicalize_name(dist.metadata["Name"])
        pins[name] = dist.version.split("+")[0]  # "+cpu" depends on the index, not on the version
        for extra in ["", *sorted(requirement.extras)]:
            if (name, extra) not in seen:
                seen.add((name, extra))
                todo += [(Requirement(text), extra) for text in dist.requires or []]
    return pins


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups: dict[str, list[str]] = {"base": project["dependencies"] + BUILD_BACKEND}
    groups.update({k: v for k, v in project["optional-dependencies"].items() if k not in BY_HAND})
    for group, texts in groups.items():
        pins = closure([Requirement(text) for text in texts])
        lines = [
            "# SPDX-License-Identifier: Apache-2.0",
            f"# Exact versions of group '{group}'; written by `make lock`.",
        ]
        lines += [f"{name}=={version}" for name, version in sorted(pins.items())]
        path = ROOT / "requirements" / f"{group}.txt"
        path.write_text("\n".join(lines) + "\n")
        print(f"{path.relative_to(ROOT)}: {len(pins)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
