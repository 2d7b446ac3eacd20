"""One cell on its devices: deployed, warmed up, timed, and taken down."""
