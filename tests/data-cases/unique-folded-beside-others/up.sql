UPDATE connections SET provider = lower(provider);
