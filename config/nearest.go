package config

import "strings"

// Nearest returns the word that was most likely meant, or "" if none is close. Letter case, dots, dashes and underscores
// make no difference. A word that is the last part of exactly one of the words means that one.
func Nearest(word string, words []string) string {
	if len(word) > 100 {
		return ""
	}
	word = plain(word)
	var best, inside string
	insides, least := 0, max(2, len(word)/6)+1
	for _, candidate := range words {
		other := plain(candidate)
		if strings.HasSuffix(other, "-"+word) {
			inside = candidate
			insides++
		}
		if d := distance(word, other); d < least && d < len(other) {
			best, least = candidate, d
		}
	}
	if insides == 1 && least > 0 {
		return inside
	}
	return best
}

func plain(word string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(word))
}

// distance counts the insertions, deletions, replacements and swaps of neighbours between a and b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
