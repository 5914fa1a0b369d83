"""What `pyproject.toml` cannot say: translations are compiled into the wheel."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


class BuildWithTranslations(build_py):
    def run(self) -> None:
        runpy.run_path(str(HERE / "bazaar" / "messages.py"))["compile_all"]()
        super().run()


setup(cmdclass={"build_py": BuildWithTranslations})
