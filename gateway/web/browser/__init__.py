"""Pages for people: console, browser phone, photo page."""
