"""The kernel's extension module; everything else stands in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

_SOURCES = Path("src/shortlist_native")

setup(
    ext_modules=[
        Extension(
            "shortlist_native._kernel",
            [str(file) for file in sorted(_SOURCES.rglob("*.c"))],
            depends=[str(file) for file in sorted(_SOURCES.rglob("*.h"))],
            extra_compile_args=["-O3"],
        )
    ]
)
