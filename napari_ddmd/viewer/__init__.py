"""All that knows napari and Qt: reader, writer, sample data, layers, the panel and its parts."""
