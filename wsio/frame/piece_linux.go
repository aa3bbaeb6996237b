package frame

import (
	"math"
)

// writePiece is how much is written at a time. The kernel counts what the peer takes of it.
const writePiece = math.MaxInt
