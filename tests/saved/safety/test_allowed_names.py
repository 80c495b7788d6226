"""The table of names is that of both Keras: it has what they load, and nothing else."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from rewriter.analysis.known_layers import BUILT_IN
from rewriter.saved.safety.allowed_names import (
    ANY_CLASS,
    ANY_FUNCTION,
    CLASSES,
    DATA,
    FUNCTIONS,
    REGISTERED_TYPE_SPECS,
    TENSORFLOW_INITIALIZERS,
    TENSORFLOW_INITIALIZERS_MODULE,
    TYPE_SPECS,
)
from rewriter.saved.safety.dangers import CODE, COMPILED, FILES, STRING_ENDS, _area, dangers

KERAS = ["tf_keras", "keras"]
ABSENT = ("jax", "torch", "openvino", "numpy")  # backends that need not be installed


@cache
def modules(keras):
    """Every module of a Keras that can be imported, but for its tests."""
    root, found = importlib.import_module(keras), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in pkgutil.walk_packages(root.__path__, f"{keras}.", onerror=lambda _: None):
            if "test" in each.name or "benchmark" in each.name:
                continue
            try:
                found.append(importlib.import_module(each.name))
            except ImportError as error:
                assert any(name in str(error) for name in ABSENT), error
    return [root, *found]


def bases(keras):
    """What a class must be derived from to belong in a config."""
    root = importlib.import_module(keras)
    found = [root.layers.Layer, root.Model, root.initializers.Initializer]
    found += [root.regularizers.Regularizer, root.constraints.Constraint, root.losses.Loss]
    found += [root.metrics.Metric, root.optimizers.Optimizer]
    found += [root.optimizers.schedules.LearningRateSchedule]
    if keras == "tf_keras":
        from tf_keras.src.engine.base_layer_v1 import Layer
        from tf_keras.src.mixed_precision.loss_scale_optimizer import BaseLossScaleOptimizer
        from tf_keras.src.optimizers.optimizer_v1 import Optimizer

        found += [Layer, root.optimizers.legacy.Optimizer, root.mixed_precision.Policy]
        found += [Optimizer, BaseLossScaleOptimizer]
        return tuple(found)
    from keras.src.distillation.distillation_loss import DistillationLoss
    from keras.src.optimizers import LegacyOptimizerWarning  # raises, whatever it is made of
    from keras.src.quantizers.quantization_config import QuantizationConfig

    found += [root.Operation, root.Quantizer, root.DTypePolicy, root.random.SeedGenerator]
    return (*found, QuantizationConfig, DistillationLoss, LegacyOptimizerWarning)


def of_tensorflow(held):
    """Whether a class of TensorFlow belongs in a config of Keras 2: columns, old initializers."""
    from tensorflow.python.feature_column.feature_column_v2_types import FeatureColumn
    from tensorflow.python.ops.init_ops import Initializer

    return issubclass(held, FeatureColumn | Initializer)


@pytest.mark.parametrize("keras", KERAS)
def test_a_name_of_the_table_stands_for_nothing_else(keras):
    wrong = []
    for module in modules(keras):
        area = _area(module.__name__)
        for name, held in vars(module).items():
            if name in CLASSES.get(area, ()):
                good = inspect.isclass(held) and (
                    issubclass(held, bases(keras)) or of_tensorflow(held)
                )
            elif name in FUNCTIONS.get(area, ()):
                good = callable(held) and (
                    inspect.isclass(held)
                    or held.__name__ in FUNCTIONS.get(area, ())
                    or str(held.__module__).startswith(
                        ("tensorflow.", "keras.src.", "tf_keras.src.")
                    )
                )
            else:
                continue
            if not good:
                wrong.append((module.__name__, name, held))
    assert wrong == []


def exported(keras):
    """Public classes that belong in a config, with the paths under which Keras writes them."""
    for module in modules(keras):
        if ".src" in module.__name__ or ".v1" in module.__name__ or "._" in module.__name__:
            continue
        for name, held in vars(module).items():
            inside = inspect.isclass(held) and issubclass(held, bases(keras))
            if inside and name[0].isupper() and held.__module__.startswith(f"{keras}."):
                yield module.__name__, name, held


# No part of a model: a model of its own that is saved by another way, operations that stand in
# for others, the base of all, and what needs TensorFlow's meshes.
OUTSIDE = {"FeatureSpace", "Operation", "Function"}
OUTSIDE_AREAS = ("__internal__", "dtensor", "backend", "export", "utils")


@pytest.mark.parametrize("keras", KERAS)
def test_every_public_class_of_both_keras_is_in_the_table(keras):
    found = {
        (module, name)
        for module, name, _ in exported(keras)
        if name not in OUTSIDE and _area(module) not in OUTSIDE_AREAS
    }
    assert len(found) > 250
    assert [each for each in sorted(found) if each[1] not in CLASSES.get(_area(each[0]), ())] == []


@pytest.mark.parametrize("keras", KERAS)
def test_what_each_class_is_written_as_is_in_the_table(keras):
    serialize = importlib.import_module(f"{keras}.src.saving.serialization_lib")
    wrong = set()
    for _, name, held in exported(keras):
        if name in OUTSIDE or _area(held.__module__) in OUTSIDE_AREAS:
            continue
        written = serialize.serialize_with_public_class(held, {}) or {
            "module": held.__module__,
            "class_name": held.__name__,
            "registered_name": held.__name__,
            "config": {},
        }
        written["config"] = {"function": "math.add", "node_def": {"op": "Add"}}
        found = [str(each) for each in dangers(written) if "stands for" in str(each)]
        wrong |= {(name, *found)} if found else set()
    assert wrong == set()


@pytest.mark.parametrize("keras", KERAS)
def test_public_functions_are_in_the_table(keras):
    root = importlib.import_module(keras)
    parts = [part for part in FUNCTIONS if hasattr(root, part)]
    assert {"activations", "losses", "metrics"} <= set(parts)
    for part in parts:
        public = {
            name
            for name, held in vars(getattr(root, part)).items()
            if inspect.isfunction(held) and name not in ("get", "serialize", "deserialize")
        }
        assert public <= FUNCTIONS[part], part


@pytest.mark.fast
def test_python_has_no_function_of_the_names_without_a_module_but_two():
    import builtins

    assert {name for name in ANY_FUNCTION if hasattr(builtins, name)} == {"abs", "round"}


def test_types_of_tensors_are_where_the_table_says():
    from tensorflow.python.framework import type_spec, type_spec_registry

    held = 0
    for module, name in TYPE_SPECS:
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ModuleNotFoundError:  # it has another name in this TensorFlow
            continue
        if found is not None:
            held += 1
            assert issubclass(found, type_spec.TypeSpec)
    assert held >= 6
    for name in REGISTERED_TYPE_SPECS:
        assert issubclass(type_spec_registry.lookup(name), type_spec.TypeSpec)


def test_initializers_of_tensorflow_only_draw_numbers():
    module = importlib.import_module(TENSORFLOW_INITIALIZERS_MODULE)
    for name in TENSORFLOW_INITIALIZERS:
        assert issubclass(getattr(module, name), module.Initializer)
        written = {"class_name": name, "module": module.__name__, "config": {}}
        assert list(dangers(written)) == []
        assert list(dangers({**written, "registered_name": "resource_variable_ops"})) != []
        assert list(dangers({**written, "module": f"{module.__name__}.math_ops"})) != []


@pytest.mark.parametrize("keras", KERAS)
def test_a_model_with_an_initializer_of_tensorflow_is_let_in(keras):
    """As the models of EfficientNetV2 in tf_keras.applications are."""
    import tensorflow as tf

    root = importlib.import_module(keras)
    bias = tf.constant_initializer(0.5)
    model = root.Sequential([root.layers.Input((3,)), root.layers.Dense(2, bias_initializer=bias)])
    assert list(dangers(json.loads(model.to_json()))) == []


@pytest.mark.fast
def test_every_layer_that_this_program_knows_is_in_the_table():
    assert BUILT_IN[2] | BUILT_IN[3] <= ANY_CLASS


# What the code that makes objects of configs reads in them, each with what looks after it here.
LOOKED_UP = {"class_name", "config", "module", "registered_name", "spec_name", "type_spec"}
WALKED = {"build_config", "compile_config", "serialized", "spec", "start", "stop", "step"}
WALKED |= {"layers", "kwargs", "args", "loss", "metrics", "weighted_metrics", "optimizer_config"}
PLAIN = {"value", "dtype", "shape", "items", "tensors", "name", "keras_history", "code"}
PLAIN |= {"shared_object_id", "defaults", "closure", "__passive_serialization__", "batch_shape"}
PLAIN |= {"batch_input_shape", "axis", "input_shape", "loss_weights", "sample_weight_mode", "steps"}
# Arguments of Python's, and the names of classes and paths.
PLAIN |= {"custom_objects", "module_objects", "printable_module_name", "__internal__.legacy", ">"}
PLAIN |= {"Functional", "InputLayer", "Model", "Sequential", "function"}

MAKERS = (
    "saving/serialization_lib.py",
    "saving/legacy/serialization.py",
    "saving/legacy/saved_model/json_utils.py",
    "saving/legacy/saving_utils.py",
    "saving/legacy/model_config.py",
    "legacy/saving/serialization.py",
    "legacy/saving/json_utils.py",
    "legacy/saving/saving_utils.py",
)


def source(keras):
    return Path(importlib.import_module(keras).__file__).parent / "src"


def keys_of(tree):
    """Every constant by which a tree takes something from a mapping, or looks for it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            yield node.slice.value
        called = getattr(node, "func", None)
        if getattr(called, "attr", None) in ("get", "pop") and node.args:
            yield getattr(node.args[0], "value", None)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            yield getattr(node.left, "value", None)


