"""The shell world: scenes, renderer, questions, script language."""
