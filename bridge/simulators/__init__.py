"""Every other end of a call, simulated: phone, carriers, OpenAI, assistants; and what drives them."""
