"""One experiment or many: what is asked for, how it is drawn on devices and hosts, what is kept."""
