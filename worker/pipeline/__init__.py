"""One pipeline on this device: its hops, loaded stages and links, built and taken down."""
