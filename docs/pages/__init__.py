"""The generated pages: each module makes one, by its function `page`."""
