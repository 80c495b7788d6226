"""The formats that model files are written in."""
