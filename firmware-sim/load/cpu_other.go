//go:build !unix

package load

func processorTime() (user, system float64) { return 0, 0 }
