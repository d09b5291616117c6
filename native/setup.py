"""The kernel's extension module; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

_SOURCES = "src/shortlist_native"

setup(
    ext_modules=[
        Extension(
            "shortlist_native._kernel",
            [f"{_SOURCES}/module.c", f"{_SOURCES}/encoder.c"],
            depends=[f"{_SOURCES}/{name}.h" for name in ("attention", "encoder", "linear", "rows", "tiles")],
            extra_compile_args=["-O3"],
        )
    ]
)
