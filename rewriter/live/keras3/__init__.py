"""Ask Keras 3 about its models, their training and their noise."""
