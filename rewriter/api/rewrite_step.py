"""Describe a rewrite as a value, for pipelines and for a few lines of TOML or YAML.

>>> step = Rewrite(["enable-masking", "move-dropout:masking=false"])
>>> print(step.to_toml(), end="")
passes = ["enable-masking", "move-dropout:masking=false"]
>>> Rewrite.from_table({"passes": ["strip-dropout"], "verify": False})
Rewrite(['strip-dropout'], verify=False)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewriter.api.pyproject import (
    OF_CHECK,
    SETTINGS_LIMIT,
    parse_toml,
    project_file,
    table_of,
    tool_table,
)
from rewriter.errors import ModelReadError, PassError, RewriterError
from rewriter.pipeline.options import options_of
from rewriter.pipeline.passes import Pass
from rewriter.pipeline.registry import load_pass, to_pass
from rewriter.saved.formats.regular_file import content

WEIGHTS = ("copy", "share")


class Rewrite:
    """Passes with the options of `rewriter.rewrite`, to be called on models.

    Rewrites of equal passes and options are equal. They are pickled with the names and options
    of their passes, and with the passes themselves where these are not registered; they can be
    written to a file as far as their passes are registered.

    Parameters
    ----------
    passes : sequence of Pass or str
        As objects, or as on the command line.
    verify : bool
        Whether to measure the guarantee.
    weights : {"copy", "share"}
        Whether the rewritten model has weights of its own.

    Raises
    ------
    RewriterError
        A pass or an option is unknown.

    Examples
    --------
    >>> import keras, rewriter
    >>> deploy = rewriter.Rewrite(["strip-dropout"])
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5, name="drop")])
    >>> model.add(keras.layers.Dense(2, name="out"))
    >>> [layer.name for layer in deploy(model).layers]
    ['out']
    """

    __module__ = "rewriter"  # its public home, which pickles name

    def __init__(
        self,
        passes: Sequence[Pass | type[Pass] | str],
        *,
        verify: bool = True,
        weights: str = "copy",
    ) -> None:
        if isinstance(passes, str) or not isinstance(passes, Sequence):
            raise RewriterError(f"{passes!r} is no list of passes", where="passes")
        if weights not in WEIGHTS:
            raise RewriterError(f"weights is {weights!r}, neither copy nor share", where="weights")
        self.passes = tuple(to_pass(each) for each in passes)
        self.verify = verify
        self.weights = weights

    def __call__(self, model: Any) -> Any:
        """Return the rewritten model.

        Parameters
        ----------
        model : live model, str or Path
            Is not changed.
        """
        return self.result(model).model

    def result(self, model: Any) -> Any:
        """Return the rewritten model with its plan and verification, as `rewriter.rewrite` does."""
        from rewriter.api.functions import rewrite

        return rewrite(model, self.passes, verify=self.verify, weights=self.weights)

    def __repr__(self) -> str:
        table = self._table()
        options = [f", {key}={value!r}" for key, value in table.items() if key != "passes"]
        return f"Rewrite({table['passes']}{''.join(options)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rewrite) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(repr(self._identity()))

    def __getstate__(self) -> dict[str, Any]:
        passes = [_named(each) if _is_registered(each) else each for each in self.passes]
        return {"passes": passes, "verify": self.verify, "weights": self.weights}

    def __setstate__(self, state: dict[str, Any]) -> None:
        passes = [each if isinstance(each, Pass) else _of_name(*each) for each in state["passes"]]
        self.__init__(passes, verify=state["verify"], weights=state["weights"])  # type: ignore[misc]

    def _identity(self) -> tuple[Any, ...]:
        passes = [(type(each), str(each)) for each in self.passes]
        return (passes, self.verify, self.weights)

    def _table(self) -> dict[str, Any]:
        table: dict[str, Any] = {"passes": [str(each) for each in self.passes]}
        if not self.verify:
            table["verify"] = False
        if self.weights != "copy":
            table["weights"] = self.weights
        return table

    def to_table(self) -> dict[str, Any]:
        """Return the rewrite as plain data, as ``[tool.rewriter]`` holds it.

        Raises
        ------
        PassError
            A pass is not registered: no name leads back to it.
        """
        for one in self.passes:
            if load_pass(one.name) is not type(one):
                raise PassError(
                    "another pass is registered under this name",
                    where=one.name,
                    fix="register the pass under the entry point group rewriter.passes",
                )
        return self._table()

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str = "passes") -> Rewrite:
        """Return the rewrite that plain data tells; settings of `rewriter check` are let be.

        Raises
        ------
        RewriterError
            A setting is unknown or of another type.
        """
        known = {"passes": list, "verify": bool, "weights": str}
        for key, value in table.items():
            if key in OF_CHECK:
                continue
            if key not in known:
                fix = f"there are {', '.join(known)}"
                raise RewriterError(f"unknown setting {key!r}", where=where, fix=fix)
            if not isinstance(value, known[key]):
                wanted = {"passes": "a list", "verify": "true or false", "weights": "a string"}
                raise RewriterError(f"{key} is not {wanted[key]}", where=where)
        if "passes" not in table:
            raise RewriterError("no passes", where=where, fix='write passes = ["NAME", ...]')
        if not all(isinstance(each, str) for each in table["passes"]):
            raise RewriterError("passes holds something else than names of passes", where=where)
        return cls(**{key: value for key, value in table.items() if key in known})

    def to_toml(self) -> str:
        """Return the rewrite as lines of TOML."""
        return "".join(f"{key} = {_toml(value)}\n" for key, value in self.to_table().items())

    def to_yaml(self) -> str:
        """Return the rewrite as YAML."""
        text: str = _yaml().safe_dump(self.to_table(), sort_keys=False)
        return text

    @classmethod
    def from_toml(cls, text: str, where: str = "TOML") -> Rewrite:
        """Return the rewrite that TOML tells, at the top or under ``[tool.rewriter]``."""
        document = parse_toml(text, where)
        table = tool_table(document) if "tool" in document else document
        return cls.from_table(table if isinstance(table, dict) else {}, where)

    @classmethod
    def from_yaml(cls, text: str, where: str = "YAML") -> Rewrite:
        """Return the rewrite that YAML tells."""
        yaml = _yaml()
        try:
            table = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RewriterError(f"no YAML: {str(error).splitlines()[0]}", where=where) from error
        if not isinstance(table, dict):
            raise RewriterError("the settings are not a table of keys and values", where=where)
        return cls.from_table(table, where)

    @classmethod
    def read(cls, path: str | Path) -> Rewrite:
        """Return the rewrite that a .toml, .yaml or .yml file tells, a pyproject.toml too.

        Raises
        ------
        RewriterError
            The file cannot be read, or does not tell a rewrite.
        """
        path = Path(path)
        readers = {".toml": cls.from_toml, ".yaml": cls.from_yaml, ".yml": cls.from_yaml}
        if path.suffix not in readers:
            raise RewriterError("the ending is not .toml, .yaml or .yml", where=str(path))
        try:
            text = content(path, SETTINGS_LIMIT).decode("utf-8")
        except (OSError, UnicodeDecodeError, ModelReadError) as error:
            what = error.what if isinstance(error, RewriterError) else str(error)
            raise RewriterError(f"cannot be read: {what}", where=str(path)) from error
        return readers[path.suffix](text, str(path))


def _is_registered(wanted: Pass) -> bool:
    try:
        return load_pass(wanted.name) is type(wanted)
    except PassError:
        return False


def _named(wanted: Pass) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of a registered pass."""
    return wanted.name, {name: getattr(wanted, name) for name in options_of(type(wanted))}


def _of_name(name: str, options: Mapping[str, Any]) -> Pass:
    return load_pass(name)(**options)


def project_rewrite(folder: Path) -> Rewrite | None:
    """Return the rewrite of the nearest ``[tool.rewriter]``, if that table names passes."""
    path = project_file(folder)
    if path is None or "passes" not in table_of(path):
        return None
    return Rewrite.read(path)


def _toml(value: Any) -> str:
    """Return a value as TOML: strings, lists and booleans are written as in JSON."""
    return json.dumps(value, ensure_ascii=True)


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        fix = 'pip install "keras-rewriter[yaml]"'
        raise RewriterError("PyYAML is not installed", where="YAML", fix=fix) from error
    return yaml
