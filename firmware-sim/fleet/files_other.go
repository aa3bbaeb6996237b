//go:build !unix

package fleet

func fileLimit() (uint64, bool) { return 0, false }
