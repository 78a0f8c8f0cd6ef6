"""Networks: catalog, heads, weights, bundles, and the one inference loop."""
