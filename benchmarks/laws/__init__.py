"""Laws over any columns: the six tasks of ScaleBench, by laws that ship and by discovery."""
