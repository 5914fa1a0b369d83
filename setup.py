"""What `pyproject.toml` cannot say: translations are compiled into the wheel."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
# Modules of the checkout that serve tests alone; the wheel does not have them.
FOR_TESTS = {("bazaar.settings", "test"), ("bazaar.settings", "live_test")}


class BuildWithTranslations(build_py):
    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        found = super().find_package_modules(package, package_dir)
        return [module for module in found if module[:2] not in FOR_TESTS]

    def run(self) -> None:
        runpy.run_path(str(HERE / "bazaar" / "messages.py"))["compile_all"]()
        super().run()


setup(cmdclass={"build_py": BuildWithTranslations})
