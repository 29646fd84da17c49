"""Laws written as text: parsed, given parameters by role, and put into parameters that data identify."""
