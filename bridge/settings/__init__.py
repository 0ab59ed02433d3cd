"""What a table of settings is: its base, its checks, its faults in words, and the tables that the core's rules need."""
