"""The register of citizens abroad: people, phones, devices, and who of them is in an area."""
