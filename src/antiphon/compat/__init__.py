"""The APIs of other frameworks, as views of this one: change an import line, keep the program."""
