"""Model files that make TensorFlow read or write another file, and relatives that are refused.

Those of `READERS` and `WRITERS` were seen to reach the file where nothing looks them through first,
in both Keras' safe mode: a test shows it again.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
from support.corpus import (
    MARK,
    NODE,
    Hostile,
    Make,
    as_json,
    external_link,
    inside,
    model,
    named,
    of_class,
    of_layer,
    save,
    with_weights,
    writer,
)
from support.lookups import held_code
from support.written import written_layer

MISSING = "no-such-file"
OLD_LAYERS = "tensorflow.python.keras.layers"


def functional(first: dict[str, Any], layer: dict[str, Any], nodes: Any) -> dict[str, Any]:
    """Return a Functional model of Keras 2: an input, and a layer that is called on it."""
    entry = {"class_name": "InputLayer", "name": "x", "inbound_nodes": []}
    entry["config"] = {"name": "x", "sparse": False, "ragged": False, **first}
    name = layer["config"]["name"]
    if layer["class_name"] == "TensorFlowOpLayer":
        name = f"tf_op_layer_{name}"
    config = {
        "name": "m",
        "trainable": True,
        "layers": [entry, {**layer, "name": name, "inbound_nodes": nodes}],
        "input_layers": {"x": ["x", 0, 0]} if isinstance(nodes[0], dict) else [["x", 0, 0]],
        "output_layers": [[name, 0, 0]],
    }
    module = {"module": "keras.src.engine.functional", "registered_name": "Functional"}
    return {"class_name": "Functional", **module, "config": config}


def sampler(symbol: str) -> Make:
    """Return what writes a model that calls a sampler of words whose weights are in a file."""

    def make(path: Path, folder: Path) -> None:
        layer = written_layer("TFOpLambda", "evil", 2, "tf_keras.src.layers.core.tf_op_layer")
        layer["config"]["function"] = symbol
        arguments = {"num_true": 1, "num_sampled": 3, "unique": True, "range_max": 5}
        arguments["vocab_file"] = str(folder / MISSING)
        first = {"batch_input_shape": [None, 1], "dtype": "int64"}
        save(path, 2, functional(first, layer, [["x", 0, 0, arguments]]))

    return make


def column(class_name: str, held: Callable[[str], Any], **config: Any) -> Make:
    """Return what writes a model with a column of features that reads a file."""

    def make(path: Path, folder: Path) -> None:
        key = "vocabulary_file" if "Vocabulary" in class_name else "ckpt_to_load_from"
        found = {"class_name": class_name, "config": {**config, key: held(str(folder / MISSING))}}
        if "Vocabulary" in class_name:
            found = {"class_name": "IndicatorColumn", "config": {"categorical_column": found}}
        layer = written_layer("DenseFeatures", "evil", 2, feature_columns=[found], partitioner=None)
        first = {"batch_input_shape": [None, 1], "dtype": "string"}
        save(path, 2, functional(first, layer, [{"x": ["x", 0, 0, {}]}]))

    return make


def as_bytes(text: str) -> dict[str, Any]:
    """Return what ``.h5`` files have in the place of bytes; Keras decodes it before all else."""
    return {"class_name": "__bytes__", "value": text}


def as_tuple(text: str) -> dict[str, Any]:
    return {"class_name": "__tuple__", "items": [text]}


def field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf that holds bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def node_def(operation: bytes, **attributes: bytes) -> str:
    """Return a NodeDef of one input, in bytes that are text as well."""
    entries = [
        field(5, field(1, name.encode()) + field(2, each)) for name, each in attributes.items()
    ]
    parts = [field(1, b"x"), field(2, operation), field(3, b"a"), *entries]
    return b"".join(parts).decode()


def writes_a_dump(path: Path, folder: Path) -> None:
    """An operation in bytes, whose ``op`` in JSON is another: the dump makes the mark."""
    place = field(2, f"file://{folder / MARK}".encode()[-120:])
    node = node_def(
        b"DebugIdentity",
        T=b"\x30\x01",
        debug_urls=field(1, place),
        tensor_name=field(2, b"a:0"),
        device_name=field(2, b"d"),
    )
    layer = written_layer("TensorFlowOpLayer", "evil", 2, "keras.src.engine.base_layer")
    layer["config"] |= {"node_def": as_bytes(node) | {"op": "Abs"}, "constants": {}}
    first = {"batch_input_shape": [None, 4], "dtype": "float32"}
    save(path, 2, functional(first, layer, [[["x", 0, 0, {}]]]))


def with_members(*names: str) -> Make:
    """Return what writes an archive with members of these names beside those of a model."""

    def make(path: Path, folder: Path) -> None:
        save(path, 3, model(3, written_layer("Dense", "dense", 3, units=1)))
        content = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(content, "a") as archive:
            for name in names:
                archive.writestr(name, b"x")
        path.write_bytes(content.getvalue())

    return make


def link_behind_a_link(file: h5py.File, folder: Path) -> None:
    external_link(file, folder)
    file["layers"]["soft"] = h5py.SoftLink("/layers/dense/weights")


def in_place_of(key: str, found: Any, keras: int = 2) -> Make:
    """Return what writes a Dense that has something else in a place of its config."""
    return of_layer(keras, "Dense", **{"units": 1, key: found})


def beside(**entry: Any) -> Make:
    """Return what writes a TFOpLambda that writes a file, under an entry of the caller's choice."""
    return as_json(2, writer(**entry))


