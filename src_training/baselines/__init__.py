"""The systems that the paper compares itself with (Table 1), one network a file."""
