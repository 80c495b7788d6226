"""What a file would run, read or write is named before Keras sees it, and refused."""

from __future__ import annotations

import sys

import pytest

from rewriter.analysis.known_layers import BUILT_IN
from rewriter.saved.safety.dangers import dangers, known_names


def said(document, known=()):
    return [str(danger) for danger in dangers(document, known)]


def layer(class_name, name="x", **config):
    module = "keras.engine.base_layer" if class_name == "TensorFlowOpLayer" else "keras.layers"
    return {"class_name": class_name, "module": module, "config": {"name": name, **config}}


def function(module, name):
    return {"class_name": "function", "module": module, "config": name, "registered_name": name}


OF_TENSORS = {"ClassMethod", "InstanceMethod", "InstanceProperty"}  # which name what they call


@pytest.mark.fast
@pytest.mark.parametrize("name", sorted((BUILT_IN[2] | BUILT_IN[3]) - OF_TENSORS))
def test_the_layers_of_keras_pass_but_those_that_run_code(name):
    runs = {"TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
    config = {"function": "math.add"} if name.endswith("OpLambda") else {}
    config |= {"node_def": {"op": "AddV2"}} if name == "TensorFlowOpLayer" else {}
    assert bool(said(layer(name, **config))) == (name in runs)


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", ["tf_keras", "keras"])
def test_what_keras_saves_passes(rich_files, name, ending):
    from rewriter.saved import read

    file = read(rich_files[name, ending])
    assert said(file.document) == said(file.training_config) == []


@pytest.mark.fast
def test_real_models_pass(real_models):
    from rewriter.saved import read

    files = [read(path) for path in sorted(real_models.glob("*.h5"))]
    assert files
    assert [said(file.document) + said(file.training_config) for file in files] == [[]] * len(files)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("symbol", "computes"),
    [
        ("math.multiply", True),
        ("concat", True),
        ("__operators__.getitem", True),
        ("compat.v1.nn.softmax", True),
        ("keras.backend.square", True),
        ("math", False),
        ("io.write_file", False),
        ("compat.v1.gfile.Remove", False),
        ("py_function", False),
        ("numpy_function", False),
        ("load_op_library", False),
        ("print", False),
        ("raw_ops.WriteFile", False),
        ("keras.utils.get_file", False),
        ("keras.models.load_model", False),
        ("debugging.experimental.enable_dump_debug_info", False),
        ("quantization.experimental.quantize_saved_model", False),
        ("keras.backend.set_floatx", False),
        ("compat.v1.keras.backend.set_session", False),
        ("experimental.numpy.experimental_enable_numpy_behavior", False),
        ("random.set_seed", False),
        ("random.fixed_unigram_candidate_sampler", False),  # it reads its vocab_file
        ("random.log_uniform_candidate_sampler", True),
        ("keras.losses.deserialize", False),
        ("linalg.set_diag", True),
        (None, False),
        ({"a": 1}, False),
    ],
)
def test_symbols_of_tensorflow_pass_if_they_only_compute(symbol, computes):
    assert bool(said(layer("TFOpLambda", function=symbol))) != computes


@pytest.mark.fast
@pytest.mark.parametrize(
    ("named", "passes"),
    [
        (function("builtins", "relu"), True),
        (function("keras.activations", "gelu"), True),
        (function("keras.src.losses.losses", "mean_squared_error"), True),
        (function("builtins", "exec"), False),
        (function("os", "system"), False),
        (function("keras.utils", "get_file"), False),
        (function("keras.models", "load_model"), False),
        (function("keras.activations", "deserialize"), False),
        (function("keras_hub.models", "anything"), False),
        (function("keras.src.losses", "tf.load_op_library"), False),
        (function("tf_keras.src.losses", "deserialize_keras_object"), False),
        (function("builtins", "deserialize"), False),
        (function("keras.losses", "mse") | {"registered_name": "keras_export"}, False),
        (function("keras.losses", "mse") | {"registered_name": "function"}, True),
    ],
)
def test_functions_pass_if_they_belong_in_a_config(named, passes):
    assert bool(said(layer("Dense", activation=named))) != passes
    assert said(layer("Dense", activation=named), known={named["config"]}) == []


