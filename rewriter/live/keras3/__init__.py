"""What is asked of Keras 3: its models, their training and their noise."""
