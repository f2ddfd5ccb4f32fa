"""The ground floor: errors, configuration, dtypes, devices, sizes. Imports nothing of rushlight."""
