// Package attacks tries every attack and fault of docs/security.md against the bridge's own program, before a real broker, and
// holds what they may cost. It has nothing but tests.
//
// An arena is a running bridge, its broker, and an innocent device whose messages come back to it all the while. The tests share
// a few of them. An attack is one test in an arena. Before and after it the memory, the descriptors and the goroutines of the process
// are read; they have to be the same, within stated margins, as soon as the attack is forgotten. The innocent device must
// have lost nothing and must never have been disconnected; how long its messages took is reported and not judged.
package attacks
