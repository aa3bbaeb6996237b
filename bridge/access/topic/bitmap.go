package topic

import "math/bits"

// none is the place of a rule where there is none.
const none = maxFilters

// bitmap is a set of rules, by their position in a list. It keeps only the words that are not zero: summary says which they are. Its
// 64 bits are why a list has at most 64*64 filters.
type bitmap struct {
	summary uint64
	words   []uint64
}

var _ [64 * 64]struct{} = [maxFilters]struct{}{}

// add adds a rule that comes after all that are in the set, or is the last of them.
func (b *bitmap) add(rule int) {
	word := rule >> 6
	if b.summary>>word&1 == 0 {
		b.summary |= 1 << word
		b.words = append(b.words, 0)
	}
	b.words[len(b.words)-1] |= 1 << (rule & 63)
}

// word returns a word that is not zero.
func (b *bitmap) word(at int) uint64 {
	return b.words[bits.OnesCount64(b.summary&(1<<at-1))]
}

// candidates is a set of rules with room for any of them. Words that summary does not name are scratch.
type candidates struct {
	summary uint64
	words   [64]uint64
}

// unite adds the rules of b.
func (c *candidates) unite(b *bitmap) {
	left := b.summary
	for _, word := range b.words {
		at := bits.TrailingZeros64(left)
		left &= left - 1
		if c.summary>>at&1 != 0 {
			word |= c.words[at]
		}
		c.words[at] = word
	}
	c.summary |= b.summary
}

// keep takes out what is not in o.
func (c *candidates) keep(o *candidates) {
	c.summary &= o.summary
	for left := c.summary; left != 0; left &= left - 1 {
		at := bits.TrailingZeros64(left)
		c.words[at] &= o.words[at]
		if c.words[at] == 0 {
			c.summary &^= 1 << at
		}
	}
}

// keepOf takes out what is not in b.
func (c *candidates) keepOf(b *bitmap) {
	c.summary &= b.summary
	for left := c.summary; left != 0; left &= left - 1 {
		at := bits.TrailingZeros64(left)
		c.words[at] &= b.word(at)
		if c.words[at] == 0 {
			c.summary &^= 1 << at
		}
	}
}

// first returns the first rule of the set, or none.
func (c *candidates) first() int {
	if c.summary == 0 {
		return none
	}
	at := bits.TrailingZeros64(c.summary)
	return at<<6 | bits.TrailingZeros64(c.words[at])
}

// firstOf returns the first rule of the set that is in b, or none.
func (c *candidates) firstOf(b *bitmap) int {
	for left := c.summary & b.summary; left != 0; left &= left - 1 {
		at := bits.TrailingZeros64(left)
		if word := c.words[at] & b.word(at); word != 0 {
			return at<<6 | bits.TrailingZeros64(word)
		}
	}
	return none
}