def markers_of(tree):
    """Every ``__name__`` that a tree compares with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for each in (node.left, *node.comparators):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value


def functions(tree, word):
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and word(node.name)
    ]


def makes(name):
    words = ("deserialize", "decode", "retrieve", "class_and_config", "from_config", "compile_args")
    return any(word in name for word in words)


@pytest.mark.parametrize("keras", KERAS)
def test_every_key_by_which_keras_makes_an_object_is_known(keras):
    keys, markers = set(), set()
    for place in MAKERS:
        if (source(keras) / place).exists():
            tree = ast.parse((source(keras) / place).read_text())
            for function in functions(tree, makes):
                keys |= {key for key in keys_of(function) if isinstance(key, str)}
                markers |= {each for each in markers_of(function) if each.startswith("__")}
    assert LOOKED_UP - {"type_spec"} <= keys
    assert keys - LOOKED_UP - WALKED - PLAIN == set()
    known = {"__lambda__", "__typespec__", "__passive_serialization__", "__internal__.legacy"}
    assert markers - DATA - known == set()


def calls_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield getattr(function, "attr", getattr(function, "id", None)), node


@cache
def calls_in(keras):
    """Every call in a Keras, with the file that it is in."""
    found = []
    for path in sorted(source(keras).rglob("*.py")):
        if path.stem.endswith("_test") or "test" in path.parts[-2]:
            continue
        place = str(path.relative_to(source(keras)))
        for name, node in calls_of(ast.parse(path.read_text())):
            found.append((place, name, node))
    return found


@pytest.mark.parametrize("keras", KERAS)
def test_code_is_made_of_data_in_the_known_places_alone(keras):
    words = ("func_load", "get_symbol_from_name", "_parse_config_to_function")
    found = {(name, place) for place, name, _ in calls_in(keras) if name in words}
    known = {
        ("func_load", "saving/serialization_lib.py"),
        ("func_load", "layers/core/lambda_layer.py"),
        ("func_load", "layers/rnn/cell_wrappers.py"),
        ("get_symbol_from_name", "saving/serialization_lib.py"),
        ("get_symbol_from_name", "layers/core/tf_op_layer.py"),
        ("_parse_config_to_function", "layers/rnn/cell_wrappers.py"),
        ("_parse_config_to_function", "layers/rnn/legacy_cell_wrappers.py"),
    }
    assert found <= known


@pytest.mark.parametrize("keras", KERAS)
def test_the_keys_that_hold_code_are_known(keras):
    words = ("_parse_config_to_function", "_parse_function_from_config")
    held = {
        each.value
        for _, name, node in calls_in(keras)
        if name in words
        for each in node.args
        if isinstance(each, ast.Constant)
    }
    expected = {key + end for key in CODE for end in ("", "_type", "_module")} | {"module"}
    assert held <= expected
    assert bool(held) == (keras == "tf_keras")


# Arguments of Keras' own functions, and what a config calls them elsewhere: objects, not strings.
OBJECTS = {"cell", "layer", "model", "learning_rate", "loss_scale", "split", "standardize", "value"}
OBJECTS |= {"args", "kwargs", "arguments", "function", "call_fn", "init_fn", "method", "module"}
OBJECTS |= {"input_dim", "output_dim", "input_spec", "partitioner", "offset", "scale", "start"}
OBJECTS |= {"stop", "step", "student", "teacher", "dtype", "policy_map", "default_optimizer"}
OBJECTS |= {"optimizer_map", "quantization_config", "activation_quantizer", "weight_quantizer"}


@pytest.mark.parametrize("keras", KERAS)
def test_the_keys_of_configs_that_layers_look_up_are_known(keras):
    """Objects are looked through wherever they stand; strings, under the keys that are told."""
    found = set()
    for _, name, node in calls_in(keras):
        first = node.args[0] if node.args else None
        if name and "deserialize" in name:
            if isinstance(first, ast.Call) and first.args:
                first = first.args[0]
            elif isinstance(first, ast.Subscript):
                first = first.slice
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    strings = {key for key in found if key.endswith(STRING_ENDS) or key in COMPILED}
    assert found - strings - OBJECTS == set()


@pytest.mark.parametrize("keras", KERAS)
def test_the_strings_that_keras_looks_up_stand_under_known_keys(keras):
    """``activations.get(bias_activation)`` in a constructor: the argument is the config's key."""
    families = ("activations", "initializers", "regularizers", "constraints")
    found = {
        node.args[0].id
        for place, name, node in calls_in(keras)
        if name == "get" and place.startswith("layers/") and node.args
        if isinstance(node.func, ast.Attribute) and isinstance(node.args[0], ast.Name)
        if getattr(node.func.value, "id", None) in families
    }
    assert len(found) > 20
    assert [name for name in sorted(found) if not name.endswith(STRING_ENDS)] == []