@pytest.mark.fast
@pytest.mark.parametrize(
    ("module", "class_name", "registered_name", "passes"),
    [
        ("keras.layers", "Dense", None, True),
        ("keras", "DTypePolicy", None, True),
        ("tf_keras.src.engine.functional", "Functional", "Functional", True),
        ("rewriter.layers.keras3", "DynamicDropout", "rewriter>DynamicDropout", True),
        (None, "DynamicDropout", "rewriter>DynamicDropout", True),
        (None, "Dense", None, True),
        ("subprocess", "Popen", "Popen", False),
        ("__main__", "Own", "Own", False),
        (None, "Own", "mine>Own", False),
        ("keras.layers", "Dense", "mine>Dense", False),
        ("keras.models", "load_model", None, False),
        ("keras.utils", "Progbar", None, False),
        ("rewriter.layers_of_others", "Own", None, False),
        ("keras_evil.layers", "Own", None, False),
        ("k\u0435ras.layers", "Dense", None, False),  # a Cyrillic letter
        ("keras.layers", "Dense", "load_model", False),
        ("keras.layers", "Layer.from_config", None, False),
    ],
)
def test_classes_pass_if_they_belong_in_a_config(module, class_name, registered_name, passes):
    entry = {"class_name": class_name, "module": module, "registered_name": registered_name}
    document = {**entry, "config": {}}
    assert bool(said(document)) != passes
    if registered_name:
        assert said(document, known={registered_name}) == []


@pytest.mark.fast
def test_the_path_of_the_layer_is_told():
    inner = {
        "class_name": "Sequential",
        "config": {"name": "tower", "layers": [layer("Lambda", "f", function=["code"])]},
    }
    wrapped = layer("TimeDistributed", "each", layer=inner)
    document = {"class_name": "Sequential", "config": {"name": "m", "layers": [wrapped]}}
    assert said(document) == ["each/tower/f: Lambda runs Python code that the file holds"]


@pytest.mark.fast
def test_deep_documents_are_walked_without_recursion():
    document = {"class_name": "__lambda__"}
    for _ in range(100_000):
        document = {"config": document}
    assert len(said(document)) == 1


@pytest.mark.fast
@pytest.mark.parametrize("name", ["../../up", "/etc/x", "a/../../b", "..\\up"])
def test_names_that_lead_out_of_a_folder_are_told(name):
    assert "leads out" in said(layer("Dense", name))[0]


@pytest.mark.fast
@pytest.mark.parametrize("name", ["tf.math.add", "block/conv..1", "a..b"])
def test_other_names_pass(name):
    assert said(layer("Dense", name)) == []


@pytest.mark.fast
def test_a_lambda_of_a_function_that_the_user_brought_passes():
    config = {"function": "double", "function_type": "function", "module": "mine"}
    assert said(layer("Lambda", **config), known={"double"}) == []
    assert said(layer("Lambda", **config)) == ["Lambda calls mine.double"]


@pytest.mark.fast
@pytest.mark.parametrize(
    "entry",
    [
        {"class_name": "None", "registered_name": "TFOpLambda"},  # tf_keras falls back to it
        {"class_name": "TFOpLambda", "registered_name": "rewriter>DynamicDropout"},  # .h5 files
        {"class_name": "TFOpLambda", "registered_name": "TFOpLambda"},
    ],
)
def test_every_name_that_a_class_may_be_looked_up_by_is_looked_at(entry):
    document = {"module": "tf_keras.src.layers.core.tf_op_layer", **entry}
    document["config"] = {"function": "io.write_file"}
    known = {"rewriter>DynamicDropout", "Own"}
    assert "TFOpLambda" in str(document)
    assert "calls tf.io.write_file" in said(document, known)[0]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("node", "passes"),
    [
        ({"op": "AddV2"}, True),
        ({"op": "PyFunc"}, False),
        ({"op": "ImmutableConst"}, False),
        ({"op": "DebugIdentity"}, False),
        ({"op": "LoadAndRemapMatrix"}, False),
        ({"op": "DecodeProtoV2"}, False),
        ("\n\x01x\x12\x06PyFunc", False),
        ({"op": ["AddV2"]}, False),
        ({"op": "AddV2", "class_name": "__bytes__", "value": "x"}, False),  # decoded by Keras
        (None, False),
    ],
)
def test_operations_of_tensorflow_graphs_pass_if_they_only_compute(node, passes):
    assert bool(said(layer("TensorFlowOpLayer", node_def=node))) != passes


@pytest.mark.fast
def test_a_raw_output_shape_is_no_code():
    config = {"function": "double", "function_type": "function", "output_shape_type": "raw"}
    assert said(layer("Lambda", **config), known={"double"}) == []


