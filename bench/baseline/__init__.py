"""What we compare with: the chat of the Channels tutorial, as one writes it there."""
