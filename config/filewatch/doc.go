// Package filewatch tells when files may have changed, and whether they did.
package filewatch
