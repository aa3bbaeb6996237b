//go:build race

package frame_test

// The race detector makes sync.Pool drop at random, so that pooled code allocates.
func init() { raceEnabled = true }
