"""A finished sweep as one HTML file."""
