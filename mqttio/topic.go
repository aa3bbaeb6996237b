package mqttio

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Eight bytes are looked at as one word. The highest bit of every byte is the answer: zeros sets it for the lowest byte
// of x that is 0, and perhaps for bytes above that one, which is enough to know that there is one.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

func zeros(x uint64) uint64 { return (x - ones) &^ x & highs }

// checkString checks a UTF-8 Encoded String: well-formed, without surrogates [MQTT-1.5.4-1], without U+0000
// [MQTT-1.5.4-2]. Other control characters and noncharacters are only discouraged and pass.
func checkString(s []byte) error {
	for len(s) >= 8 {
		x := binary.LittleEndian.Uint64(s)
		if x&highs|zeros(x) != 0 {
			return checkOddString(s)
		}
		s = s[8:]
	}
	for _, c := range s {
		if c == 0 || c >= utf8.RuneSelf {
			return checkOddString(s)
		}
	}
	return nil
}

func checkOddString(s []byte) error {
	if !utf8.Valid(s) {
		return errUTF8
	}
	if bytes.IndexByte(s, 0) >= 0 {
		return errNUL
	}
	return nil
}

// checkTopicName checks a Topic Name: a UTF-8 Encoded String without wildcards. An empty one passes.
func checkTopicName(s []byte) error {
	if plainTopicName(s) {
		return nil
	}
	return checkOddTopicName(s)
}

// plainTopicName reports whether s is ASCII and has no NUL and no wildcard.
func plainTopicName(s []byte) bool {
	for len(s) >= 8 {
		x := binary.LittleEndian.Uint64(s)
		if x&highs|zeros(x)|zeros(x^'#'*ones)|zeros(x^'+'*ones) != 0 {
			return false
		}
		s = s[8:]
	}
	for _, c := range s {
		if c == 0 || c == '#' || c == '+' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func checkOddTopicName(s []byte) error {
	if err := checkOddString(s); err != nil {
		return err
	}
	if bytes.IndexByte(s, '#') >= 0 || bytes.IndexByte(s, '+') >= 0 {
		return errTopicWildcard
	}
	return nil
}

// checkTopicFilter checks a Topic Filter: a UTF-8 Encoded String that is not empty, + only as a whole level, # only as
// the whole last level, and in MQTT 5 the form of a shared subscription. In 3.x "$share/" has no meaning in the
// specifications, and brokers that give it one check it themselves.
func checkTopicFilter(s []byte, v Version) error {
	if len(s) == 0 {
		return errFilterEmpty
	}
	if err := checkString(s); err != nil {
		return err
	}
	if v == V5 && isShared(s) {
		name, filter, _ := bytes.Cut(s[len("$share/"):], []byte{'/'})
		switch {
		case len(name) == 0:
			return errShareName
		case len(filter) == 0, bytes.IndexByte(name, '#') >= 0, bytes.IndexByte(name, '+') >= 0:
			return errShareFilter
		}
		s = filter
	}
	for i, c := range s {
		if c != '#' && c != '+' {
			continue
		}
		last := i == len(s)-1
		whole := (i == 0 || s[i-1] == '/') && (last || s[i+1] == '/')
		switch {
		case c == '+' && !whole:
			return errFilterPlus
		case c == '#' && !(whole && last):
			return errFilterHash
		}
	}
	return nil
}

// isShared reports whether a Topic Filter is that of a shared subscription, MQTT 5 section 4.8.2.
func isShared(filter []byte) bool {
	return len(filter) >= len("$share/") && string(filter[:len("$share/")]) == "$share/"
}
