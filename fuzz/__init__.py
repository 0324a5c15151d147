"""Coverage-guided fuzzing of whatever reads files that may come from anybody: ``python -m fuzz --seconds 60``."""
