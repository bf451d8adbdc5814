"""Three kinds of question: cups, a dial under a lid, a maze behind a screen."""
