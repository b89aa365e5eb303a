"""The HTML report: its texts, the data of its charts, and the page that holds both."""
