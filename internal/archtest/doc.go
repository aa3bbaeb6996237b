// Package archtest holds the rules of the house that a compiler does not: who may import whom, what a package and a file must
// look like, and what the repository may contain. It is tests alone.
package archtest