SPEC = {"class_name": "__typespec__", "spec_name": "TensorSpec", "registered_name": None}
SPEC |= {"module": "tensorflow.python.framework.tensor", "config": [[None, 2], "float32", "x"]}
OLD = {"registered_name": "Lambda", "module": "tensorflow.python.keras.layers"}


@pytest.mark.fast
@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ({}, True),
        ({"registered_name": "TensorSpec"}, True),
        ({"module": "tensorflow.python.framework.tensor_spec"}, True),
        ({"spec_name": "AnySpec"}, False),
        ({"registered_name": "DatasetSpec"}, False),
        ({"module": "tensorflow.python.data.ops.dataset_ops", "spec_name": "DatasetSpec"}, False),
        ({"spec_name": "NothingSpec", **OLD}, False),
        ({"spec_name": "os.system", "module": "tensorflow.python.platform.sysconfig"}, False),
        ({"spec_name": "system", "module": "tensorflow.python.platform.os"}, False),
        ({"spec_name": None, "module": None}, False),
        ({"module": ["tensorflow"]}, False),
        ({"config": [{"class_name": "__lambda__", "config": {}}]}, False),
        ({"class_name": "__anything__"}, False),
    ],
)
def test_types_pass_by_module_and_name_and_what_is_below_is_looked_into(changed, passes):
    spec = SPEC | changed
    for document in (
        layer("InputLayer", type_spec=spec),
        layer("TextVectorization", standardize=spec),
        layer("Dense", bias_initializer={"class_name": "Constant", "config": {"value": spec}}),
        {"compile_config": {"loss": spec}},
        {"build_config": {"input_shape": spec}},
    ):
        assert bool(said(document)) != passes


@pytest.mark.fast
@pytest.mark.parametrize(
    ("name", "passes"), [("tf.RaggedTensorSpec", True), ("My.Spec", False), (None, False)]
)
def test_types_of_h5_files_pass_by_their_registered_name(name, passes):
    spec = {"class_name": "TypeSpec", "type_spec": name, "serialized": []}
    assert bool(said(layer("InputLayer", type_spec=spec))) != passes
    assert said(layer("InputLayer", type_spec=spec | OLD))  # a .keras file finds a Lambda


@pytest.mark.fast
@pytest.mark.parametrize("name", ["__ellipsis__", "__slice__", "__tuple__", "TensorShape", "", 0])
def test_data_that_is_looked_up_by_another_name_is_no_data(name):
    assert said({"class_name": name, "config": {}, **OLD})


@pytest.mark.fast
@pytest.mark.parametrize(
    ("config", "passes"),
    [
        ({"loss": "mse", "metrics": ["acc", "AUC"], "optimizer": "rmsprop"}, True),
        ({"loss": {"y": "mean_squared_error"}, "weighted_metrics": [["MeanSquaredError"]]}, True),
        ({"loss": "deserialize"}, False),
        ({"metrics": {"y": ["deserialize_keras_object"]}}, False),
        ({"loss": {"class_name": "deserialize", "config": {}}}, False),
    ],
)
def test_strings_that_stand_for_functions_are_looked_up_in_the_same_table(config, passes):
    assert bool(said(config)) != passes
    assert bool(said({"class_name": "Sequential", "compile_config": config})) != passes


@pytest.mark.fast
def test_what_one_keras_knows_the_other_does_not(monkeypatch):
    from types import SimpleNamespace

    held = SimpleNamespace(GLOBAL_CUSTOM_OBJECTS={"mine>Own": object})
    monkeypatch.setitem(sys.modules, "keras.src.saving.object_registration", held)
    document = {"class_name": "Own", "module": "evil", "registered_name": "mine>Own", "config": {}}
    assert said(document, known_names({}, 3)) == []
    assert said(document, known_names({}, 2)) == ["Own is a class of the module 'evil'"]


def test_the_function_that_a_port_writes_passes_under_its_whole_name_alone():
    written = {
        "class_name": "function",
        "module": "builtins",
        "config": "rewriter>hard_sigmoid_of_keras2",
        "registered_name": "function",
    }
    assert not list(dangers({"activation": written}))
    assert list(dangers({"activation": {**written, "config": "rewriter>system"}}))
    assert list(dangers({"activation": {**written, "config": [written["config"]]}}))
    assert list(dangers({"activation": {**written, "module": "antigravity"}}))
    assert list(dangers({"activation": {**written, "registered_name": "eval"}}))
