//go:build race

package bridgeproc

// raceEnabled says whether this test runs under the race detector.
const raceEnabled = true
