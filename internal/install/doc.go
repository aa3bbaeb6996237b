// Package install lets a test bring what it needs: Debian packages, npm packages at the versions of a lock file, and Go programs at those of
// a go.sum.
//
// A test says what it needs as its first act. What is already there costs a look; what is missing is installed where that
// is possible (Debian, as root). Where it is not, the test is skipped with the names of the missing packages, unless CI=true:
// in CI nothing that CI can provide may be skipped, so there it fails.
package install
