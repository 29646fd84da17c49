"""Laws of losses over any columns, found: proposed, fitted by the thousand in one program, judged by extrapolation."""
