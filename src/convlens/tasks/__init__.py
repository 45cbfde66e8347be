"""One function per verb: the only place where names become objects, and what `import convlens` offers."""
