"""The open check-in link: for whoever got a forwarded text. What comes by it is a claim that nobody has checked."""
