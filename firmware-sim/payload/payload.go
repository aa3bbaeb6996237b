// Package payload makes what devices say: values that move like those of real sensors, wrapped with the device's name, a
// sequence number and the time, as JSON, CBOR or a template of the user's own, and reads that marker back.
package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Marker identifies a message: every payload carries it.
type Marker struct {
	Device string `json:"d" cbor:"d"`
	Seq    uint64 `json:"s" cbor:"s"` // from 1
	Time   int64  `json:"t" cbor:"t"` // Unix nanoseconds
}

type envelope struct {
	Marker
	Value any    `json:"v,omitempty" cbor:"v,omitempty"`
	Pad   string `json:"p,omitempty" cbor:"p,omitempty"`
}

// Codec writes and reads payloads. It is read-only and safe for concurrent use.
type Codec struct {
	format string
	size   int
	parts  []string       // of a template, split at its placeholders
	match  *regexp.Regexp // reads a template's marker back
}

// NewCodec makes a codec for "json", "cbor" or "template". Payloads are padded to size bytes (JSON and CBOR) when they
// are shorter. A template must hold {id}, {seq} and {time}; {value} is the model's value.
func NewCodec(format, template string, size int) (*Codec, error) {
	c := &Codec{format: format, size: size}
	switch format {
	case "json", "cbor":
		return c, nil
	case "template":
		return c, c.compile(template)
	}
	return nil, fmt.Errorf("payload format %q: want json, cbor or template", format)
}

var placeholder = regexp.MustCompile(`\{(id|seq|time|value)\}`)

func (c *Codec) compile(template string) error {
	for _, must := range []string{"{id}", "{seq}", "{time}"} {
		if strings.Count(template, must) != 1 {
			return fmt.Errorf("payload template %q: wants %s exactly once, or the verdict could not tell messages apart", template, must)
		}
	}
	groups := map[string]string{"{id}": `(?P<id>.+?)`, "{seq}": `(?P<seq>\d+)`, "{time}": `(?P<time>\d+)`, "{value}": `(?s:.*?)`}
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	last := 0
	for _, at := range placeholder.FindAllStringIndex(template, -1) {
		name := template[at[0]:at[1]]
		c.parts = append(c.parts, template[last:at[0]], name)
		pattern.WriteString(regexp.QuoteMeta(template[last:at[0]]) + groups[name])
		last = at[1]
	}
	c.parts = append(c.parts, template[last:])
	pattern.WriteString(regexp.QuoteMeta(template[last:]) + `\z`)
	var err error
	c.match, err = regexp.Compile(pattern.String())
	return err
}

// Size is what payloads are padded to, 0 for not at all.
func (c *Codec) Size() int { return c.size }

// Encode writes one payload.
func (c *Codec) Encode(m Marker, value any) []byte {
	if c.format == "template" {
		return c.fill(m, value)
	}
	e := envelope{Marker: m, Value: value}
	out := c.marshal(e)
	if missing := c.size - len(out); missing > 0 {
		e.Pad = strings.Repeat("x", max(1, missing-c.padding()))
		out = c.marshal(e)
	}
	return out
}

// padding is what the padding field costs beside its text.
func (c *Codec) padding() int {
	if c.format == "cbor" {
		return 4
	}
	return len(`,"p":""`)
}

func (c *Codec) marshal(e envelope) []byte {
	// The values are numbers, strings and maps of them: marshalling does not fail.
	if c.format == "cbor" {
		out, _ := cbor.Marshal(e)
		return out
	}
	out, _ := json.Marshal(e)
	return out
}

func (c *Codec) fill(m Marker, value any) []byte {
	var b bytes.Buffer
	for _, part := range c.parts {
		switch part {
		case "{id}":
			b.WriteString(m.Device)
		case "{seq}":
			b.WriteString(strconv.FormatUint(m.Seq, 10))
		case "{time}":
			b.WriteString(strconv.FormatInt(m.Time, 10))
		case "{value}":
			text, _ := json.Marshal(value)
			b.Write(text)
		default:
			b.WriteString(part)
		}
	}
	return b.Bytes()
}

// Decode reads the marker back.
func (c *Codec) Decode(payload []byte) (Marker, error) {
	var m Marker
	switch c.format {
	case "json":
		return m, json.Unmarshal(payload, &m)
	case "cbor":
		return m, cbor.Unmarshal(payload, &m)
	}
	found := c.match.FindSubmatch(payload)
	if found == nil {
		return m, fmt.Errorf("payload %.40q does not match the template", payload)
	}
	m.Device = string(found[c.match.SubexpIndex("id")])
	var err error
	if m.Seq, err = strconv.ParseUint(string(found[c.match.SubexpIndex("seq")]), 10, 64); err != nil {
		return m, err
	}
	m.Time, err = strconv.ParseInt(string(found[c.match.SubexpIndex("time")]), 10, 64)
	return m, err
}

// Model is a source of values for one device. It belongs to one goroutine.
type Model func(rng *rand.Rand, now time.Time) any