@pytest.mark.parametrize("keras", KERAS)
def test_layers_read_files_under_known_keys_alone(keras):
    """Arguments of layers that sound like a path are those that are refused, or of no layer."""
    words = ("file", "path", "ckpt", "checkpoint", "url")
    root = importlib.import_module(keras)
    found = {
        (name, argument)
        for name, layer in vars(root.layers).items()
        if inspect.isclass(layer) and issubclass(layer, root.layers.Layer)
        for argument in inspect.signature(layer.__init__).parameters
        if any(word in argument for word in words) and argument not in FILES
    }
    assert found <= {("TFSMLayer", "filepath")}


def test_symbols_that_only_compute_take_no_file():
    """Arguments that sound like a path, of every symbol of TensorFlow that is let in."""
    import tf_keras  # noqa: F401
    from tensorflow.python.util import tf_export

    words = ("file", "path", "url", "ckpt", "checkpoint", "directory", "folder", "stream")
    found = set()
    for name, symbol in tf_export._NAME_TO_SYMBOL_MAPPING.items():
        if callable(symbol) and not any(dangers(symbol_layer(name))):
            with suppress(ValueError, TypeError):  # classes of protobufs tell no arguments
                arguments = inspect.signature(symbol).parameters
                found |= {each for each in arguments if any(word in each for word in words)}
    assert found == {"top_paths"}


def symbol_layer(symbol):
    config = {"name": "x", "function": symbol}
    return {"class_name": "TFOpLambda", "config": config, "module": None, "registered_name": None}
