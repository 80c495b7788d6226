"""What is asked of Keras 2: its models, their training and their noise."""