def old_lambda(path: Path, folder: Path) -> None:
    """A layer of the Keras within TensorFlow, for an initializer."""
    found = {"class_name": "Lambda", "module": OLD_LAYERS, "registered_name": None}
    in_place_of("kernel_initializer", found | {"config": held_code(folder)})(path, folder)


WORDS = {"key": "x", "vocabulary_size": 3, "num_oov_buckets": 0, "dtype": "string"}
RECORDS = WORDS | {"default_value": -1, "file_format": "tfrecord_gzip"}
TEXT = WORDS | {"default_value": -1, "file_format": None}
HASHED = {"key": "x", "hash_bucket_size": 3, "dtype": "string"}
HASHED = {"class_name": "HashedCategoricalColumn", "config": HASHED}
TABLE = {"categorical_column": HASHED, "dimension": 2, "combiner": "mean", "max_norm": None}
TABLE |= {"trainable": True, "tensor_name_in_ckpt": "w", "use_safe_embedding_lookup": True}
TABLE |= {"initializer": {"class_name": "TruncatedNormal", "config": {}}}
WORD_FILE = "VocabularyFileCategoricalColumn"
READS = f"{WORD_FILE} reads the file"
SAMPLER = "fixed_unigram_candidate_sampler"

READERS = [
    *(
        Hostile(name, "a symbol that reads a file", f"calls tf.{symbol}", sampler(symbol))
        for name, symbol in (
            ("sampler.keras", f"random.{SAMPLER}"),
            ("sampler.h5", f"nn.{SAMPLER}"),
            ("old_sampler.h5", f"compat.v1.nn.{SAMPLER}"),
        )
    ),
    *(
        Hostile(name, "a path in a list", READS, column(WORD_FILE, lambda text: [text], **RECORDS))
        for name in ("records.keras", "records.h5")
    ),
    Hostile("tuple.h5", "a path in a tuple", READS, column(WORD_FILE, as_tuple, **RECORDS)),
    Hostile("bytes.h5", "a path as bytes", READS, column(WORD_FILE, as_bytes, **TEXT)),
    Hostile(
        "checkpoint_bytes.h5",
        "a path as bytes",
        "EmbeddingColumn reads the file",
        column("EmbeddingColumn", as_bytes, **TABLE),
    ),
]
"""Files that read another one when they are loaded or run."""

