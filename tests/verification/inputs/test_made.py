"""Inputs are made from the graph, within what the model takes."""

import numpy as np
import pytest

import rewriter
from rewriter.errors import RewriterError
from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.verification.inputs.given import given_inputs
from rewriter.verification.inputs.made import make_inputs
from rewriter.verification.inputs.padded import has_padding, padded
from rewriter.verification.inputs.specs import input_specs


def tokens(shape=(None, None), mask_zero=True, between=()) -> ModelGraph:
    graph = ModelGraph(keras=3, class_name="Functional", name="m")
    tensor = Tensor(graph.add(Layer("ids", "InputLayer", {"batch_shape": shape, "dtype": "int32"})))
    graph.inputs = tensor
    for layer in between:
        tensor = Tensor(graph.add(layer, [tensor]))
    config = {"input_dim": 11, "mask_zero": mask_zero}
    graph.outputs = Tensor(graph.add(Layer("emb", "Embedding", config), [tensor]))
    return graph


@pytest.mark.fast
def test_ids_stay_within_the_vocabulary():
    specs = input_specs(tokens())
    arrays = [make_inputs(specs, 64, 30, seed, zeros=True)[0] for seed in range(5)]
    assert min(map(np.min, arrays)) == 0
    assert max(map(np.max, arrays)) == 10


@pytest.mark.fast
def test_ids_without_zeros_have_none():
    assert make_inputs(input_specs(tokens()), 64, 30, 0, zeros=False)[0].min() == 1


@pytest.mark.fast
def test_the_vocabulary_is_found_behind_layers_that_hand_values_on():
    between = (Layer("flat", "Reshape", {"target_shape": [-1]}),)
    assert input_specs(tokens(between=between))[0].ids == 11


@pytest.mark.fast
def test_made_sequences_are_padded_in_front_and_behind():
    ids = make_inputs(input_specs(tokens()), 8, 9, 0, zeros=True)[0]
    assert (ids[1::2, 0] == 0).all()
    assert (ids[0::2, -1] == 0).all()


@pytest.mark.fast
def test_the_same_seed_makes_the_same_inputs():
    specs = input_specs(tokens())
    one, other = (make_inputs(specs, 3, 5, 7, zeros=True)[0] for _ in range(2))
    assert np.array_equal(one, other)


@pytest.mark.fast
def test_sizes_that_the_model_fixes_are_kept():
    specs = input_specs(tokens(shape=(4, 6)))
    assert make_inputs(specs, 3, 9, 0, zeros=True)[0].shape == (4, 6)


@pytest.mark.fast
def test_padding_counts_only_where_a_mask_hides_it():
    ids = np.array([[1, 2, 0], [1, 2, 3]])
    assert has_padding(input_specs(tokens())[0], ids).tolist() == [True, False]
    assert has_padding(input_specs(tokens(mask_zero=False))[0], ids).tolist() == [False, False]


@pytest.mark.fast
def test_padding_goes_in_front_or_behind():
    spec, ids = input_specs(tokens())[0], np.array([[1, 2]])
    assert padded(spec, ids, 2, front=True, keep_length=False).tolist() == [[0, 0, 1, 2]]
    assert padded(spec, ids, 1, front=False, keep_length=True).tolist() == [[1, 0]]


@pytest.mark.fast
def test_given_arrays_are_taken_by_name():
    specs = input_specs(tokens())
    ids = np.ones((2, 5), int)
    assert given_inputs(specs, {"ids": ids})[0].shape == (2, 5)
    assert given_inputs(specs, {"whatever": ids})[0].shape == (2, 5)
    assert given_inputs(specs, ids)[0].shape == (2, 5)


@pytest.mark.fast
def test_a_given_array_of_the_wrong_shape_is_refused():
    with pytest.raises(RewriterError, match=r"has shape \(2, 5, 1\)"):
        given_inputs(input_specs(tokens()), np.ones((2, 5, 1)))


@pytest.mark.fast
def test_a_model_that_was_never_built_is_told():
    with pytest.raises(RewriterError, match="never built"):
        input_specs(tokens(shape=None))


@pytest.mark.parametrize("form", [".keras", ".h5", ""])
def test_an_input_from_a_tensor_type_is_known_from_every_file(tmp_path, form):
    import tensorflow as tf
    import tf_keras as k

    x = k.Input(type_spec=tf.TensorSpec((None, 4), tf.int32))
    k.Model(x, k.layers.Embedding(9, 2)(x)).save(tmp_path / f"m{form}")
    [spec] = input_specs(rewriter.read(tmp_path / f"m{form}"))
    assert (spec.shape, spec.dtype) == ((None, 4), "int32")
