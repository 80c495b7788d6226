"""Ask Keras 2 about its models, their training and their noise."""