WRITERS = [
    Hostile(
        "node_bytes.h5",
        "an operation as bytes",
        "TensorFlowOpLayer runs the operation {'class_name': '__bytes__'",
        writes_a_dump,
    )
]
"""Files that write another one when they are run."""

CALL = named("os", "system")
SUBPROCESS = {"class_name": "Popen", "module": "subprocess", "config": {"args": ["true"]}}
RELATIVES = [
    *(
        Hostile(
            f"symbol{number}.h5",
            "symbols of TensorFlow that do more than compute",
            f"evil: {class_name} calls tf.{symbol}",
            of_layer(2, class_name, function=symbol),
        )
        for number, (class_name, symbol) in enumerate(
            [
                ("TFOpLambda", "py_function"),
                ("TFOpLambda", "numpy_function"),
                ("TFOpLambda", "compat.v1.py_func"),
                ("TFOpLambda", "compat.v1.gfile.Remove"),
                ("TFOpLambda", "raw_ops.ReadFile"),
                ("TFOpLambda", "io.read_file"),
                ("TFOpLambda", "io.gfile.rmtree"),
                ("TFOpLambda", "saved_model.load"),
                ("TFOpLambda", "load_library"),
                ("TFOpLambda", "data.TFRecordDataset"),
                ("TFOpLambda", "train.load_checkpoint"),
                ("TFOpLambda", "summary.create_file_writer"),
                ("TFOpLambda", "keras.utils.get_file"),
                ("TFOpLambda", "keras.utils.deserialize_keras_object"),
                ("TFOpLambda", "keras.models.load_model"),
                ("TFOpLambda", "strings"),
                ("TFOpLambda", "STRINGS.lower"),
                ("TFOpLambda", " io.read_file"),
                ("TFOpLambda", ["io.read_file"]),
                ("SlicingOpLambda", "io.read_file"),
            ]
        )
    ),
    *(
        Hostile(
            f"module{number}.keras",
            "modules that look like Keras",
            f"is a class of the module {module!r}",
            of_class(module=module),
        )
        for number, module in enumerate(
            [
                "keras_hub.models",
                "keras_cv.layers",
                "keras_nlp.layers",
                "kerastuner.applications",
                "Keras.layers",
                "keras.layers.",
                "keras..layers",
                "keras.layers ",
                " keras.layers",
                "keras\uff0elayers",
                "keras/layers",
                "tf_keras.layers\n",
                "rewriter.layers.keras2.x",
                "rewriter.cli",
                OLD_LAYERS,
                ["keras.layers"],
                3,
            ]
        )
    ),
    *(
        Hostile(
            f"part{number}.keras",
            "parts of Keras that are no part of a model",
            f"stands for {module}.",
            beside(class_name=name, module=module, registered_name=name),
        )
        for number, (module, name) in enumerate(
            [
                ("tf_keras.src.engine.functional", "ModuleWrapper"),
                ("tf_keras.src.export.export_lib", "ReloadedLayer"),
                ("tf_keras.src.utils.data_utils", "get_file"),
                ("keras.src.saving", "Popen"),
                ("keras.layers", "lambda"),
                ("keras.layers", "L\u0430mbda"),
                ("keras.layers", "Lambda "),
                ("keras.layers", "core.Lambda"),
                ("keras.layers", ["Lambda"]),
                ("keras.layers", None),
                ("keras.layers", 0),
            ]
        )
    ),
    *(
        Hostile(f"{key}{keras}.keras", "CVE-2025-1550", "calls os.system", make)
        for keras in (2, 3)
        for key in (
            "activation",
            "kernel_initializer",
            "bias_regularizer",
            "kernel_constraint",
            "activity_regularizer",
            "quantization_config",
        )
        for make in [in_place_of(key, CALL, keras)]
    ),
    *(
        Hostile(
            f"of_a_tensor{number}.h5",
            "attributes of tensors",
            f"{class_name} uses {attribute!r} of a tensor",
            of_layer(2, class_name, attr_name=attribute),
        )
        for number, (class_name, attribute) in enumerate(
            [
                ("InstanceMethod", "__reduce__"),
                ("InstanceMethod", "eval"),
                ("InstanceProperty", "graph"),
                ("InstanceProperty", ["values"]),
            ]
        )
    ),
    Hostile(
        "class_method.h5",
        "methods of classes",
        "ClassMethod calls tf.io.gfile.GFile.from_tensor",
        of_layer(2, "ClassMethod", cls_symbol="io.gfile.GFile", method_name="from_tensor"),
    ),
    Hostile(
        "node_text.keras",
        "an operation as text",
        "TensorFlowOpLayer runs the operation",
        of_layer(2, "TensorFlowOpLayer", node_def=node_def(b"PyFunc"), constants={}),
    ),
    Hostile(
        "constants.h5",
        "objects among the constants of an operation",
        "is a class of the module 'subprocess'",
        as_json(
            2,
            written_layer(
                "TensorFlowOpLayer",
                "evil",
                2,
                "keras.src.engine.base_layer",
                node_def=NODE | {"op": "Abs"},
                constants={"0": SUBPROCESS},
            ),
        ),
    ),
    Hostile("jax.keras", "code that the file holds", "runs code that", of_layer(3, "JaxLayer")),
    Hostile("flax.keras", "code that the file holds", "runs code that", of_layer(3, "FlaxLayer")),
    Hostile("old_lambda.keras", "another Keras", "Lambda runs Python code", old_lambda),
    Hostile(
        "nested.h5",
        "CVE-2025-9905, in a model within a wrapper",
        "TFOpLambda calls tf.io.write_file",
        as_json(2, inside(2, "TimeDistributed", "layer", model(2, writer()))),
    ),
    Hostile(
        "backward.keras",
        "CVE-2025-1550, in the other direction",
        "Popen is a class of the module 'subprocess'",
        as_json(2, inside(2, "Bidirectional", "backward_layer", SUBPROCESS)),
    ),
    Hostile(
        "compiled.keras",
        "CVE-2025-1550, where a layer is compiled",
        "is a class of the module 'subprocess'",
        as_json(3, written_layer("Dense", "evil", 3) | {"compile_config": {"loss": SUBPROCESS}}),
    ),
    Hostile(
        "shared.keras",
        "CVE-2025-1550, under the number of another object",
        "is a class of the module 'subprocess'",
        in_place_of("kernel_initializer", SUBPROCESS | {"shared_object_id": 1}),
    ),
    *(
        Hostile(f"{name}.keras", "GHSA-hqp4-2352-xf5r", "leads out of the archive", make)
        for name, make in (
            ("absolute", with_members(f"/tmp/{MARK}")),
            ("backslash", with_members(f"..\\{MARK}")),
            ("drive", with_members(f"C:/{MARK}")),
            ("assets", with_members(f"assets/../../{MARK}")),
        )
    ),
    Hostile(
        "twice.keras",
        "two readers, two answers",
        "more than once",
        with_members("config.json"),
        readable=False,
    ),
    Hostile(
        "npz.keras",
        "weights in another form",
        "are not looked through",
        with_members("model.weights.npz"),
    ),
    *(
        Hostile(f"soft{ending}", "CVE-2026-1669", "links to the file", make)
        for ending in (".keras", ".h5")
        for make in [with_weights(link_behind_a_link)]
    ),
]
"""Files that are refused as well; each stands for a trick that was tried."""

ASKED = (*READERS, *WRITERS, *RELATIVES)
NOT_FOUND_BY_NAME = ("soft.keras", "soft.h5", "twice.keras", "npz.keras")
"""Where `check` says nothing, or does not read the file: links in HDF5 files, above all."""
