"""Read model files without Keras, and write them whole or not at all."""

from rewriter.saved.additions.carry import carry_additions
from rewriter.saved.additions.training_config import carry_training_config
from rewriter.saved.model_file import ModelFile, read
from rewriter.saved.writing.output import check_output
from rewriter.saved.writing.replace import replacing

__all__ = [
    "ModelFile",
    "carry_additions",
    "carry_training_config",
    "check_output",
    "read",
    "replacing",
]
