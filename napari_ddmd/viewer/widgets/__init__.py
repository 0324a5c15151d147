"""The panel's Qt widgets, one a file; what they decide is decided in the modules beside this folder."""
