"""What assistants of every vendor need: tool calls, hanging up, scripted responses, keypad texts, timeouts, clocks."""
