// Package proc reads what processes cost: their processor time and their share of the memory, each with all its children.
package proc
