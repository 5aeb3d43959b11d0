"""Browsers and apps that take alerts from now on, by whoever holds a citizen's link. The link is all that authorises it."""
