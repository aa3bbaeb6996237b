//go:build !linux

package frame

// writePiece is how much is written at a time: only the end of a write shows that the device takes something.
const writePiece = gatherSize
