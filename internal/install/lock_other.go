//go:build !unix

package install

import "testing"

// lock does nothing here: there is no apt on such a system, and two npm installs at once at worst make one test fail.
func lock(testing.TB, string) (unlock func()) { return func() {} }
